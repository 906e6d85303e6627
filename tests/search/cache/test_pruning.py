"""What lies in a cache is told and pruned as it should be, and nothing else is touched."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from leukmodels.errors import StudyError
from search.cache.store import PixelCache
from toy_cache import DAY_S, POLICY, STAMPS, USABLE, age, content, fill, images, keep, kept, known

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def cache(tmp_path: Path) -> PixelCache:
    return PixelCache(tmp_path / "storage" / "cache")


def test_sizes_tell_what_lies_there(cache: PixelCache) -> None:
    by_kind = fill(cache)
    age(by_kind["shard"], 3)
    age(by_kind["unusable"], 2)
    policy, stream, files = cache.sizes()
    assert (policy.name, policy.kind, policy.files, policy.images) == (POLICY.name, "policy", 2, len(USABLE))
    assert (stream.name, stream.kind, stream.files, stream.images) == ("streams/key", "stream", 2, len(USABLE))
    assert (files.name, files.kind, files.files, files.images) == ("files-v2", "files", 1, len(STAMPS))
    assert policy.last_used == pytest.approx(time.time() - 2 * DAY_S, abs=60)
    assert policy.bytes == sum(by_kind[kind].stat().st_size for kind in ("shard", "unusable"))


@pytest.mark.parametrize(
    ("touched", "stay"),
    [
        ([], []),
        (["shard"], ["shard", "unusable"]),
        (["unusable"], ["unusable"]),
        (["files"], ["files"]),
        (["second"], ["first", "second"]),
    ],
)
def test_prune_by_age_keeps_what_was_used_since(cache: PixelCache, touched: list[str], stay: list[str]) -> None:
    by_kind = fill(cache)
    for path in by_kind.values():
        age(path, 31)
    cache.touch([by_kind[kind] for kind in touched])
    cache.prune(30 * DAY_S)
    assert [kind for kind, path in by_kind.items() if path.exists()] == [kind for kind in by_kind if kind in stay]


def test_what_is_asked_about_files_counts_as_used(cache: PixelCache) -> None:
    keep(cache, STAMPS[:2])
    keep(cache, STAMPS[2:])
    for path in kept(cache):
        age(path, 31)
    known(cache, STAMPS[:1])
    cache.prune(30 * DAY_S)
    assert known(cache, STAMPS) == [*(content(stamp) for stamp in STAMPS[:2]), *[""] * (len(STAMPS) - 2)]


def test_prune_removes_what_killed_writers_left_after_a_day(cache: PixelCache) -> None:
    whole = fill(cache)["shard"]
    old, young = (whole.with_name(f".{pid}-{whole.name}") for pid in (1, 2))
    for aside in (old, young):
        aside.write_bytes(b"PAR1")
    age(old, 1.1)
    (entry,) = cache.prune(30 * DAY_S)
    assert (entry.files, entry.images, entry.bytes) == (1, 0, 4)
    assert young.exists()
    cache.prune(None)
    assert kept(cache) == []


def test_a_pruned_cache_can_be_filled_again(cache: PixelCache) -> None:
    fill(cache)
    cache.prune(None)
    assert sorted(path.name for path in cache.folder.iterdir()) == ["CACHEDIR.TAG", "lock"]
    assert cache.sizes() == []
    fill(cache)
    assert set(images(cache)) == set(USABLE)


def test_a_cache_in_use_is_not_pruned(cache: PixelCache) -> None:
    with cache.in_use(), cache.in_use():  # several drivers
        fill(cache)
        with pytest.raises(
            StudyError, match=r"is in use, so nothing was removed\. Wait .* or stop them first \(Ctrl-C"
        ):
            cache.prune(None)
    assert len(kept(cache)) == 5
    assert len(cache.prune(None)) == 3


HOLDER = """
import sys
from pathlib import Path
from search.cache.store import PixelCache
with PixelCache(Path(sys.argv[1])).in_use():
    print("in use", flush=True)
    sys.stdin.read()
"""


def test_a_driver_that_was_killed_uses_nothing_any_more(cache: PixelCache) -> None:
    fill(cache)
    command = [sys.executable, "-c", HOLDER, str(cache.folder)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout
        holder.stdout.readline()
        with pytest.raises(StudyError, match="in use"):
            cache.prune(None)
        holder.kill()
    assert cache.prune(None)


@pytest.fixture
def foreign(tmp_path: Path) -> Iterator[Path]:
    """Yield a folder of someone's own files, and see that they stay."""
    folder = tmp_path / "thesis"
    (folder / "files").mkdir(parents=True)
    for path in (folder / "chapter.txt", folder / "files" / "figure.parquet"):
        path.write_text("three years of work")
    (folder / "CACHEDIR.TAG").write_text("Signature: 8a477f597d28d172789f06886806bc55\n# by another program\n")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    yield folder
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


@pytest.mark.fault("files", "--cache names a folder of other things", "nothing in it is touched")
def test_a_folder_of_other_things_is_no_cache(foreign: Path) -> None:
    cache = PixelCache(foreign)
    words = "holds other things .* Name a new or an empty folder with --cache"
    with pytest.raises(StudyError, match=words):
        cache.prune(None)
    with pytest.raises(StudyError, match=words):
        cache.sizes()
    with pytest.raises(StudyError, match=words):
        keep(cache, STAMPS)
    with pytest.raises(StudyError, match=words), cache.in_use():
        pass


def test_a_folder_that_cannot_be_written_is_named_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StudyError, match=r"file/cache cannot be read \(Not a directory\)\. Name a folder with --cache"):
        keep(PixelCache(tmp_path / "file" / "cache"), STAMPS)
    cache = PixelCache(tmp_path / "the cache")
    with cache.in_use():
        (cache.folder / "files-v2").touch()
    with pytest.raises(StudyError, match=r"cannot be written \(File exists\)\. .* --cache '.*/the cache'` shows"):
        keep(cache, STAMPS)
