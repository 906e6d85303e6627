"""Where the pixels of cells lie and how they are read: from memory that is shared, or shard by shard from a disk.

Training and scoring do not know which: they ask for an order in which rows can be read well, and then for the images
of rows, batch by batch. Only a batch is ever copied.
"""

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event
from typing import Protocol

import numpy as np
import numpy.typing as npt

from leukmodels.dataset.shards import CHANNELS, read_shard
from leukmodels.errors import DataError

Images = npt.NDArray[np.uint8]
Rows = npt.NDArray[np.int64]


class Pixels(Protocol):
    """The images of n cells, named by their rows 0 to n - 1."""

    @property
    def image_px(self) -> int:
        """Side of the square images."""

    def __len__(self) -> int:
        """Return n."""

    def arrange(self, rows: Rows, rng: np.random.Generator) -> Rows:
        """Return the rows (k,), each as often as it was given, in an order in which they can be read well."""

    def windows(self, rows: Rows) -> Iterator[Rows]:
        """Yield the rows (k,) in parts: those of a part are at hand together, and can be read in any order."""

    def take(self, rows: Rows) -> "Pixels":
        """Return the images of the rows (k,), which stay where they are."""

    def batches(self, rows: Rows, size: int) -> Generator[Images, None, None]:
        """Yield the images of rows[:size], rows[size : 2 * size] and so on: uint8 (size or fewer, px, px, 3), RGB.

        Close it where it may be left early.
        """


@dataclass(frozen=True, eq=False)
class Blocks:
    """Images in memory: arrays uint8 (m_i, px, px, 3), possibly read-only and shared, and where each row lies.

    where   int64 (n,), place of each row in the concatenation of the blocks

    Raises DataError with everything that does not fit together.
    """

    blocks: tuple[Images, ...]
    where: Rows

    def __post_init__(self) -> None:
        problems = [] if self.blocks else ["There is no block."]
        for number, block in enumerate(self.blocks):
            if block.ndim != 4 or block.shape[1] != block.shape[2] or block.shape[3] != CHANNELS:
                problems.append(f"Block {number} has shape {block.shape}; expected (n, px, px, {CHANNELS}).")
            if block.dtype != np.uint8:
                problems.append(f"Block {number} has dtype {block.dtype}; expected uint8.")
        if len(sides := {block.shape[1:] for block in self.blocks}) > 1:
            problems.append(f"The blocks hold images of several sizes: {sorted(sides)}; prepare all at one.")
        problems += _where_problems(self.where, sum(map(len, self.blocks)))
        if problems:
            raise DataError("These pixels cannot be used:", problems)

    @classmethod
    def of(cls, images: Images) -> "Blocks":
        """Return the images (n, px, px, 3) of one array, row after row."""
        return cls((images,), np.arange(len(images)))

    @property
    def image_px(self) -> int:
        """Side of the square images."""
        return int(self.blocks[0].shape[1])

    def __len__(self) -> int:
        return len(self.where)

    def take(self, rows: Rows) -> "Blocks":
        """Return the images of the rows, in the same memory."""
        return Blocks(self.blocks, self.where[rows])

    def arrange(self, rows: Rows, rng: np.random.Generator) -> Rows:
        """Return the rows as they are: memory is read equally well in any order. Nothing is drawn."""
        return rows

    def windows(self, rows: Rows) -> Iterator[Rows]:
        """Yield all rows: the whole memory is at hand."""
        yield rows

    def batches(self, rows: Rows, size: int) -> Generator[Images, None, None]:
        """Yield the images of the rows, size at a time."""
        return _gathered(self._images(rows), len(rows), size, self.image_px)

    def _images(self, rows: Rows) -> Generator[Images, None, None]:
        """Yield the image of each row, a view of its block."""
        places = self.where[rows]
        sizes = np.array([len(block) for block in self.blocks])
        ends = np.cumsum(sizes)
        owners = np.searchsorted(ends, places, side="right")
        inside = places - (ends - sizes)[owners]
        for owner, row in zip(owners.tolist(), inside.tolist(), strict=True):
            yield self.blocks[owner][row]


@dataclass(frozen=True, eq=False)
class Streamed:
    """Images in shards (leukmodels.dataset.shards) on a disk, read window by window: for sets larger than the memory.

    paths           of the shards
    rows_a_shard    images in a shard at the most, places of one in ``where``
    where           int64 (n,): row i lies in shard where[i] // rows_a_shard, at where[i] % rows_a_shard
    image_px        side of the square images
    window_shards   shards in a window, at most: the rows of a window are shuffled among themselves

    At most two windows are in memory: the present one and the next, which a thread reads meanwhile. Raises DataError
    with everything that does not fit together; the shards themselves are first looked at when they are read.
    """

    paths: tuple[Path, ...]
    rows_a_shard: int
    where: Rows
    image_px: int
    window_shards: int

    def __post_init__(self) -> None:
        problems = [
            f"{name} is {getattr(self, name)}; expected 1 or more."
            for name in ("rows_a_shard", "image_px", "window_shards")
            if getattr(self, name) < 1
        ]
        problems += _where_problems(self.where, len(self.paths) * self.rows_a_shard)
        if problems:
            raise DataError("These shards cannot be streamed:", problems)

    def __len__(self) -> int:
        return len(self.where)

    def take(self, rows: Rows) -> "Streamed":
        """Return the images of the rows, in the same shards."""
        return replace(self, where=self.where[rows])

    def arrange(self, rows: Rows, rng: np.random.Generator) -> Rows:
        """Return the rows window by window: shards in random order, and in a window its rows in random order.

        The shards that hold the rows are spread evenly over as few windows as hold them, so that none is left with a
        handful of images. With one window for all, every order of the rows is equally likely.
        """
        shards = self.where[rows] // self.rows_a_shard
        used = np.unique(shards)
        windows = -(-len(used) // self.window_shards)
        window_of = np.empty(len(self.paths), dtype=np.int64)
        window_of[rng.permutation(used)] = np.arange(len(used)) * windows // max(len(used), 1)
        shuffled = rng.permutation(len(rows))
        return rows[shuffled[np.argsort(window_of[shards[shuffled]], kind="stable")]]

    def windows(self, rows: Rows) -> Iterator[Rows]:
        """Yield the rows window by window, as they would be read."""
        for window, _ in self._windows(self.where[rows] // self.rows_a_shard):
            yield rows[window]

    def batches(self, rows: Rows, size: int) -> Generator[Images, None, None]:
        """Yield the images of the rows, size at a time; DataError where a shard is missing, torn or another one.

        Rows in any order come out right. In the order of arrange each shard is read once.
        """
        return _gathered(self._images(rows), len(rows), size, self.image_px)

    def _images(self, rows: Rows) -> Generator[Images, None, None]:
        """Yield the image of each row, a view of its shard."""
        shards, inside = np.divmod(self.where[rows], self.rows_a_shard)
        windows = list(self._windows(shards))
        left = Event()
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="shards") as thread:
            try:
                ahead = thread.submit(self._read, windows[0][1], left)
                for number, (window, _) in enumerate(windows):
                    held = ahead.result()  # in place of the window before, or with the next there would be three
                    if number + 1 < len(windows):
                        ahead = thread.submit(self._read, windows[number + 1][1], left)
                    for shard, row in zip(shards[window].tolist(), inside[window].tolist(), strict=True):
                        yield held[shard][row]
            finally:
                left.set()

    def _windows(self, shards: Rows) -> Iterator[tuple[slice, list[int]]]:
        """Cut the rows, given the shard of each, into windows; yield each window's rows and its shards.

        A window ends where none of its shards is needed again, as the windows of arrange do, or, in another order,
        before it would hold too many.
        """
        last = np.zeros(len(self.paths), dtype=np.int64)
        np.maximum.at(last, shards, np.arange(len(shards)))
        needed_until = np.maximum.accumulate(last[shards])
        begin = 0
        held: dict[int, None] = {}
        for row, shard in enumerate(shards.tolist()):
            full = len(held) == self.window_shards and shard not in held
            if held and (full or needed_until[row - 1] < row):
                yield slice(begin, row), list(held)
                begin, held = row, {}
            held[shard] = None
        yield slice(begin, len(shards)), list(held)

    def _read(self, shards: list[int], left: Event) -> dict[int, Images]:
        """Return the images of some shards; fewer of them once nobody waits any more."""
        return {shard: self._read_one(shard) for shard in shards if not left.is_set()}

    def _read_one(self, shard: int) -> Images:
        path = self.paths[shard]
        side = (self.image_px, self.image_px, CHANNELS)
        inside = self.where[self.where // self.rows_a_shard == shard] % self.rows_a_shard
        needed = int(inside.max()) + 1
        try:
            images = read_shard(path).images
        except OSError as error:
            raise DataError(
                f"{path} cannot be read. Was the cache pruned, or is its folder not on this node? Resume the study, "
                "and what is lost is prepared anew:",
                [error.strerror or str(error)],
            ) from error
        if images.shape[1:] != side or len(images) < needed:
            raise DataError(
                f"{path} is another shard than the one prepared. Remove it and resume the study, and it is prepared "
                "anew:",
                [f"It holds {len(images)} images of shape {images.shape[1:]}; expected {needed} of shape {side}."],
            )
        return images


def joined(first: Pixels, second: Pixels) -> Pixels:
    """Return the images of both, those of the first before those of the second, each where it is.

    Raises DataError where one is in memory and the other on a disk, or their shards are of different sizes.
    """
    if isinstance(first, Blocks) and isinstance(second, Blocks):
        places = sum(map(len, first.blocks))
        return Blocks((*first.blocks, *second.blocks), np.concatenate([first.where, second.where + places]))
    if isinstance(first, Streamed) and isinstance(second, Streamed) and first.rows_a_shard == second.rows_a_shard:
        places = len(first.paths) * first.rows_a_shard
        paths, where = (*first.paths, *second.paths), np.concatenate([first.where, second.where + places])
        return replace(first, paths=paths, where=where)
    raise DataError("These images cannot be joined:", ["They lie in memory and on a disk, or in different shards."])


def _gathered(images: Generator[Images, None, None], n: int, size: int, image_px: int) -> Generator[Images, None, None]:
    """Yield n images as batches of their own memory, and close the images when they are done with or left."""
    with closing(images):
        for first in range(0, n, size):
            batch = np.empty((min(size, n - first), image_px, image_px, CHANNELS), dtype=np.uint8)
            for row in range(len(batch)):
                batch[row] = next(images)  # bound to no name, which would keep a window alive when it is left
            yield batch


def _where_problems(where: Rows, places: int) -> list[str]:
    if where.dtype != np.int64 or where.ndim != 1:
        return [f"where has dtype {where.dtype} and shape {where.shape}; expected int64 (n,)."]
    if len(where) and not 0 <= int(where.min()) <= int(where.max()) < places:
        return [f"where holds {where.min()} to {where.max()}; expected places of {places} images."]
    return []
