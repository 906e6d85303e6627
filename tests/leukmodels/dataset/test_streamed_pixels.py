"""Images that are streamed from shards, window by window."""

import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leukmodels.dataset import pixels
from leukmodels.dataset.pixels import Images
from leukmodels.dataset.shards import Shard, read_shard
from leukmodels.errors import DataError
from toy_cells import folder, numbered, numbers, some_rows, stream
from waiting import HANGS_S


class Shelf:
    """Reads shards as dataset.shards does, and counts: which were read, how many are in memory, how many at most."""

    def __init__(self, before: Callable[[int], None]) -> None:
        self.read: list[Path] = []
        self.held = self.most = 0
        self._before = before
        self._changed = threading.Condition()

    def __call__(self, path: Path) -> Shard:
        self._before(len(self.read))
        shard = read_shard(path)
        images = shard.images.copy()  # memory of its own, which lives as long as any view of it
        with self._changed:
            self.read.append(path)
            self.held += 1
            self.most = max(self.most, self.held)
            self._changed.notify()
        weakref.finalize(images, self._gone)
        return Shard(contents=shard.contents, images=images)

    def waits_for(self, count: int) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: len(self.read) >= count, timeout=HANGS_S)

    def _gone(self) -> None:
        with self._changed:
            self.held -= 1


@contextmanager
def shelf(before: Callable[[int], None] = lambda count: None) -> Iterator[Shelf]:
    """Put a shelf between the pixels and the disk; ``before`` is told how many shards were read before the next."""
    with pytest.MonkeyPatch.context() as patch:
        counting = Shelf(before)
        patch.setattr(pixels, "read_shard", counting)
        yield counting


def reading_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("shards")]


@given(data=st.data(), n=st.integers(1, 40), rows_a_shard=st.integers(1, 5), window=st.integers(1, 4))
def test_two_windows_are_in_memory_at_most_and_arranged_rows_read_a_shard_once(
    data: st.DataObject, n: int, rows_a_shard: int, window: int
) -> None:
    with folder() as place, shelf() as counting:
        some = stream(place, numbered(n), rows_a_shard=rows_a_shard, window_shards=window)
        rows, size = some_rows(data, n), data.draw(st.integers(1, 20), label="size")
        kept = list(some.batches(rows, size))
        assert counting.most <= 2 * window
        counting.read.clear()
        kept += some.batches(some.arrange(rows, np.random.default_rng(0)), size)
        assert counting.most <= 2 * window
        assert len(counting.read) == len(set(counting.read)) == len(np.unique(rows // rows_a_shard))
        assert counting.held == 0  # though the batches are kept
        assert not reading_threads()


def test_the_next_window_is_read_while_the_present_one_is_used_and_no_other(tmp_path: Path) -> None:
    some = stream(tmp_path, numbered(24), rows_a_shard=2, window_shards=3)
    turns = np.arange(24).reshape(4, 3, 2).transpose(0, 2, 1).ravel()  # a window's three shards give an image in turn
    with shelf() as counting:
        batches = some.batches(turns, 4)
        assert numbers([next(batches)]) == [[0, 2, 4, 1]]
        assert counting.waits_for(6)
        next(batches)  # goes over into the second window, so the third is read
        assert counting.waits_for(9)
        assert counting.held == counting.most == 6
        batches.close()
        assert (counting.held, len(counting.read)) == (0, 9)


def test_windows_are_even_and_any_two_shards_meet_in_one_some_time(tmp_path: Path) -> None:
    some = stream(tmp_path, numbered(20), rows_a_shard=4, window_shards=4)
    met = set()
    for epoch in range(60):
        shards = some.arrange(np.arange(20), np.random.default_rng(epoch)) // 4
        first, second = set(shards[:12].tolist()), set(shards[12:].tolist())
        assert (len(first), len(second)) == (3, 2)
        met |= {(a, b) for window in (first, second) for a in window for b in window if a < b}
    assert len(met) == 10


@pytest.mark.parametrize("window", [2, 5])
def test_with_one_window_for_all_every_order_is_equally_likely(window: int, tmp_path: Path) -> None:
    """Chi-square with 23 degrees of freedom stays below 60 in all but 4 of 100,000 such experiments."""
    some = stream(tmp_path, numbered(4), rows_a_shard=2, window_shards=window)
    rng, draws = np.random.default_rng(0), 4800
    orders, counts = np.unique([some.arrange(np.arange(4), rng) for _ in range(draws)], axis=0, return_counts=True)
    assert len(orders) == 24
    assert ((counts - draws / 24) ** 2 / (draws / 24)).sum() < 60


def test_with_several_windows_every_image_is_as_often_at_every_place(tmp_path: Path) -> None:
    some = stream(tmp_path, numbered(8), rows_a_shard=2, window_shards=2)
    rng, draws = np.random.default_rng(0), 4000
    orders = np.array([some.arrange(np.arange(8), rng) for _ in range(draws)])
    shares = np.stack([np.bincount(orders[:, place], minlength=8) for place in range(8)]) / draws
    np.testing.assert_allclose(shares, 1 / 8, atol=0.025)


def tear(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def replace_by(images: Images, path: Path) -> None:
    another = stream(path.parent / "another", images, rows_a_shard=len(images), window_shards=1)
    another.paths[0].replace(path)


@pytest.mark.fault(
    "files",
    "a shard of streamed pixels is missing, torn or another",
    "a sentence that names it and what to do; no thread is left",
)
@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (Path.unlink, "cannot be read.*Resume the study, and what is lost is prepared anew.*No such file"),
        (tear, "prepared anew"),
        (empty, "prepared anew"),
        (
            lambda path: replace_by(numbered(3, image_px=5), path),
            r"anew.* 3 images of shape \(5, .*; expected 3 of .*\(2, ",
        ),
        (lambda path: replace_by(numbered(2), path), "another shard.*Remove it and resume.*It holds 2 images"),
    ],
)
def test_a_shard_that_is_missing_torn_or_another_is_named_with_what_to_do(
    damage: Callable[[Path], object], words: str, tmp_path: Path
) -> None:
    some = stream(tmp_path, numbered(11), rows_a_shard=3, window_shards=1)
    damage(some.paths[2])
    batches = some.batches(np.arange(11), 2)
    assert numbers(next(batches) for _ in range(3)) == [[0, 1], [2, 3], [4, 5]]
    with pytest.raises(DataError, match=rf"(?s)6\.parquet .*{words}"):
        next(batches)
    assert not reading_threads()


def test_any_error_of_the_reading_thread_reaches_the_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    some = stream(tmp_path, numbered(4), rows_a_shard=2, window_shards=1)

    def full(path: Path) -> Shard:
        raise MemoryError(path.name)

    monkeypatch.setattr(pixels, "read_shard", full)
    with pytest.raises(MemoryError, match=r"0\.parquet"):
        next(some.batches(np.arange(4), 2))
    assert not reading_threads()


@pytest.mark.parametrize("how", ["close", "drop", "fail"])
def test_the_thread_ends_with_the_batches_however_they_end(how: str, tmp_path: Path) -> None:
    batches = stream(tmp_path, numbered(20), rows_a_shard=2, window_shards=1).batches(np.arange(20), 3)
    next(batches)
    assert len(reading_threads()) == 1
    if how == "close":
        batches.close()
    elif how == "drop":
        del batches
    else:
        with pytest.raises(KeyboardInterrupt):
            batches.throw(KeyboardInterrupt())
    assert not reading_threads()


def test_batches_that_are_left_wait_for_one_shard_and_not_for_a_window(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = threading.Event()
    monkeypatch.setattr(pixels, "Event", lambda: left)
    turns = np.arange(40).reshape(2, 10, 2).transpose(0, 2, 1).ravel()
    some = stream(tmp_path, numbered(40), rows_a_shard=2, window_shards=10)
    with shelf(before=lambda count: None if count < 10 else bool(left.wait(60))) as counting:
        batches = some.batches(turns, 1)
        next(batches)
        batches.close()
    assert len(counting.read) <= 11
