"""The guard on nodes that are only described: what it lets through fits when it is counted again by brute force."""

import re
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from leukmodels.errors import ProblemsError
from machines import CACHE, DATA, GB, STORAGE, demand, folder, node
from search.data.admission import MEMORY_SHARE, STORE_SHARE, admit, place
from search.data.requirements import TENSORFLOW_BYTES


def refusals(states, asked):
    with pytest.raises(ProblemsError) as refused:
        admit(states, asked)
    return refused.value.problems


def test_as_many_trials_run_at_once_as_cpus_hold_and_each_asks_for_its_memory():
    admitted = admit([node(cpus=4), node(cpus=2, name="beta")], demand())
    assert (admitted.concurrency, admitted.notes) == (6, ())
    assert admitted.trial_bytes == demand().trial_bytes
    assert admit([node()], demand(concurrency=2)).concurrency == 2


def test_more_trials_than_cpus_hold_are_refused_with_the_number_that_fits():
    assert refusals([node(cpus=4)], demand(concurrency=5, cpus=2)) == (
        "--concurrency is 5, but 2 trials of 2 CPUs and 0 GPUs fill 1 node with 4 CPUs and 0 GPUs. Give --concurrency "
        "2, lower --cpus-per-trial or --gpus-per-trial, or add nodes.",
    )


def test_a_trial_that_no_node_holds_is_refused():
    [problem] = refusals([node(cpus=4)], demand(gpus=0.5))
    assert "1 CPUs and 0.5 GPUs of one node, but there is only 1 node with 4 CPUs and 0 GPUs" in problem


def test_cpus_that_are_not_there_are_not_used_and_a_trial_that_counts_on_them_is_refused():
    states = [node(cpus=8, cores=2)]
    admitted = admit(states, demand())
    assert admitted.concurrency == 2
    assert admitted.notes == (
        "2 trials at once, although CPUs and GPUs suffice for 8: Ray was told more CPUs than there are cores.",
    )
    [problem] = refusals(states, demand(concurrency=4))
    assert "Ray was told 8 CPUs on alpha, but may use 2 of its cores: 4 trials of 1 TensorFlow thread each" in problem
    assert "Give --concurrency 2, or start Ray there with --num-cpus=2." in problem
    [problem] = refusals(states, demand(cpus=4))
    assert "Give --cpus-per-trial 2, or start Ray there with --num-cpus=2." in problem


def test_trials_that_memory_does_not_hold_are_refused_with_the_number_that_fits():
    states = [node(cpus=16, free_memory=6 * GB, memory=8 * GB)]
    admitted = admit(states, demand(pixels="streamed"))
    assert admitted.concurrency == 5
    assert "5 trials at once, although CPUs and GPUs suffice for 16: each needs 941 MB" in admitted.notes[0]
    [problem] = refusals(states, demand(concurrency=6))
    assert "A trial at 64 px needs 941 MB of memory (101 MB of it for images that are streamed)" in problem
    assert "alpha has 5.14 GB for trials of 6.00 GB that are free, so that 5 and not 6 fit at once." in problem
    assert "Give --concurrency 5, a smaller --image-px, a smaller --shuffle-window, --pixels shared, or" in problem
    assert admit(states, demand(concurrency=5)).concurrency == 5


def test_memory_that_ray_was_not_told_of_does_not_count():
    [problem] = refusals([node(told_memory=1 * GB)], demand(concurrency=2))
    assert "alpha has 1.00 GB for trials of 30.00 GB that are free, so that 1 and not 2 fit" in problem


def test_room_for_the_pixels_is_left_when_nobody_says_how_many_trials():
    states = [node(cpus=16, told_memory=12 * GB, free_memory=12 * GB, object_store=4 * GB, memory=12 * GB)]
    alone = admit(states, demand(pixels="streamed")).concurrency
    beside = admit(states, demand()).concurrency
    assert 0 < beside < alone
    assert not place(states, demand(), concurrency=beside, pixel_bytes=2 * GB, stream_bytes=2 * GB).streamed


def test_a_folder_that_some_nodes_do_not_see_or_cannot_write_is_refused_by_its_option():
    blind = node(name="beta", folders={CACHE: folder(seen=False, writable=False, free=0), DATA: folder(seen=False)})
    assert refusals([node(), blind], demand()) == (
        "1 of 2 nodes (beta) do not see /shared/cache. Give --cache a folder that all nodes share.",
        "1 of 2 nodes (beta) do not see /shared/cells. Give --data a folder that all nodes share.",
    )
    barred = {STORAGE: folder(writable=False), DATA: folder(writable=False)}  # nobody writes to the data
    [problem] = refusals([node(folders=barred)], demand())
    assert problem.startswith("1 of 1 nodes (alpha) cannot write to /shared/studies/one. Give --storage")
    assert admit([node(folders={DATA: folder(seen=False)})], demand(data=None))


def test_folders_on_one_disk_share_its_room():
    asked = demand(prepare_bytes=2 * GB)
    together = {STORAGE: folder(3 * GB), CACHE: folder(3 * GB)}
    [problem] = refusals([node(folders=together)], asked)
    assert (
        "The disk of /shared/studies/one and /shared/cache has 3.00 GB free, and this search needs 3.02 GB" in problem
    )
    assert "1.00 GB for the study, 15 MB for the models of 3 trials, 2.00 GB for prepared images" in problem
    assert "--storage and --cache" in problem
    apart = {STORAGE: folder(3 * GB), CACHE: folder(3 * GB, file_system=2)}
    assert admit([node(folders=apart)], asked)


def test_everything_that_does_not_fit_is_said_at_once():
    state = node(cpus=2, free_memory=GB, folders={CACHE: folder(seen=False), STORAGE: folder(free=0)})
    problems = refusals([state], demand(gpus=1.0))
    assert [re.search(r"--[a-z-]+", problem)[0] for problem in problems] == [
        "--cache",
        "--prune",
        "--cpus-per-trial",
        "--image-px",
    ]


def test_shared_pixels_on_disk_are_said():
    state = node(store_folder=Path("/tmp/ray"))
    [note] = admit([state], demand()).notes
    assert "Shared images lie on disk on alpha (/tmp/ray)" in note
    assert "Enlarge it to 9.00 GB or more (docker run --shm-size)." in note
    assert admit([state], demand(pixels="streamed")).notes == ()


def placed(states, *, pixel_bytes, stream_bytes=0, concurrency=1, **given):
    return place(states, demand(**given), concurrency=concurrency, pixel_bytes=pixel_bytes, stream_bytes=stream_bytes)


def test_pixels_are_shared_where_the_smallest_object_store_holds_them_and_streamed_otherwise():
    states = [node(object_store=9 * GB), node(name="beta", object_store=4 * GB)]
    shared = placed(states, pixel_bytes=2_800_000_000)
    assert (shared.streamed, shared.description) == (False, "2.80 GB of pixels are shared: one copy a node.")
    streamed = placed(states, pixel_bytes=2_800_000_001)
    assert streamed.streamed
    assert streamed.description == (
        "2.81 GB of pixels do not fit into shared memory: 2.80 GB may be filled on beta, 70% of Ray's object store: "
        "every trial streams them from the cache, shuffled in windows of 4,096 images."
    )
    assert placed(states, pixel_bytes=1, pixels="streamed").description.startswith("As --pixels asks: every")


def test_pixels_that_do_not_fit_beside_the_trials_are_streamed():
    states = [node(cpus=4, free_memory=6 * GB, memory=6 * GB)]
    assert not placed(states, pixel_bytes=2 * GB, concurrency=3).streamed
    beside = placed(states, pixel_bytes=2 * GB, concurrency=4)
    assert beside.streamed
    assert beside.description.startswith(
        "2.00 GB of pixels do not fit into memory beside 4 trials of 941 MB each: every"
    )


def test_sharing_that_was_asked_for_and_does_not_fit_is_refused():
    with pytest.raises(ProblemsError, match=r"6\.31 GB of pixels do not fit .* Give --pixels auto.*--image-px"):
        placed([node()], pixel_bytes=6_300_000_001, pixels="shared")


def test_a_stream_that_fits_no_disk_is_refused_unless_it_is_there_already():
    states = [node(folders={CACHE: folder(6 * GB, file_system=2)})]
    with pytest.raises(ProblemsError, match=r"and cannot be streamed either: The disk of /shared/cache has 6\.00 GB"):
        placed(states, pixel_bytes=7 * GB, stream_bytes=7 * GB)
    assert placed(states, pixel_bytes=7 * GB, stream_bytes=0).streamed


def sizes(least, most):
    return st.integers(int(least * GB), int(most * GB))


FOLDERS = st.builds(folder, sizes(4, 40), file_system=st.integers(1, 2))


@st.composite
def described(draw):
    memory = draw(sizes(8, 64))
    return node(
        cpus=draw(st.integers(2, 8)),
        gpus=draw(st.sampled_from([1.0, 0.0, 2.0])),
        name=draw(st.sampled_from(["alpha", "beta"])),
        cores=draw(st.integers(2, 16)),
        memory=memory,
        free_memory=draw(st.integers(memory // 2, memory)),
        told_memory=draw(sizes(4, 64)),
        object_store=draw(sizes(0, 20)),
        folders={STORAGE: draw(FOLDERS), CACHE: draw(FOLDERS)},
    )


STATES = st.lists(described(), min_size=1, max_size=3)
DEMANDS = st.builds(
    demand,
    concurrency=st.none() | st.integers(1, 6),
    cpus=st.integers(1, 2),
    gpus=st.sampled_from([0.0, 0.0, 0.0, 0.5, 1.0]),
    image_px=st.sampled_from([16, 64, 144]),
    pixels=st.sampled_from(["auto", "auto", "shared", "streamed"]),
    prepare_bytes=sizes(0, 2),
)
BYTES = sizes(0, 8)


def check_words(problems):
    assert problems
    for problem in problems:
        assert re.search(r" --[a-z]+(-[a-z]+)*", problem), problem
        assert re.search(r"\d", problem), problem


def outcome(states, asked, pixel_bytes):
    """Return what a search does: admission and placement; None where it is refused."""
    try:
        admitted = admit(states, asked)
        return admitted, place(
            states, asked, concurrency=admitted.concurrency, pixel_bytes=pixel_bytes, stream_bytes=pixel_bytes
        )
    except ProblemsError as refused:
        check_words(refused.problems)
        return None


@given(states=STATES, asked=DEMANDS, pixel_bytes=BYTES)
def test_whatever_is_admitted_fits_however_ray_spreads_the_trials(states, asked, pixel_bytes):
    assume((done := outcome(states, asked, pixel_bytes)) is not None)
    admitted, placement = done
    assert asked.concurrency in (None, admitted.concurrency)
    held = 0 if placement.streamed else pixel_bytes
    most = [
        max(
            n
            for n in range(9)
            if n * asked.cpus <= state.node.cpus
            and n * asked.gpus <= state.node.gpus
            and n * admitted.trial_bytes <= state.told_memory
        )
        for state in states
    ]
    assert 1 <= admitted.concurrency <= sum(most)
    for spread in product(*(range(n + 1) for n in most)):
        if sum(spread) == admitted.concurrency:
            for state, trials in zip(states, spread, strict=True):
                used = state.memory - state.free_memory + TENSORFLOW_BYTES + trials * admitted.trial_bytes + held
                assert not trials or used <= MEMORY_SHARE * state.memory + 1
                assert trials * asked.cpus <= state.cores
    for state in states:
        assert placement.streamed or pixel_bytes <= STORE_SHARE * state.object_store
        written = dict.fromkeys((1, 2), 0)
        needed = asked.disk(pixel_bytes if placement.streamed else 0)
        for path, size, _ in needed:
            written[state.folders[path].file_system] += size
        for path, _, _ in needed:
            assert written[state.folders[path].file_system] <= state.folders[path].free


@given(states=STATES, asked=DEMANDS, pixel_bytes=BYTES, data=st.data())
def test_more_of_anything_that_a_node_says_it_has_never_refuses_a_search_that_fits(states, asked, pixel_bytes, data):
    assume(outcome(states, asked, pixel_bytes) is not None)
    place_of = data.draw(st.integers(0, len(states) - 1))
    state, more = states[place_of], data.draw(st.integers(1, 20 * GB))
    roomier = {path: replace(seen, free=seen.free + more) for path, seen in state.folders.items()}
    better = data.draw(
        st.sampled_from(
            [
                replace(state, cores=state.cores + more % 8),
                replace(state, free_memory=state.free_memory + more),
                replace(state, object_store=state.object_store + more),
                replace(state, folders=roomier),
            ]
        )
    )
    assert outcome([*states[:place_of], better, *states[place_of + 1 :]], asked, pixel_bytes) is not None


@given(states=STATES.filter(lambda states: len(states) == 1), asked=DEMANDS, pixel_bytes=BYTES, data=st.data())
def test_on_one_node_more_cpus_gpus_or_memory_for_ray_never_refuse_either(states, asked, pixel_bytes, data):
    assume(outcome(states, asked, pixel_bytes) is not None)
    [state] = states
    more = data.draw(st.integers(1, 8))
    told = data.draw(
        st.sampled_from(
            [
                replace(state, node=replace(state.node, cpus=state.node.cpus + more)),
                replace(state, node=replace(state.node, gpus=state.node.gpus + more)),
                replace(state, told_memory=state.told_memory + more * GB),
            ]
        )
    )
    assert outcome([told], asked, pixel_bytes) is not None


@given(states=STATES, asked=DEMANDS, pixel_bytes=BYTES)
def test_fewer_trials_pixels_or_files_fit_where_more_do(states, asked, pixel_bytes):
    assume(outcome(states, asked, pixel_bytes) is not None)
    assert outcome(states, asked, pixel_bytes // 2) is not None
    assert outcome(states, replace(asked, prepare_bytes=asked.prepare_bytes // 2), pixel_bytes) is not None
    if asked.concurrency:
        assert outcome(states, replace(asked, concurrency=max(1, asked.concurrency // 2)), pixel_bytes) is not None
