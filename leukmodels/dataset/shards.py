"""Prepared images on disk: a Parquet file of contents and pixels, and the plain Parquet that it is made of.

Plain: columns of fixed schemas, a checksum for every page, no schema of Arrow's in the footer. That schema is where
extension types stand, and a registered one may unpickle; a file that has it is refused before Arrow looks at it, so
that reading can run no code. A file is written aside and renamed: it is whole or absent, and what a crash of the
machine or a bad disk tears later fails its checksum.

Pixels are not compressed: noisy ones shrink by little, and so they are read at the pace of memory and checksum.
Nothing is memory-mapped: a disk that fails under a mapping kills the process without a word.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import isqrt
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from leukmodels.errors import DataError
from leukmodels.process.files import written_aside

CHANNELS = 3
HASH = pa.binary(32)  # of a file's bytes, see contents.py

_MAGIC = b"PAR1"
_ARROW_SCHEMA = b"ARROW:schema"
_BUFFER_BYTES = 1 << 20
_PIXEL_OPTIONS = {
    "compression": "none",
    "use_dictionary": False,
    "write_batch_size": 16,  # images at a time: a few hundred kB stay in the processor's cache between two copies
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Shard:
    """Images and the content that each was decoded from.

    contents  of the files, n of them, see ``leukmodels.dataset.contents``
    images    uint8 (n, px, px, 3)
    """

    contents: Sequence[str]
    images: npt.NDArray[np.uint8]

    def __post_init__(self) -> None:
        """Refuse what would be written as other pixels than these."""
        side = self.images.shape[1]
        assert self.images.dtype == np.uint8
        assert self.images.shape == (len(self.contents), side, side, CHANNELS)


def write_shard(path: Path, shard: Shard) -> None:
    """Write a shard; its folder is made if need be."""
    schema, n = _schema(shard.images.shape[1]), len(shard.contents)
    buffers = [None, pa.py_buffer(np.ascontiguousarray(shard.images))]
    pixels = pa.FixedSizeBinaryArray.from_buffers(schema.field("pixels").type, n, buffers)
    write_plain(path, pa.table([from_hex(shard.contents), pixels], schema=schema), **_PIXEL_OPTIONS)


def read_shard(path: Path) -> Shard:
    """Return a shard, its images read-only.

    DataError where the file is no whole shard; OSError where it cannot be opened, which says nothing of what it holds.
    """
    with _opened_shard(path, None) as (file, side):
        table = file.read(use_threads=False)
        pixels = table["pixels"].combine_chunks()
        images = np.frombuffer(pixels.buffers()[1], dtype=np.uint8, count=len(pixels) * image_bytes(side))
        images.flags.writeable = False
        return Shard(contents=to_hex(table["content"]), images=images.reshape(len(pixels), side, side, CHANNELS))


def read_contents(path: Path, *, image_px: int | None = None) -> list[str]:
    """Return the contents of a shard in order, without reading its pixels.

    Errors as in read_shard; where `image_px` is given, also DataError for images of another size.
    """
    with _opened_shard(path, image_px) as (file, _):
        return to_hex(file.read(columns=["content"], use_threads=False)["content"])


def image_bytes(image_px: int) -> int:
    """Return the bytes of one image of that side."""
    return image_px * image_px * CHANNELS


def write_plain(path: Path, table: pa.Table, **options: Any) -> None:
    """Write a table as plain Parquet, aside and renamed; its folder is made if need be.

    Not synced: a shard has checksums, and one that a power cut damaged is prepared again.
    """
    with written_aside(path, durable=False) as aside:
        pq.write_table(table, aside, store_schema=False, write_statistics=False, write_page_checksum=True, **options)


def read_plain(path: Path, schema: pa.Schema) -> pa.Table:
    """Return a table that write_plain wrote; errors as in read_shard."""
    with _opened(path) as file:
        _check(file.schema_arrow, schema)
        return file.read(use_threads=False)


def count_rows(path: Path) -> int:
    """Return how many rows a plain Parquet file has; errors as in read_shard."""
    with _opened(path) as file:
        return int(file.metadata.num_rows)


def from_hex(hashes: Sequence[str]) -> pa.Array:
    """Return hashes given in hex as an Arrow array of HASH."""
    assert all(len(one) == 64 for one in hashes)
    return pa.FixedSizeBinaryArray.from_buffers(HASH, len(hashes), [None, pa.py_buffer(bytes.fromhex("".join(hashes)))])


def to_hex(hashes: pa.ChunkedArray) -> list[str]:
    """Return a column of HASH without nulls in hex."""
    text = b"".join(chunk.buffers()[1][chunk.offset * 32 :][: len(chunk) * 32] for chunk in hashes.chunks).hex()
    return [text[start : start + 64] for start in range(0, len(text), 64)]


def _schema(image_px: int) -> pa.Schema:
    columns = [("content", HASH), ("pixels", pa.binary(image_bytes(image_px)))]
    return pa.schema([pa.field(name, kind, nullable=False) for name, kind in columns])


@contextmanager
def _opened_shard(path: Path, image_px: int | None) -> Iterator[tuple[pq.ParquetFile, int]]:
    """Yield a shard's file and the side of its images in px."""
    with _opened(path) as file:
        side = image_px or isqrt(file.schema_arrow.field("pixels").type.byte_width // CHANNELS)
        _check(file.schema_arrow, _schema(side))
        if file.metadata.num_rows * image_bytes(side) > path.stat().st_size:
            raise ValueError(f"it cannot hold {file.metadata.num_rows:,} images of {side} px")
        yield file, side


@contextmanager
def _opened(path: Path) -> Iterator[pq.ParquetFile]:
    """Yield a plain Parquet file; whatever its bytes make of the block is a DataError."""
    try:
        with pa.OSFile(str(path)) as source:
            _refuse_extensions(source)
            yield pq.ParquetFile(source, buffer_size=_BUFFER_BYTES, pre_buffer=False, page_checksum_verification=True)
    except (pa.ArrowException, OSError, LookupError, AttributeError, ValueError, TypeError) as error:
        if isinstance(error, OSError) and error.errno:  # the file was not read, so it is not known to be bad
            raise
        raise DataError(
            f"{path} is damaged, or no file of the cache. Remove it, and what it held is prepared anew:", [str(error)]
        ) from error


def _refuse_extensions(source: pa.NativeFile) -> None:
    """Raise ValueError unless the file ends in the footer of a Parquet file without a schema of Arrow's."""
    size = source.size()
    end = source.read_at(8, max(0, size - 8))
    footer_bytes = int.from_bytes(end[:4], "little")
    if end[4:] != _MAGIC or footer_bytes > size - 12:
        raise ValueError("it does not end as a Parquet file does")
    if _ARROW_SCHEMA in source.read_at(footer_bytes, size - 8 - footer_bytes):
        raise ValueError("it has a schema of Arrow's, which could name types that run code")


def _check(found: pa.Schema, expected: pa.Schema) -> None:
    if not found.equals(expected):
        raise ValueError(f"it has the columns {_words(found)}, not {_words(expected)}")


def _words(schema: pa.Schema) -> str:
    return ", ".join(f"{field.name} ({field.type}{' or null' if field.nullable else ''})" for field in schema)
