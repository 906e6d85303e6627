"""Prepared pixels to where trials read them: Ray's object store, one copy a node, or shards that each trial streams.

In the object store the pixels of both parts lie in blocks, in the order in which the cache holds them, so that they are
read once and copied once, a block at a time. What does not fit there is written again as shards in the order of the
contents' hashes: random, yet the same on every machine, so that a window of shards is a fair sample of the patients and
an epoch can be repeated exactly.
"""

import hashlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import ray

from leukmodels.dataset.cells import Cells, TrainingData
from leukmodels.dataset.pixels import Blocks, Pixels, Streamed
from leukmodels.dataset.shards import Shard, image_bytes, read_contents, read_shard, write_shard
from leukmodels.errors import DataError
from search.cache.pruning import writing
from search.cache.store import PixelCache, Policy
from search.data.dataset import Dataset, Part

Progress = Callable[[int, int], None]

_BLOCK_BYTES = 64 * 2**20
_GATHERED_BYTES = 2**30  # of streamed shards in the driver at once: the fewer, the more often the cache is read
_SHARDS_A_WINDOW = 8
_READ_AHEAD = 2


@dataclass(frozen=True, kw_only=True, eq=False)
class ObjectStorePixels:
    """Where the pixels of a part lie in the object store; see ``leukmodels.dataset.pixels.Blocks``."""

    blocks: tuple["ray.ObjectRef", ...]
    where: npt.NDArray[np.int64]

    def open(self) -> Pixels:
        """Return views of the node's one copy; starts no task."""
        return Blocks(tuple(ray.get(list(self.blocks))), self.where)


@dataclass(frozen=True, kw_only=True, eq=False)
class ShardedPixels:
    """Where the pixels of a part lie on disk."""

    streamed: Streamed

    def open(self) -> Pixels:
        """Return the shards; they are read as they are needed."""
        return self.streamed


@dataclass(frozen=True, kw_only=True, eq=False)
class PlacedPart:
    """One part, ready to travel to a worker."""

    part: Part  # without its contents
    pixels: ObjectStorePixels | ShardedPixels

    def open(self) -> Cells:
        """Return the cells, pixels at hand."""
        return _cells(self.part, self.pixels.open())


@dataclass(frozen=True, kw_only=True, eq=False)
class SharedDataset:
    """What travels to the trials instead of pixels."""

    train: PlacedPart
    validation: PlacedPart
    black_background: bool
    split_fingerprint: str

    def open(self) -> TrainingData:
        """Return the data; call it in a worker of the session that placed it."""
        return TrainingData(
            train=self.train.open(),
            validation=self.validation.open(),
            black_background=self.black_background,
            split_fingerprint=self.split_fingerprint,
        )


def share(prepared: Dataset, cache: PixelCache) -> SharedDataset:
    """Put the pixels into the object store, where every trial on a node reads the same copy."""
    return _placed(prepared, *share_parts([prepared.train, prepared.validation], prepared.policy, cache))


def share_parts(parts: Sequence[Part], policy: Policy, cache: PixelCache) -> list[PlacedPart]:
    """Put the pixels of parts into the object store, all in the same blocks."""
    shards, places = _locate([content for part in parts for content in part.contents], policy, cache)
    order = np.lexsort((places[:, 1], places[:, 0]))
    images_a_block = max(1, _BLOCK_BYTES // image_bytes(policy.image_px))
    blocks = tuple(ray.put(block) for block in _gather(shards, places[order], policy.image_px, images_a_block))
    pa.default_memory_pool().release_unused()  # what shards were read into: a hundred megabytes
    rows = np.split(_inverse(order), np.cumsum([len(part.contents) for part in parts])[:-1])
    return [
        PlacedPart(part=replace(part, contents=()), pixels=ObjectStorePixels(blocks=blocks, where=where))
        for part, where in zip(parts, rows, strict=True)
    ]


def load_part(part: Part, policy: Policy, cache: PixelCache) -> Cells:
    """Return the cells of a part with their pixels in the memory of this process."""
    shards, places = _locate(part.contents, policy, cache)
    order = np.lexsort((places[:, 1], places[:, 0]))
    (pixels,) = _gather(shards, places[order], policy.image_px, len(places))
    return _cells(part, Blocks.of(pixels[_inverse(order)]))


def stream(prepared: Dataset, cache: PixelCache, *, window: int, progress: Progress | None = None) -> SharedDataset:
    """Write the pixels as shards to stream, ``window`` images being shuffled among themselves; keep what is there."""
    parts, policy = [prepared.train, prepared.validation], prepared.policy
    return _placed(prepared, *stream_parts(parts, policy, cache, window=window, progress=progress))


def stream_parts(
    parts: Sequence[Part], policy: Policy, cache: PixelCache, *, window: int, progress: Progress | None = None
) -> list[PlacedPart]:
    """Write the pixels of parts as shards to stream, each part in its own."""
    ordered = [_order(part, policy, cache, window) for part in parts]
    done = 0
    total = sum(len(contents) for each in ordered for contents in each.missing.values())
    for each in ordered:
        shards, places = _locate([content for contents in each.missing.values() for content in contents], policy, cache)
        at_once = max(1, _GATHERED_BYTES // (each.images_a_shard * image_bytes(policy.image_px)))
        # All but the last shard of a part are full, and so are all but the last of those that are missing.
        gathered = _gather(shards, places, policy.image_px, each.images_a_shard, at_once)
        for (path, contents), images in zip(each.missing.items(), gathered, strict=True):
            with writing(cache.folder):
                write_shard(path, Shard(contents=contents, images=images))
            done += len(contents)
            if progress:
                progress(done, total)
        cache.touch(each.paths)
    pa.default_memory_pool().release_unused()
    return [
        PlacedPart(part=replace(part, contents=()), pixels=each.in_shards(policy.image_px))
        for part, each in zip(parts, ordered, strict=True)
    ]


def _cells(part: Part, pixels: Pixels) -> Cells:
    return Cells(
        pixels=pixels,
        labels=part.labels,
        patients=part.patients,
        patient_names=part.patient_names,
        image_ids=part.image_ids,
    )


def missing_stream_bytes(prepared: Dataset, cache: PixelCache, *, window: int) -> int:
    """Return the bytes that ``stream`` would write."""
    parts = (_order(part, prepared.policy, cache, window) for part in (prepared.train, prepared.validation))
    count = sum(len(contents) for part in parts for contents in part.missing.values())
    return count * image_bytes(prepared.policy.image_px)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Ordered:
    """A part as it is streamed: where each row went, its shards, and of those that are not there the contents."""

    where: npt.NDArray[np.int64]
    images_a_shard: int
    paths: tuple[Path, ...]
    missing: Mapping[Path, Sequence[str]]

    def in_shards(self, image_px: int) -> ShardedPixels:
        """Return what travels to the trials."""
        return ShardedPixels(
            streamed=Streamed(
                paths=self.paths,
                rows_a_shard=self.images_a_shard,
                where=self.where,
                image_px=image_px,
                window_shards=_SHARDS_A_WINDOW,
            )
        )


def _order(part: Part, policy: Policy, cache: PixelCache, window: int) -> _Ordered:
    order = np.argsort(np.array(part.contents))
    contents = [part.contents[row] for row in order]
    images_a_shard = max(1, window // _SHARDS_A_WINDOW)
    digest = hashlib.sha256(f"{policy.name} {images_a_shard}\n{''.join(contents)}".encode())
    folder = cache.stream_folder(digest.hexdigest()[:32])
    shards = {
        folder / f"{first:09d}.parquet": contents[first : first + images_a_shard]
        for first in range(0, len(contents), images_a_shard)
    }
    missing = {path: held for path, held in shards.items() if not _holds(path, held)}
    return _Ordered(where=_inverse(order), images_a_shard=images_a_shard, paths=tuple(shards), missing=missing)


def _holds(path: Path, contents: Sequence[str]) -> bool:
    try:
        return list(read_contents(path)) == contents
    except (DataError, OSError):
        return False


def _placed(prepared: Dataset, train: PlacedPart, validation: PlacedPart) -> SharedDataset:
    return SharedDataset(
        train=train,
        validation=validation,
        black_background=prepared.black_background,
        split_fingerprint=prepared.split.fingerprint,
    )


def _locate(contents: Sequence[str], policy: Policy, cache: PixelCache) -> tuple[Sequence[Path], npt.NDArray[np.int64]]:
    """Return the cache's shards, and shard and row of each content, shape (n, 2)."""
    known = cache.prepared(policy)
    try:
        places = np.array([known.place[content] for content in contents], dtype=np.int64).reshape(-1, 2)
    except KeyError:
        raise DataError(
            f"The cache in {cache.folder} has lost images that were just prepared.",
            ["Run the same command again, which prepares them anew; and see that nobody else removes files there."],
        ) from None
    cache.touch([known.shards[number] for number in np.unique(places[:, 0])])
    return known.shards, places


def _gather(
    shards: Sequence[Path], places: npt.NDArray[np.int64], image_px: int, images_a_block: int, blocks_at_once: int = 1
) -> Iterator[npt.NDArray[np.uint8]]:
    """Yield blocks of images, uint8 (images_a_block or fewer, px, px, 3), in the order of ``places``.

    Every shard is read once for as many blocks as are gathered at once. A block lasts until the next is asked for.
    """
    at_once = min(images_a_block * blocks_at_once, len(places))
    buffer = np.empty((at_once, image_px, image_px, 3), dtype=np.uint8)  # one, as new memory costs more than the copy
    groups = [places[first : first + at_once] for first in range(0, len(places), max(at_once, 1))]
    needed = [np.unique(group[:, 0]).tolist() for group in groups]
    with ThreadPoolExecutor(_READ_AHEAD) as pool:
        read = _ahead(pool, [shards[number] for numbers in needed for number in numbers])
        for group, numbers in zip(groups, needed, strict=True):
            images = buffer[: len(group)]
            for number, shard in zip(numbers, read, strict=False):
                rows = np.flatnonzero(group[:, 0] == number)
                first, last = int(rows[0]), int(rows[-1])
                if last - first + 1 == len(rows):
                    np.take(shard.images, group[rows, 1], axis=0, out=images[first : last + 1], mode="clip")
                else:
                    images[rows] = shard.images[group[rows, 1]]
            for start in range(0, len(images), images_a_block):
                yield images[start : start + images_a_block]


def _ahead(pool: ThreadPoolExecutor, paths: Sequence[Path]) -> Iterator[Shard]:
    """Yield the shards in order, a few of them being read meanwhile."""
    waiting = deque[Future[Shard]]()
    for path in paths:
        waiting.append(pool.submit(_read, path))
        if len(waiting) > _READ_AHEAD:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _read(path: Path) -> Shard:
    try:
        return read_shard(path)
    except DataError:
        path.unlink(missing_ok=True)
        raise DataError(
            "A part of the cache was damaged on disk and is removed.",
            [f"{path}: run the same command again, which prepares its images anew."],
        ) from None


def _inverse(order: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return where each row went: the inverse of a permutation."""
    where = np.empty(len(order), dtype=np.int64)
    where[order] = np.arange(len(order))
    return where
