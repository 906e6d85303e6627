"""What was read and prepared before, kept between studies: the contents of files, and the pixels of contents.

<cache>/
  files-v2/<id>.parquet             path, its stamp (leukmodels.collections.place.STAMP), content: what a file held
                                    when it was read
  <policy>/<id>.parquet             a shard of prepared images, see leukmodels.dataset.shards
  <policy>/<id>.grey.parquet        the same, of images without colours
  <policy>/<id>.unusable.parquet    content, reason
  streams/<key>/                    shards in the order in which trials stream them
  lock, CACHEDIR.TAG                see pruning.py

Every write makes a file under a new name, whole or not at all, so that any number of writers on any number of nodes
need no lock, and none can be killed at a wrong moment. A content that two of them prepared is there twice, which costs
disk space and nothing else. What is damaged on disk fails its checksum, and then counts as never kept.
"""

import contextlib
import logging
import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, count, repeat
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from leukmodels.collections.place import STAMP
from leukmodels.dataset.shards import HASH, Shard, from_hex, read_contents, read_plain, to_hex, write_plain, write_shard
from leukmodels.errors import DataError
from leukmodels.images.colourless import colourless
from leukmodels.images.decoding import POLICY_VERSION
from search.cache.pruning import FILES, STREAMS, UNUSABLE, Entry, keeping_out_prune, measure, prune, writing

T = TypeVar("T")
Stamps = npt.NDArray[np.int64]  # (n, 4), as ``Source.stamps`` has them

_GREY = ".grey.parquet"
_READERS = 16  # threads: the files are small, and on a shared disk each of them waits
_FILES_SCHEMA = pa.schema(
    [
        pa.field("path", pa.string(), nullable=False),
        *(pa.field(name, pa.int64(), nullable=False) for name in STAMP),
        pa.field("content", HASH, nullable=False),
    ]
)
_UNUSABLE_SCHEMA = pa.schema(
    [pa.field("content", HASH, nullable=False), pa.field("reason", pa.string(), nullable=False)]
)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Policy:
    """All that the pixels of a content depend on, besides the content; see ``leukmodels.images.decoding.decode``."""

    image_px: int
    crop_px: int | None
    max_pixels: int

    @property
    def name(self) -> str:
        """The name of its folder: ``64px-crop450-max64000000-v1``; ``uncropped`` where there is no crop."""
        crop = f"crop{self.crop_px}" if self.crop_px else "uncropped"
        return f"{self.image_px}px-{crop}-max{self.max_pixels}-v{POLICY_VERSION}"


@dataclass(frozen=True, kw_only=True, eq=False)
class Kept:
    """What the cache holds of a policy.

    place      content -> number of its shard, row in the shard
    shards     where the shards are
    grey       the contents that have no colours, all of them in `place`
    reasons    content -> why it cannot be decoded; none of them is in `place`
    damaged    files that were not what was once written, or cannot be read; their contents count as not prepared
    """

    place: dict[str, tuple[int, int]]
    shards: list[Path]
    grey: frozenset[str]
    reasons: dict[str, str]
    damaged: list[Path]


@dataclass(frozen=True)
class PixelCache:
    """The cache in ``folder``; it can be pickled, and nothing is made before something is written.

    ``verify`` is whether files are read and hashed again although their stamps are known.
    """

    folder: Path
    verify: bool = False

    def contents(self, paths: Sequence[str], stamps: Stamps) -> list[str]:
        """Return the contents of n files, by path and stamp; "" where it is not known.

        It is known where a file with exactly this path and stamp was kept, with one content only: two of them mean
        that the file system's clock is too coarse to tell.
        """
        tables = self._read(self._listed(FILES)[0], lambda path: read_plain(path, _FILES_SCHEMA), self._say_damaged)
        known = pa.concat_tables([_FILES_SCHEMA.empty_table(), *tables.values()])
        row = _find(known, paths, stamps)
        source = np.repeat(np.arange(len(tables)), [table.num_rows for table in tables.values()])
        records = [*tables]
        self.touch([records[number] for number in np.unique(source[row[row >= 0]])])
        contents = [*to_hex(known["content"]), ""]  # the last one is that of row -1
        return [contents[number] for number in row.tolist()]

    def prepared(self, policy: Policy) -> Kept:
        """Return what is prepared already; damaged files are removed."""
        paths, unusable_paths = self._listed(policy.name)
        damaged: list[Path] = []
        found = self._read(paths, lambda path: read_contents(path, image_px=policy.image_px), damaged.append)
        place: dict[str, tuple[int, int]] = {}
        for number, contents in enumerate(found.values()):
            place.update(zip(contents, zip(repeat(number), count()), strict=False))
        unusable = self._read(unusable_paths, lambda path: read_plain(path, _UNUSABLE_SCHEMA), damaged.append)
        reasons = {
            content: reason
            for table in unusable.values()
            for content, reason in zip(to_hex(table["content"]), table["reason"].to_pylist(), strict=True)
            if content not in place
        }
        grey = frozenset(chain.from_iterable(held for path, held in found.items() if path.name.endswith(_GREY)))
        return Kept(place=place, shards=[*found], grey=grey, reasons=reasons, damaged=damaged)

    def keep_files(self, paths: Sequence[str], stamps: Stamps, contents: Sequence[str]) -> None:
        """Keep what n files held; leaves out those without a content ("") or a stamp."""
        rows = [row for row, content in enumerate(contents) if content and stamps[row, 0] >= 0]
        hashes = from_hex([contents[row] for row in rows])
        columns = [pa.array([paths[row] for row in rows], pa.string()), *stamps[rows].T, hashes]
        self._keep_table(FILES, ".parquet", pa.table(columns, schema=_FILES_SCHEMA))

    def keep_shard(self, policy: Policy, shard: Shard) -> None:
        """Keep prepared images, those without colours apart; StudyError where the folder cannot be written."""
        assert shard.images.shape[1] == policy.image_px
        grey = colourless(shard.images)
        for suffix, rows in ((".parquet", np.flatnonzero(~grey).tolist()), (_GREY, np.flatnonzero(grey).tolist())):
            if rows:
                with self._new(policy.name, suffix) as path:
                    images = shard.images if len(rows) == len(grey) else shard.images[rows]
                    write_shard(path, Shard(contents=[shard.contents[row] for row in rows], images=images))

    def keep_unusable(self, policy: Policy, contents: Sequence[str], reasons: Sequence[str]) -> None:
        """Keep why contents cannot be decoded."""
        columns = [from_hex(contents), pa.array(reasons, pa.string())]
        self._keep_table(policy.name, UNUSABLE, pa.table(columns, schema=_UNUSABLE_SCHEMA))

    def stream_folder(self, key: str) -> Path:
        """Return the folder of the shards that trials stream."""
        return self.folder / STREAMS / key

    def touch(self, paths: Sequence[Path]) -> None:
        """Note that these files are used now, so that they are not pruned by age."""
        for path in paths:
            with contextlib.suppress(OSError):  # pruned meanwhile, or another user's, who then keeps the age
                os.utime(path)

    @contextlib.contextmanager
    def in_use(self) -> Iterator[None]:
        """Keep out who would prune, for as long as a driver runs; a prune that is under way is awaited."""
        with keeping_out_prune(self.folder):
            yield

    def sizes(self) -> list[Entry]:
        """Return what lies in the cache: policies, then streams, then what is known of files."""
        return measure(self.folder)

    def prune(self, older_than_s: float | None) -> list[Entry]:
        """Remove what was not used for so many seconds, or all; return what is gone. See ``pruning.prune``."""
        return prune(self.folder, older_than_s)

    def _keep_table(self, folder: str, suffix: str, table: pa.Table) -> None:
        if table.num_rows:
            with self._new(folder, suffix) as path:
                write_plain(path, table, compression="zstd")

    @contextlib.contextmanager
    def _new(self, folder: str, suffix: str) -> Iterator[Path]:
        """Yield a path that no other writer has."""
        with writing(self.folder):
            yield self.folder / folder / f"{uuid.uuid4().hex}{suffix}"

    def _listed(self, folder: str) -> tuple[list[Path], list[Path]]:
        """Return the files in a folder by name, and apart from them those of what is unusable; asides are neither."""
        try:
            paths = sorted(path for path in (self.folder / folder).iterdir() if not path.name.startswith("."))
        except FileNotFoundError:
            paths = []
        others = [path for path in paths if not path.name.endswith(UNUSABLE)]
        return others, [path for path in paths if path.name.endswith(UNUSABLE)]

    def _read(
        self, paths: Sequence[Path], read: Callable[[Path], T], say_damaged: Callable[[Path], object]
    ) -> dict[Path, T]:
        """Return what can be read, in order; what is damaged is removed and said."""

        def attempt(path: Path) -> T | Exception:
            try:
                return read(path)
            except (DataError, OSError) as error:
                return error

        found: dict[Path, T] = {}
        with ThreadPoolExecutor(_READERS) as pool:
            for path, result in zip(paths, pool.map(attempt, paths), strict=True):
                if not isinstance(result, Exception):
                    found[path] = result
                elif not isinstance(result, FileNotFoundError):  # which another driver found damaged, and removed
                    say_damaged(path)
                    if isinstance(result, DataError):
                        with contextlib.suppress(OSError):
                            path.unlink()
        return found

    def _say_damaged(self, path: Path) -> None:
        _log.warning("%s was damaged; the files that it told of are read again.", path)


def _find(known: pa.Table, paths: Sequence[str], stamps: Stamps) -> npt.NDArray[np.int64]:
    """Return the row of each file (n,) in a table of _FILES_SCHEMA, -1 where there is none with one content."""
    kept = _texts(known["path"], [known[name] for name in STAMP])
    first = pc.index_in(kept, value_set=kept).to_numpy()
    differs = pc.not_equal(known["content"], known["content"].take(first)).to_numpy()
    asked = _texts(pa.array(paths, pa.string()), [pa.array(column) for column in stamps.T])
    row: npt.NDArray[np.int64] = pc.index_in(asked, value_set=kept).fill_null(-1).to_numpy().astype(np.int64)
    row[np.isin(row, first[differs])] = -1
    return row


def _texts(paths: pa.Array, stamp: Sequence[pa.Array]) -> pa.Array:
    """Return path and stamp of each file as one text; no path holds the NUL between the parts."""
    return pc.binary_join_element_wise(paths, *(column.cast(pa.string()) for column in stamp), "\0")
