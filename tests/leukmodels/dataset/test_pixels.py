from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import ray
from hypothesis import given
from hypothesis import strategies as st

from cluster.session import Session
from leukmodels.dataset.pixels import Blocks, Images, Pixels, Streamed, joined
from leukmodels.errors import DataError
from toy_cells import folder, numbered, numbers, some_rows, stream


@contextmanager
def either(data: st.DataObject, n: int) -> Iterator[Pixels]:
    """Yield n numbered images in blocks or shards of any sizes, among others that are not asked for."""
    places = n + data.draw(st.integers(0, 5), label="others")
    where = np.array(data.draw(st.permutations(range(places)), label="where")[:n], dtype=np.int64)
    if data.draw(st.booleans(), label="streamed"):
        rows, window = (data.draw(st.integers(1, 7), label=name) for name in ("rows_a_shard", "window_shards"))
        with folder() as place:
            yield stream(place, numbered(n), rows_a_shard=rows, window_shards=window, where=where)
    else:
        laid = np.zeros((places, 2, 2, 3), np.uint8)
        laid[where] = numbered(n)
        laid.setflags(write=False)
        cuts = sorted(data.draw(st.lists(st.integers(0, places), max_size=5), label="cuts"))
        yield Blocks(tuple(np.split(laid, cuts)), where)


@given(data=st.data(), n=st.integers(1, 30), size=st.integers(1, 9))
def test_batches_are_the_images_of_any_rows_in_order(data: st.DataObject, n: int, size: int) -> None:
    with either(data, n) as some:
        rows = some_rows(data, n)
        if data.draw(st.booleans(), label="arranged"):
            rows = some.arrange(rows, np.random.default_rng(0))
        found = list(some.batches(rows, size))
    wanted = [rows[first : first + size].tolist() for first in range(0, len(rows), size)]
    assert numbers(found) == wanted
    assert all(batch.shape[1:] == (2, 2, 3) and batch.dtype == np.uint8 for batch in found)
    assert all(batch.flags.owndata for batch in found)


@given(data=st.data(), n=st.integers(1, 30), seed=st.integers(0, 2**32))
def test_arranged_rows_are_the_same_rows_and_the_same_in_every_worker(
    session: Session, data: st.DataObject, n: int, seed: int
) -> None:
    with either(data, n) as some:
        rows = some_rows(data, n)
        rng = np.random.default_rng(seed)
        arranged = some.arrange(rows, rng)
        assert sorted(arranged) == sorted(rows)
        assert arranged.dtype == np.int64
        again = ray.get(ray.put(some)).arrange(rows, np.random.default_rng(seed))
        assert (arranged == again).all()
        if isinstance(some, Blocks):
            assert (arranged == rows).all()
            assert rng.random() == np.random.default_rng(seed).random()  # nothing was drawn


@given(data=st.data(), n=st.integers(1, 20), m=st.integers(1, 20))
def test_some_of_both_are_the_images_of_their_rows(data: st.DataObject, n: int, m: int) -> None:
    with either(data, n) as first, either(data, m) as second:
        rows = some_rows(data, n + m)
        alike = type(first) is type(second)
        if not alike or (isinstance(first, Streamed) and first.rows_a_shard != second.rows_a_shard):  # type: ignore[attr-defined]
            with pytest.raises(DataError, match="cannot be joined"):
                joined(first, second)
            return
        both = joined(first, second).take(rows)
        assert len(both) == len(rows)
        order = both.arrange(np.arange(len(rows)), np.random.default_rng(0))
        found = [number for batch in numbers(both.batches(order, 4)) for number in batch]
    assert found == [row if row < n else row - n for row in rows[order].tolist()]


def block(shape: tuple[int, ...], dtype: npt.DTypeLike = np.uint8) -> Images:
    return np.zeros(shape, dtype)


@pytest.mark.parametrize(
    ("blocks", "where", "words"),
    [
        ((), [], "There is no block"),
        ((block((2, 4, 4, 1)),), [0], r"Block 0 has shape \(2, 4, 4, 1\); expected \(n, px, px, 3\)"),
        ((block((2, 4, 4, 3), np.float32),), [0], "Block 0 has dtype float32; expected uint8"),
        ((block((2, 4, 4, 3)), block((2, 5, 5, 3))), [0], "several sizes"),
        ((block((2, 4, 4, 3)),), [0, 2], "where holds 0 to 2; expected places of 2 images"),
        ((block((2, 4, 4, 3)),), [-1], "where holds -1 to -1"),
        ((block((2, 4, 4, 3)),), [0.0], "where has dtype float64"),
    ],
)
def test_blocks_that_mean_nothing_are_refused(blocks: tuple[Images, ...], where: list[int], words: str) -> None:
    with pytest.raises(DataError, match=words):
        Blocks(blocks, np.array(where, dtype=np.int64 if not where else None))


def test_shards_that_mean_nothing_are_refused() -> None:
    with pytest.raises(DataError) as caught:
        Streamed((Path("a"),), 4, np.array([0, 4]), 0, 0)
    assert caught.value.problems == (
        "image_px is 0; expected 1 or more.",
        "window_shards is 0; expected 1 or more.",
        "where holds 0 to 4; expected places of 4 images.",
    )
