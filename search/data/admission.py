"""Does it fit? What a study asks for, held against what the nodes have, before anything is decoded or trained.

What would hang (a trial that no node holds), thrash (more threads than cores, more memory than there is) or break off
in the middle (a full disk, a folder that a node does not see) is refused with numbers and what to change. Pure
functions: more of what a node itself says (cores, memory, object store, disk) never makes a search that fits one that
does not. Use what the nodes said at the start throughout: what the search itself takes meanwhile is in the demand.

On every node   trials x trial_bytes + TensorFlow's code + pixels, where they are shared   must fit into free memory.
Each trial asks Ray for trial_bytes, so that Ray spreads them over the nodes by memory as well.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cluster.nodes import NodeState, in_words
from leukmodels.errors import ProblemsError
from leukmodels.process.words import plural
from search.data.requirements import TENSORFLOW_BYTES, ResourceRequirements

# Ray ends workers when more of a node's memory is in use (RAY_memory_usage_threshold).
MEMORY_SHARE = 0.95
# How much of an object store pixels may fill: Ray and other searches need some of it.
STORE_SHARE = 0.7
# Ray's object store is 30 % of the free memory, unless it was told otherwise.
_LIKELY_PIXELS = 0.3 * STORE_SHARE
_HEADING = "This search does not fit here:"
_SHARED_MEMORY = Path("/dev/shm")


@dataclass(frozen=True, kw_only=True)
class Admission:
    """How a search runs that fits: trials at once, memory that each asks Ray for, and what the user should know."""

    concurrency: int
    trial_bytes: int
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Where trials read the pixels, and why."""

    streamed: bool
    description: str


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How many trials run at once by each resource, wherever Ray places them.

    slots      of CPUs and GPUs
    offered    of CPUs, GPUs and the memory that Ray was told of: what Ray would run
    by_cores   of those, so that no node gets more than it has cores for
    by_memory  of those, so that no node gets more than it has free memory for
    """

    slots: int
    offered: int
    by_cores: int
    by_memory: int

    @property
    def at_once(self) -> int:
        """The least of them."""
        return min(self.offered, self.by_cores, self.by_memory)


def admit(states: Sequence[NodeState], demand: ResourceRequirements) -> Admission:
    """Return how the search runs; ProblemsError with everything that keeps it from fitting, however few its pixels.

    How many trials run at once is settled here, since the workers start while the images are being prepared.
    """
    problems = [
        *_folder_problems(states, demand),
        *_disk_problems(states, demand, stream_bytes=0),
        *_trial_problems(states, demand),
    ]
    if problems:
        raise ProblemsError(_HEADING, problems)
    notes = _store_notes(states, demand)
    concurrency = demand.concurrency
    if concurrency is None:
        # Room is left for the pixels: otherwise they might have to be streamed for the sake of one trial more.
        room = [min(STORE_SHARE * state.object_store, _LIKELY_PIXELS * state.free_memory) for state in states]
        limits = limits_of(states, demand, shared=[0.0 if demand.pixels == "streamed" else most for most in room])
        concurrency = max(1, limits.at_once)
        if concurrency < limits.slots:
            notes.append(_fewer(concurrency, limits, demand, states))
    return Admission(concurrency=concurrency, trial_bytes=demand.trial_bytes, notes=tuple(notes))


def place(
    states: Sequence[NodeState], demand: ResourceRequirements, *, concurrency: int, pixel_bytes: int, stream_bytes: int
) -> Placement:
    """Return where ``concurrency`` trials read the pixels; ProblemsError where there is room for them nowhere.

    ``pixel_bytes`` are those of training and validation, ``stream_bytes`` what streaming them would add to the cache:
    as many, or 0 where an earlier search has streamed them.
    """
    against = ""
    if demand.pixels != "streamed":
        against = _against_sharing(states, demand, concurrency=concurrency, pixel_bytes=pixel_bytes)
        if not against:
            return Placement(streamed=False, description=f"{_need(pixel_bytes)} of pixels are shared: one copy a node.")
    if demand.pixels == "shared":
        remedy = (
            "Give --pixels auto, which streams what does not fit, a smaller --image-px or a smaller --concurrency, or "
            "start Ray with a larger store (ray start --object-store-memory)."
        )
        raise ProblemsError(_HEADING, [f"{against}. {remedy}"])
    if problems := list(_disk_problems(states, demand, stream_bytes=stream_bytes)):
        other = f"{against}, and cannot be streamed either: " if against else ""
        raise ProblemsError(_HEADING, [f"{other}{problem}" for problem in problems])
    how = f"every trial streams them from the cache, shuffled in windows of {demand.shuffle_window:,} images."
    return Placement(streamed=True, description=f"{against or 'As --pixels asks'}: {how}")


def limits_of(states: Sequence[NodeState], demand: ResourceRequirements, *, shared: Sequence[float]) -> Limits:
    """Count the trials that run at once; ``shared`` are the bytes of pixels that each node holds for all of them."""
    slots = [_slots(state, demand) for state in states]
    offers = [min(slot, state.told_memory // demand.trial_bytes) for slot, state in zip(slots, states, strict=True)]
    by_cores = [state.cores // demand.cpus for state in states]
    by_memory = [_trials_in(trial_memory(state) - held, demand) for state, held in zip(states, shared, strict=True)]
    return Limits(
        slots=sum(slots),
        offered=sum(offers),
        by_cores=_wherever(offers, by_cores),
        by_memory=_wherever(offers, by_memory),
    )


def trial_memory(state: NodeState) -> int:
    """Return the bytes of a node's memory that its trials and the pixels they share may fill; below 0 where none."""
    return int(state.free_memory - (1 - MEMORY_SHARE) * state.memory) - TENSORFLOW_BYTES


def _slots(state: NodeState, demand: ResourceRequirements) -> int:
    return state.node.holds(cpus=demand.cpus, gpus=demand.gpus)


def _trials_in(memory: float, demand: ResourceRequirements) -> int:
    return max(0, int(memory // demand.trial_bytes))


def _wherever(offers: Sequence[int], bearable: Sequence[int]) -> int:
    """Return how many trials run at once such that no node can get more than it bears, however Ray spreads them."""
    return min([sum(offers), *(most for offer, most in zip(offers, bearable, strict=True) if offer > most)])


def _trial_problems(states: Sequence[NodeState], demand: ResourceRequirements) -> Iterator[str]:
    cluster = in_words([state.node for state in states])
    limits = limits_of(states, demand, shared=[0.0] * len(states))
    asked = demand.concurrency or 1
    if not limits.slots:
        yield (
            f"A trial asks for {demand.cpus} CPUs and {demand.gpus:g} GPUs of one node, but there is only {cluster}. "
            "Lower --cpus-per-trial or --gpus-per-trial, or add nodes."
        )
        # So that it is seen all the same whether there is memory for a trial.
        asked, demand = 1, replace(demand, cpus=1, gpus=0.0)
        limits = limits_of(states, demand, shared=[0.0] * len(states))
    elif limits.slots < asked:
        yield (
            f"--concurrency is {asked}, but {limits.slots} trials of {demand.cpus} CPUs and {demand.gpus:g} GPUs fill "
            f"{cluster}. Give --concurrency {limits.slots}, lower --cpus-per-trial or --gpus-per-trial, or add nodes."
        )
    asked = min(asked, limits.slots)
    if limits.by_cores < min(asked, limits.offered):
        yield _too_few_cores(states, demand, asked=asked, fit=limits.by_cores)
    if min(limits.offered, limits.by_memory) < asked:
        yield _too_little_memory(states, demand, asked=asked, fit=min(limits.offered, limits.by_memory))


def _too_few_cores(states: Sequence[NodeState], demand: ResourceRequirements, *, asked: int, fit: int) -> str:
    short = [state for state in states if state.cores // demand.cpus < min(asked, _slots(state, demand))]
    least = min(short, key=lambda state: state.cores)
    found = f"Ray was told {least.node.cpus} CPUs on {_named(short)}, but may use {least.cores} of its cores"
    remedy = f"or start Ray there with --num-cpus={least.cores}."
    if fit:
        threads = f"{asked} trials of {demand.cpus} TensorFlow thread{'s' * (demand.cpus != 1)} each"
        return f"{found}: {threads} would fight over them. Give --concurrency {fit}, {remedy}"
    threads = f"a trial has {demand.cpus} TensorFlow threads, which would fight over them"
    return f"{found}: {threads}. Give --cpus-per-trial {least.cores}, {remedy}"


def _too_little_memory(states: Sequence[NodeState], demand: ResourceRequirements, *, asked: int, fit: int) -> str:
    def room(state: NodeState) -> int:
        return min(state.told_memory, trial_memory(state))

    short = [state for state in states if _trials_in(room(state), demand) < min(asked, _slots(state, demand))]
    least = min(short, key=room)
    holds = f" ({_need(demand.windows_bytes)} of it for images that are streamed)" if demand.windows_bytes else ""
    fewer = f"--concurrency {fit}, " if fit else ""
    without = f", or take {least.name} out of the cluster (ray stop there)" if len(states) > 1 else ""
    streamed = "a smaller --shuffle-window, --pixels shared, " if demand.windows_bytes else ""
    return (
        f"A trial at {demand.image_px} px needs {_need(demand.trial_bytes)} of memory{holds}; {_named(short)} has "
        f"{_have(room(least))} for trials of {_have(least.free_memory)} that are free, so that {fit} and not "
        f"{asked} fit at once. Give {fewer}a smaller --image-px, {streamed}or nodes with more free memory{without}."
    )


def _folder_problems(states: Sequence[NodeState], demand: ResourceRequirements) -> Iterator[str]:
    for option, folder in (("--storage", demand.storage), ("--cache", demand.cache), ("--data", demand.data)):
        if folder is None:
            continue
        blind = [state for state in states if not state.folders[folder].seen]
        barred = [state for state in states if not state.folders[folder].writable and option != "--data"]
        for nodes, what in ((blind, "do not see"), (barred, "cannot write to")):
            if nodes:
                yield (
                    f"{len(nodes)} of {len(states)} nodes ({_named(nodes)}) {what} {folder}. "
                    f"Give {option} a folder that all nodes share."
                )
                break


def _disk_problems(states: Sequence[NodeState], demand: ResourceRequirements, *, stream_bytes: int) -> Iterator[str]:
    written = demand.disk(stream_bytes)
    least: dict[tuple[Path, ...], int] = {}  # folders that share a disk -> free bytes
    for state in states:
        disks = defaultdict(list)
        for folder in dict.fromkeys(folder for folder, _, _ in written):
            if state.folders[folder].seen:
                disks[state.folders[folder].file_system].append(folder)
        for folders in map(tuple, disks.values()):
            free = min(state.folders[folder].free for folder in folders)
            least[folders] = min(free, least.get(folders, free))
    for folders, free in least.items():
        here = [(size, purpose) for folder, size, purpose in written if folder in folders]
        if (needed := sum(size for size, _ in here)) > free:
            parts = ", ".join(f"{_need(size)} for {purpose}" for size, purpose in here)
            yield (
                f"The disk of {' and '.join(map(str, folders))} has {_have(free)} free, and this search needs "
                f"{_need(needed)}: {parts}. Make room (python -m search.cache --prune), or name folders on a larger "
                "disk with --storage and --cache."
            )


def _against_sharing(
    states: Sequence[NodeState], demand: ResourceRequirements, *, concurrency: int, pixel_bytes: int
) -> str:
    """Return why the pixels cannot be shared, "" where they can."""
    smallest = min(states, key=lambda state: state.object_store)
    room = int(STORE_SHARE * smallest.object_store)
    if pixel_bytes > room:
        return (
            f"{_need(pixel_bytes)} of pixels do not fit into shared memory: {_have(room)} may be filled on "
            f"{smallest.name}, {STORE_SHARE:.0%} of Ray's object store"
        )
    if limits_of(states, demand, shared=[float(pixel_bytes)] * len(states)).by_memory < concurrency:
        each = _need(demand.trial_bytes)
        return f"{_need(pixel_bytes)} of pixels do not fit into memory beside {concurrency} trials of {each} each"
    return ""


def _store_notes(states: Sequence[NodeState], demand: ResourceRequirements) -> list[str]:
    on_disk = [state for state in states if state.store_folder not in (None, _SHARED_MEMORY)]
    if not on_disk or demand.pixels == "streamed":
        return []
    largest = max(state.object_store for state in on_disk)
    return [
        f"Shared images lie on disk on {_named(on_disk)} ({on_disk[0].store_folder}), because {_SHARED_MEMORY} is "
        f"smaller than Ray's object store, and are read more slowly. Enlarge it to {_need(largest)} or more "
        "(docker run --shm-size)."
    ]


def _fewer(concurrency: int, limits: Limits, demand: ResourceRequirements, states: Sequence[NodeState]) -> str:
    """Return why not all CPUs and GPUs will be in use."""
    least = min(states, key=lambda state: state.free_memory)
    fullest = f", and {least.name} has {_have(least.free_memory)} free" if len(states) > 1 else ""
    if limits.by_cores == concurrency:
        why = "Ray was told more CPUs than there are cores"
    else:
        why = f"each needs {_need(demand.trial_bytes)} of memory at {demand.image_px} px"
    return f"{plural(concurrency, 'trial')} at once, although CPUs and GPUs suffice for {limits.slots}: {why}{fullest}."


def _named(states: Sequence[NodeState]) -> str:
    names = [state.name for state in states[:3]]
    return ", ".join([*names, f"{len(states) - 3} more"] if len(states) > 3 else names)


def _need(size: float) -> str:
    """Return bytes that are needed, rounded up: they never look like no more than what there is."""
    return _bytes(size, math.ceil)


def _have(size: float) -> str:
    """Return bytes that there are, rounded down."""
    return _bytes(max(0, size), math.floor)


def _bytes(size: float, rounded: Callable[[float], int]) -> str:
    return f"{rounded(size / 1e7) / 100:,.2f} GB" if size >= 1e9 else f"{rounded(size / 1e6)} MB"
