"""What python -m search.cache says, and what it frees."""

import datetime
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from leukmodels.dataset.shards import Shard
from leukmodels.errors import ConfigError, StudyError
from search.cache.__main__ import byte_words, main, since_words
from search.cache.store import PixelCache, Policy
from search.study.options import find_cache
from toy_cache import DAY_S, POLICY, STAMPS, USABLE, age, fill, keep, kept

ROOT = Path(__file__).resolve().parents[3]
HEAVY = ("tensorflow", "keras", "ray", "mlflow", "optuna", "matplotlib")


@pytest.fixture
def storage(tmp_path: Path) -> Path:
    return tmp_path / "my studies"  # a blank on purpose


@pytest.fixture
def cache(storage: Path) -> PixelCache:
    return PixelCache(storage / "cache")


def test_a_person_sees_parts_sizes_a_total_and_what_to_type_next(
    cache: PixelCache, storage: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    by_kind = fill(cache)
    for kind, days in {"shard": 40.0, "unusable": 40.0, "files": 0.125}.items():
        age(by_kind[kind], days)
    large = Policy(image_px=64, crop_px=None, max_pixels=64_000_000)
    cache.keep_shard(large, Shard(contents=USABLE[:2], images=np.zeros((2, 64, 64, 3), np.uint8)))
    assert main(["--storage", str(storage)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"Cache in {cache.folder}:"
    shown = [line.split() for line in lines[2:]]
    assert shown[0] == ["part", "holds", "size", "last", "used"]
    assert [row for row in shown[2:6] if "files" not in row] == [
        f"{POLICY.name} 8 images {byte_words(size(by_kind, 'shard', 'unusable'))} 40 days ago".split(),
        f"{large.name} 2 images 24.9 kB just now".split(),
        f"streams/key 8 images {byte_words(size(by_kind, 'first', 'second'))} just now".split(),
    ]
    assert shown[5] == f"files-v2 15 known files {byte_words(size(by_kind, 'files'))} 3 h ago".split()
    assert shown[7] == f"total {byte_words(sum(path.stat().st_size for path in kept(cache)))}".split()
    assert lines[-3:] == [
        "Next:",
        f"  python -m search.cache --storage '{storage}' --prune 30    free what no search has used for 30 days",
        f"  python -m search.cache --storage '{storage}' --prune       free all of it",
    ]


def size(by_kind: dict[str, Path], *kinds: str) -> int:
    return sum(by_kind[kind].stat().st_size for kind in kinds)


def test_one_part_needs_no_total(cache: PixelCache, storage: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep(cache, STAMPS[:1])
    main(["--storage", str(storage)])
    said = capsys.readouterr().out
    assert "1 known file " in said
    assert "\ntotal" not in said


@pytest.mark.parametrize("words", [[], ["--prune"], ["--prune", "30"]])
def test_an_empty_cache_says_so(storage: Path, capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    assert main(["--storage", str(storage), *words]) == 0
    said = capsys.readouterr().out
    assert "empty" in said
    assert str(storage / "cache") in said
    assert not storage.exists()
    if not words:
        assert said.endswith(f"\n  python -m search.run --task runx1 --storage '{storage}'\n")


def test_prune_by_age_shows_what_was_freed_and_what_is_left(
    cache: PixelCache, capsys: pytest.CaptureFixture[str]
) -> None:
    by_kind = fill(cache)
    freed = byte_words(size(by_kind, "shard", "unusable"))
    for kind in ("shard", "unusable"):
        age(by_kind[kind], 31)
    words = ["--cache", str(cache.folder), "--prune", "30"]
    assert main(words) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"Freed from the cache in {cache.folder}:"
    assert lines[4].split() == f"{POLICY.name} 8 images {freed} 31 days ago".split()
    left = f"It holds {byte_words(sum(path.stat().st_size for path in kept(cache)))}."
    assert lines[-1] == left
    assert main(words) == 0
    nothing = f"Nothing to free: the cache in {cache.folder} was used in the last 30 days.\n"
    assert capsys.readouterr().out == nothing


def test_prune_without_days_frees_all(cache: PixelCache, capsys: pytest.CaptureFixture[str]) -> None:
    fill(cache)
    assert main(["--cache", str(cache.folder), "--prune"]) == 0
    assert capsys.readouterr().out.endswith("\nIt is empty.\n")
    assert kept(cache) == []


def test_json_holds_the_same_in_bytes(cache: PixelCache, capsys: pytest.CaptureFixture[str]) -> None:
    by_kind = fill(cache)
    age(by_kind["files"], 31)
    words = ["--cache", str(cache.folder), "--json"]
    main(words)
    told = json.loads(capsys.readouterr().out)
    assert told["cache"] == str(cache.folder)
    assert told["bytes"] == sum(entry["bytes"] for entry in told["entries"]) == size(by_kind, *by_kind)
    assert [(entry["kind"], entry["files"], entry["images"]) for entry in told["entries"]] == [
        ("policy", 2, 8),
        ("stream", 2, 8),
        ("files", 1, 15),
    ]
    used = datetime.datetime.fromisoformat(told["entries"][2]["last_used"])
    assert used.timestamp() == pytest.approx(time.time() - 31 * DAY_S, abs=60)
    main([*words, "--prune", "30"])
    pruned = json.loads(capsys.readouterr().out)
    assert pruned["freed"] == told["entries"][2:]
    assert pruned["freed_bytes"] == told["bytes"] - pruned["bytes"] == told["entries"][2]["bytes"]
    assert pruned["entries"] == told["entries"][:2]


def test_a_cache_in_use_is_refused_with_status_2(cache: PixelCache) -> None:
    fill(cache)
    with cache.in_use():
        done = subprocess.run(
            [sys.executable, "-m", "search.cache", "--cache", str(cache.folder), "--prune"],
            cwd=ROOT,
            check=False,
            capture_output=True,
            text=True,
        )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: The cache {cache.folder} is in use, so nothing was removed. Wait until")
    assert len(kept(cache)) == 5


def test_a_folder_of_other_things_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(StudyError, match=r"is no cache of prepared images, it holds other things \(thesis\.txt\)"):
        main(["--cache", str(tmp_path), "--prune"])


@pytest.mark.parametrize("days", ["-1", "many", "nan", "inf"])
def test_days_are_a_number_from_0(days: str) -> None:
    with pytest.raises(ConfigError, match=f"--prune is '{days}'; give a number from 0"):
        main(["--prune", days])


def test_the_verb_imports_nothing_heavy(cache: PixelCache) -> None:
    fill(cache)
    code = (
        "import sys\nfrom search.cache.__main__ import main\n"
        f"main(['--cache', {str(cache.folder)!r}])\n"
        f"loaded = sorted(set({HEAVY}) & set(sys.modules))\n"
        "sys.exit(f'imported {loaded}' if loaded else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_cache_is_the_storage_folder_s_unless_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert find_cache(None, Path("~/studies")) == tmp_path / "studies" / "cache"
    assert find_cache(Path("fast"), Path("~/studies")) == tmp_path / "fast"


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (99_949, "99.9 kB"),
        (99_950, "100 kB"),
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
        (37_400_000, "37.4 MB"),
        (5_000_000_000, "5.0 GB"),
        (12_345_000_000_000_000, "12345 TB"),
    ],
)
def test_sizes_in_words(count: int, words: str) -> None:
    assert byte_words(count) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "just now"),
        (59, "just now"),
        (60, "1 min ago"),
        (5_900, "98 min ago"),
        (6_000, "2 h ago"),
        (47 * 3600, "47 h ago"),
        (2 * DAY_S, "2 days ago"),
        (400 * DAY_S, "400 days ago"),
    ],
)
def test_times_in_words(seconds: float, words: str) -> None:
    assert since_words(seconds) == words
