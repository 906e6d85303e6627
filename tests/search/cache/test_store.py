"""The cache answers only what is true, whoever writes, dies, or damages it."""

import logging
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import ray

from cluster.session import Session
from leukmodels.dataset.shards import Shard
from search.cache.store import PixelCache, Policy
from toy_cache import POLICIES, POLICY, STAMPS, USABLE, content, image, images, keep, kept, known, shard

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def cache(tmp_path: Path) -> PixelCache:
    return PixelCache(tmp_path / "storage" / "cache")


def test_an_empty_cache_knows_nothing_and_makes_nothing(cache: PixelCache) -> None:
    assert known(cache, STAMPS) == [""] * len(STAMPS)
    assert known(cache, []) == []
    assert cache.prepared(POLICY).place == {}
    assert cache.sizes() == cache.prune(None) == []
    keep(cache, [])
    cache.keep_unusable(POLICY, [], [])
    cache.keep_shard(POLICY, Shard(contents=[], images=np.empty((0, 2, 2, 3), np.uint8)))
    assert not cache.folder.exists()


def test_what_a_worker_keeps_is_known_to_the_next_process(cache: PixelCache, session: Session) -> None:
    ray.get(ray.put(cache)).keep_shard(POLICY, shard(POLICY, USABLE))
    assert set(images(PixelCache(cache.folder))) == set(USABLE)


def test_images_without_colours_are_kept_apart_and_known(cache: PixelCache) -> None:
    given = shard(POLICY, USABLE)
    pixels = given.images.copy()
    pixels[[1, 4]] = 90
    cache.keep_shard(POLICY, Shard(contents=given.contents, images=pixels))
    assert cache.prepared(POLICY).grey == {USABLE[1], USABLE[4]}
    for sha256, found in images(cache).items():
        np.testing.assert_array_equal(found, pixels[USABLE.index(sha256)])
    assert set(images(cache)) == set(USABLE)


def test_a_file_without_a_content_or_a_stamp_is_not_kept(cache: PixelCache) -> None:
    stamps = np.array([[1, 1, 1, 1], [-1, -1, -1, -1], [1, 1, 1, 1]])
    cache.keep_files(["/a", "/b", "/c"], stamps, ["", USABLE[0], USABLE[1]])
    assert cache.contents(["/a", "/b", "/c"], stamps) == ["", "", USABLE[1]]


def test_a_stamp_with_two_contents_is_not_trusted(cache: PixelCache) -> None:
    """As a file that was changed twice within a tick of its file system's clock."""
    stamps = np.ones((2, 4), np.int64)
    cache.keep_files(["/a", "/b"], stamps, USABLE[:2])
    cache.keep_files(["/a", "/b"], stamps, [USABLE[2], USABLE[1]])
    assert cache.contents(["/a", "/b"], stamps) == ["", USABLE[1]]


def test_what_could_be_decoded_once_is_usable(cache: PixelCache) -> None:
    cache.keep_unusable(POLICY, USABLE[:2], ["no memory", "no memory"])
    cache.keep_shard(POLICY, shard(POLICY, USABLE[:1]))
    assert cache.prepared(POLICY).reasons == {USABLE[1]: "no memory"}


def test_a_shard_under_another_policy_s_name_is_never_answered_from(cache: PixelCache) -> None:
    for policy in POLICIES:
        cache.keep_shard(policy, shard(policy, USABLE))
    (stray,) = cache.prepared(POLICIES[1]).shards
    moved = stray.rename(cache.folder / POLICY.name / stray.name)
    assert cache.prepared(POLICY).damaged == [moved]
    assert set(images(cache)) == set(USABLE)


def test_a_file_that_another_driver_removed_meanwhile_is_no_damage(cache: PixelCache) -> None:
    cache.keep_shard(POLICY, shard(POLICY, USABLE))
    gone = cache.folder / POLICY.name / "gone.parquet"
    gone.symlink_to("nowhere")  # listed, and not there when it is opened
    assert cache.prepared(POLICY).damaged == []
    assert set(images(cache)) == set(USABLE)


def test_policies_have_different_names() -> None:
    names = [
        Policy(image_px=px, crop_px=crop, max_pixels=64_000_000).name for px in (48, 64) for crop in (None, 64, 450)
    ]
    assert len({*names}) == 6
    assert names[-1] == "64px-crop450-max64000000-v3"


@pytest.mark.fault("files", "what the cache knows of files is damaged", "dropped with a note, read again")
def test_damaged_knowledge_of_files_is_dropped_with_a_note(cache: PixelCache, caplog: pytest.LogCaptureFixture) -> None:
    keep(cache, STAMPS[:2])
    (path,) = kept(cache)
    path.write_bytes(b"PAR1")
    keep(cache, STAMPS[1:3])
    with caplog.at_level(logging.WARNING):
        assert known(cache, STAMPS[:3]) == ["", *(content(stamp) for stamp in STAMPS[1:3])]
    assert f"{path} was damaged" in caplog.text
    assert not path.exists()


WRITER = """
import sys
from pathlib import Path
from toy_cache import POLICY, content, keep, shard
from search.cache.store import PixelCache

cache, name, rounds = PixelCache(Path(sys.argv[1])), sys.argv[2], int(sys.argv[3])
for turn in range(rounds):
    hashes = [content(f"{name} {turn} {number}") for number in range(8)]
    cache.keep_shard(POLICY, shard(POLICY, hashes))
    cache.keep_unusable(POLICY, [content(f"bad {name} {turn}")], [f"bad {name}"])
    keep(cache, [(f"/{name}/{turn}", turn, turn, turn, turn)])
    print(turn, flush=True)
"""


def start_writer(cache: PixelCache, name: str, rounds: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(cache.folder), name, str(rounds)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests" / "support")])},
        stdout=subprocess.PIPE,
        text=True,
    )


def check_kept(cache: PixelCache, name: str, rounds: int) -> None:
    """Assert that all is there that a writer kept in so many rounds."""
    stamps = [(f"/{name}/{turn}", turn, turn, turn, turn) for turn in range(rounds)]
    assert known(cache, stamps) == [content(stamp) for stamp in stamps]
    prepared = cache.prepared(POLICY)
    assert {content(f"{name} {turn} {number}") for turn in range(rounds) for number in range(8)} <= set(prepared.place)
    assert {content(f"bad {name} {turn}") for turn in range(rounds)} <= set(prepared.reasons)


def check_true(cache: PixelCache) -> None:
    assert not cache.prepared(POLICY).damaged
    assert all(np.array_equal(pixels, image(sha256, POLICY)) for sha256, pixels in images(cache).items())


def test_two_processes_at_once_lose_nothing(cache: PixelCache) -> None:
    writers = {name: start_writer(cache, name, 40) for name in ("anna", "bea")}
    while any(writer.poll() is None for writer in writers.values()):
        check_true(cache)
    for name, writer in writers.items():
        assert (writer.communicate()[0].split()[-1], writer.returncode) == ("39", 0)
        check_kept(cache, name, 40)
    check_true(cache)


@pytest.mark.fault(
    "drivers", "SIGKILL of a writer of the cache at a random moment", "all that it said it kept is there and true"
)
def test_a_writer_killed_at_any_moment_leaves_only_what_is_true(cache: PixelCache) -> None:
    for name in ("anna", "bea", "cleo", "dora"):
        with start_writer(cache, name, 100_000) as writer:
            assert writer.stdout
            writer.stdout.readline()
            time.sleep(random.uniform(0, 0.1))
            writer.kill()
            said = writer.stdout.read().split()
        assert writer.returncode == -signal.SIGKILL
        check_true(cache)
        check_kept(cache, name, int(said[-1]) + 1 if said else 1)


@pytest.mark.parametrize(
    ("policy", "name"),
    [
        (Policy(image_px=64, crop_px=450, max_pixels=64_000_000), "64px-crop450-max64000000-v7"),
        (Policy(image_px=144, crop_px=None, max_pixels=10_000), "144px-uncropped-max10000-v7"),
    ],
)
def test_all_that_pixels_depend_on_is_in_the_name_of_their_folder(policy, name, monkeypatch):
    monkeypatch.setattr("search.cache.store.POLICY_VERSION", 7)
    assert policy.name == name


def test_pixels_of_another_version_of_the_preparation_are_not_known(tmp_path, monkeypatch):
    cache, policy = PixelCache(tmp_path), Policy(image_px=2, crop_px=None, max_pixels=10_000)
    cache.keep_shard(policy, Shard(contents=["a" * 64], images=np.zeros((1, 2, 2, 3), np.uint8)))
    assert cache.prepared(policy).place == {"a" * 64: (0, 0)}
    monkeypatch.setattr("search.cache.store.POLICY_VERSION", 999)
    assert cache.prepared(policy).place == {}
