"""Files to prepared pixels: Ray Data reads, hashes and decodes every file once, in parallel on all nodes.

The only file that knows Ray Data. The workers write what they decode into the cache themselves, a shard at a time, so
that pixels do not travel and an interrupted ingest has lost the shards in flight only. A file that cannot be
decoded becomes a reason, never an exception: one bad image would fail the whole dataset, or silently take its
neighbours along (ray.data's max_errored_blocks drops blocks).
"""

import logging
import math
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import ray
from ray.data._internal.execution.backpressure_policy import (  # the pinned Ray has no public name for it
    ENABLED_BACKPRESSURE_POLICIES_CONFIG_KEY,
    ConcurrencyCapBackpressurePolicy,
)

from leukmodels.collections.place import STAMP, Source
from leukmodels.dataset.contents import content_of
from leukmodels.dataset.shards import Shard
from leukmodels.errors import BadImageError, DataError, UserError
from leukmodels.images import decoding
from search.cache.store import PixelCache, Policy

Progress = Callable[[int, int], None]

_SHARD_FILES = 256
# A finished task is followed by the next within a tenth of a second, so they are few and long; as nobody knows how
# long, each round of them is this share of what is left.
_TASK_FILES = (16, 16 * _SHARD_FILES)  # the fewest, and the most that a lost worker costs
_ROUND = 0.7
_OUTPUT_BYTES = 64_000  # told at once, of some hundred files
_REMOTE_READS = 8  # at a time in each task


@dataclass(frozen=True, kw_only=True, eq=False)
class Files:
    """The files to read: n paths, and their stamps as ``Source.stamps`` has them, (n, 4)."""

    paths: Sequence[str]
    stamps: npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Read:
    """What became of n files, in their order.

    contents   of each file, see ``leukmodels.dataset.contents``; "" where it could not be read
    problems   why a file could not be read or decoded; "" where it could, or need not be
    """

    contents: list[str]
    problems: list[str]


def ingest(
    files: Files,
    source: Source,
    cache: PixelCache,
    policy: Policy,
    *,
    cores: int,
    known: Collection[str] = (),
    progress: Progress | None = None,
) -> Read:
    """Read and hash the files, decode those whose content is none of ``known``, and leave what was found in the cache.

    What is known is in the cache already, prepared or with its reason.
    """
    n = len(files.paths)
    read = Read(contents=[""] * n, problems=[""] * n)
    if n == 0:
        return read
    table = pa.table(
        {
            "row": np.arange(n, dtype=np.int64),
            "path": pa.array(files.paths, pa.string()),
            **dict(zip(STAMP, files.stamps.T, strict=True)),
        }
    )
    _prepare_context()
    # Not from_arrow: it starts tasks that wait for a CPU, and the trials' workers may hold all of them (see warmup.py).
    blocks = [table.slice(first, size) for first, size in shares(n, cores)]
    dataset = ray.data.from_blocks(blocks).map_batches(
        read_files,
        batch_format="pyarrow",
        batch_size=None,
        zero_copy_batch=True,
        fn_kwargs={"source": source, "cache": cache, "policy": policy, "known": frozenset(known)},
        compute=ray.data.TaskPoolStrategy(size=min(cores, len(blocks))),
        num_cpus=0,
    )
    done = 0
    for batch in dataset.iter_batches(batch_format="pyarrow", batch_size=None):
        if lost := [told for told in batch.column("lost").to_pylist() if told]:
            raise DataError(f"Not all of {source.root} could be prepared; what was is kept in the cache:", [lost[0]])
        answers = (batch.column(name).to_pylist() for name in ("row", "content", "problem"))
        for row, content, problem in zip(*answers, strict=True):
            read.contents[row], read.problems[row] = content, problem
        done += batch.num_rows
        if progress:
            progress(done, n)
    return read


def shares(n: int, cores: int) -> Iterator[tuple[int, int]]:
    """Yield the first file and the number of files of each task."""
    fewest, most = _TASK_FILES
    first = 0
    while first < n:
        size = min(max(math.ceil((n - first) * _ROUND / cores), fewest), most)
        for _ in range(cores):
            if first < n:
                yield first, min(size, n - first)
                first += size


def read_files(
    table: pa.Table, *, source: Source, cache: PixelCache, policy: Policy, known: Collection[str]
) -> Iterator[pa.Table]:
    """Read a task's files into the cache, a shard at a time."""
    for first in range(0, table.num_rows, _SHARD_FILES):
        yield read_shard(table.slice(first, _SHARD_FILES), source=source, cache=cache, policy=policy, known=known)


def read_shard(
    table: pa.Table, *, source: Source, cache: PixelCache, policy: Policy, known: Collection[str] = ()
) -> pa.Table:
    """Read files into a shard of the cache; return of each row, content, problem, "lost": why to give it all up."""
    paths = table["path"].to_pylist()
    stamps = np.stack([table[name].to_numpy() for name in STAMP], axis=1)
    contents, problems, lost = ([""] * len(paths) for _ in range(3))
    pixels: dict[str, npt.NDArray[np.uint8]] = {}
    unusable: dict[str, str] = {}
    passing: dict[str, str] = {}
    for row, data in enumerate(_contents(source, paths, policy)):
        if isinstance(data, DataError):
            lost[row] = str(data)
        elif isinstance(data, str):
            problems[row] = data
        else:
            content = contents[row] = content_of(data)
            if content not in pixels and content not in unusable and content not in known:
                try:
                    pixels[content] = decoding.decode(
                        data, image_px=policy.image_px, crop_px=policy.crop_px, max_pixels=policy.max_pixels
                    )
                except BadImageError as error:
                    # Memory may be short only now: such a verdict is not for the cache.
                    (passing if isinstance(error.__cause__, MemoryError) else unusable)[content] = str(error)
            problems[row] = unusable.get(content) or passing.get(content, "")
    try:
        if pixels:
            cache.keep_shard(policy, Shard(contents=list(pixels), images=np.stack(list(pixels.values()))))
        if unusable:
            cache.keep_unusable(policy, list(unusable), list(unusable.values()))
        # Last, so that a content that is known is there; and not of files that changed while they were read.
        same = (stamps == source.stamps(paths)).all(axis=1)
        kept = [row for row in np.flatnonzero(same) if contents[row] and contents[row] not in passing]
        cache.keep_files([paths[row] for row in kept], stamps[kept], [contents[row] for row in kept])
    except UserError as error:  # the disk is full, say, or the store does not answer any more
        lost[0] = str(error)
    texts = {"content": contents, "problem": problems, "lost": lost}
    return pa.table({"row": table["row"], **{name: pa.array(text, pa.string()) for name, text in texts.items()}})


def _contents(source: Source, paths: Sequence[str], policy: Policy) -> Iterator[bytes | str | DataError]:
    """Yield what ``_read`` returns of each file; a remote store, which is mostly waited for, is asked for several."""
    if source.local:
        yield from (_read(source, path, policy) for path in paths)
        return
    with ThreadPoolExecutor(_REMOTE_READS) as pool:
        for first in range(0, len(paths), _REMOTE_READS):  # no more than these wait in memory to be decoded
            yield from pool.map(lambda path: _read(source, path, policy), paths[first : first + _REMOTE_READS])


def _read(source: Source, path: str, policy: Policy) -> bytes | str | DataError:
    """Return a file's bytes, or why it cannot be read, or that the source does not answer any more."""
    try:
        return source.read(path, max_bytes=decoding.most_bytes(policy.max_pixels))
    except OSError as error:
        return f"cannot be read ({error.strerror or error})"
    except BadImageError as error:
        return str(error)
    except DataError as error:
        return error
    except MemoryError:
        return "cannot be read (there is too little memory for it)"


def _prepare_context() -> None:
    """Tell Ray Data to be quiet, and to run as many tasks as were asked for.

    Of what holds tasks back only the cap on their number stays. What comes out of these is small, and the policies that
    watch the object store wait seconds for an actor to say how much of it there is: until then one task runs at a time.
    """
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.verbose_stats_logs = False
    context.target_max_block_size = _OUTPUT_BYTES
    context.set_config(ENABLED_BACKPRESSURE_POLICIES_CONFIG_KEY, [ConcurrencyCapBackpressurePolicy])
    for name in ("ray.data", "ray.data._internal.execution.streaming_executor"):
        logging.getLogger(name).setLevel(logging.ERROR)
