"""Shards: what is read is what was written, or nothing."""

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leukmodels.dataset.shards import Shard, count_rows, read_contents, read_plain, read_shard, write_plain, write_shard
from leukmodels.errors import DataError


def shard(n: int, image_px: int, seed: int = 0) -> Shard:
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (n, image_px, image_px, 3), dtype=np.uint8)
    return Shard(contents=[rng.bytes(32).hex() for _ in range(n)], images=images)


def same(one: Shard, other: Shard) -> bool:
    return list(one.contents) == list(other.contents) and np.array_equal(one.images, other.images)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Shard, bytes]:
    """Return where a small shard lies, the shard, and its bytes."""
    path, written = tmp_path_factory.mktemp("shards") / "small.parquet", shard(3, 4)
    write_shard(path, written)
    return path, written, path.read_bytes()


@pytest.mark.parametrize(("n", "image_px"), [(1, 1), (5, 7), (300, 64), (40, 144), (1, 1024)])
def test_a_shard_comes_back_as_it_was(tmp_path: Path, n: int, image_px: int) -> None:
    path, written = tmp_path / "new" / "a.parquet", shard(n, image_px)
    write_shard(path, written)
    read = read_shard(path)
    assert same(read, written)
    assert not read.images.flags.writeable
    assert read_contents(path) == read_contents(path, image_px=image_px) == written.contents
    assert count_rows(path) == n
    assert [*path.parent.iterdir()] == [path]


def test_images_that_are_not_contiguous_are_written_as_they_are_seen(tmp_path: Path) -> None:
    whole = shard(6, 5)
    written = Shard(contents=whole.contents[::2], images=whole.images[::2, ::-1])
    write_shard(tmp_path / "a.parquet", written)
    assert same(read_shard(tmp_path / "a.parquet"), written)


def test_a_shard_without_images_can_be_read(tmp_path: Path) -> None:
    write_shard(tmp_path / "a.parquet", shard(0, 5))
    assert read_shard(tmp_path / "a.parquet").images.shape == (0, 5, 5, 3)


def test_any_parquet_reader_finds_plain_binary_columns(small: tuple[Path, Shard, bytes]) -> None:
    path, written, _ = small
    table = pq.read_table(path)
    assert table.schema.types == [pa.binary(32), pa.binary(48)]
    assert table["pixels"][1].as_py() == written.images[1].tobytes()
    assert pq.read_metadata(path).row_group(0).column(1).compression == "UNCOMPRESSED"


def test_images_that_do_not_belong_to_the_contents_are_refused() -> None:
    with pytest.raises(AssertionError):
        Shard(contents=["00" * 32], images=shard(2, 4).images)


@settings(max_examples=300)
@given(data=st.data())
def test_damage_is_seen_or_harmless(small: tuple[Path, Shard, bytes], data: st.DataObject) -> None:
    path, written, whole = small
    at = data.draw(st.integers(0, len(whole) - 1), label="at")
    damaged = data.draw(
        st.one_of(
            st.just(whole[:at]),
            st.integers(1, 255).map(lambda bits: whole[:at] + bytes([whole[at] ^ bits]) + whole[at + 1 :]),
            st.binary(min_size=1, max_size=40).map(lambda junk: whole[:at] + junk + whole[at + len(junk) :]),
            st.binary(min_size=1, max_size=40).map(lambda junk: whole + junk),
            st.binary(max_size=600),
        ),
        label="damaged",
    )
    torn = path.with_name("torn.parquet")
    torn.write_bytes(damaged)
    with contextlib.suppress(DataError):
        read = read_shard(torn)
        assert same(read, written) or not read.contents
    with contextlib.suppress(DataError):
        assert read_contents(torn, image_px=4) in (written.contents, [])


def test_every_byte_of_the_pixels_is_covered_by_a_checksum(small: tuple[Path, Shard, bytes]) -> None:
    path, written, whole = small
    torn = path.with_name("torn.parquet")
    for pixels in written.images:
        at = whole.index(pixels.tobytes()) + 17
        torn.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(DataError, match="CRC"):
            read_shard(torn)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"content": pa.array([b"0" * 32], pa.binary(32))}, "pixels"),
        ({"content": ["0" * 64], "pixels": pa.array([b"0" * 12], pa.binary(12))}, "content \\(string or null\\)"),
        ({"content": pa.array([b"0" * 32], pa.binary(32)), "pixels": [b"0" * 12]}, "Non-fixed width"),
        ({"content": pa.array([b"0" * 32], pa.binary(32)), "pixels": pa.array([b"0" * 13], pa.binary(13))}, r"\[13\]"),
        ({"content": pa.array([None], pa.binary(32)), "pixels": pa.array([b"0" * 12], pa.binary(12))}, "or null"),
    ],
)
def test_a_parquet_file_of_other_columns_is_no_shard(tmp_path: Path, columns: dict[str, Any], words: str) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table(columns), path, store_schema=False)
    for read in (read_shard, read_contents):
        with pytest.raises(DataError, match=words):
            read(path)


def test_images_of_another_size_than_asked_for_are_refused(small: tuple[Path, Shard, bytes]) -> None:
    with pytest.raises(DataError, match=r"fixed_size_binary\[48\]"):
        read_contents(small[0], image_px=5)


def test_the_error_names_the_file_and_the_remedy(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    path.touch()
    with pytest.raises(DataError, match=f"{path} is damaged.*Remove it, and what it held is prepared anew"):
        read_shard(path)


def test_a_file_that_was_not_read_is_not_called_damaged(tmp_path: Path) -> None:
    loop = tmp_path / "loop.parquet"
    loop.symlink_to(loop)
    for read in (read_shard, read_contents, count_rows):
        with pytest.raises(FileNotFoundError):
            read(tmp_path / "missing.parquet")
        with pytest.raises(OSError, match="symbolic links"):
            read(loop)


class Hostile(pa.ExtensionType):
    """A registered type of the kind that unpickles what a file says."""

    awoken = 0

    def __init__(self) -> None:
        super().__init__(pa.binary(12), "leukmodels.test_shards.hostile")

    def __arrow_ext_serialize__(self) -> bytes:
        return b"a pickle"

    @classmethod
    def __arrow_ext_deserialize__(cls, storage_type: pa.DataType, serialized: bytes) -> "Hostile":
        cls.awoken += 1
        return cls()


def test_reading_wakes_no_extension_type(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pixels = pa.ExtensionArray.from_storage(Hostile(), pa.array([b"0" * 12], pa.binary(12)))
    pq.write_table(pa.table({"content": pa.array([b"0" * 32], pa.binary(32)), "pixels": pixels}), path)
    pa.register_extension_type(Hostile())
    try:
        for read in (read_shard, read_contents, count_rows):
            with pytest.raises(DataError, match="run code"):
                read(path)
        assert Hostile.awoken == 0
        pq.read_table(path)
        assert Hostile.awoken > 0, "this file would have woken it"
    finally:
        pa.unregister_extension_type("leukmodels.test_shards.hostile")


def test_a_plain_table_comes_back_and_only_with_its_columns(tmp_path: Path) -> None:
    schema = pa.schema([pa.field("reason", pa.string(), nullable=False)])
    table = pa.table({"reason": ["it is all black", "ein Grünstich"]}, schema=schema)
    write_plain(tmp_path / "a.parquet", table, compression="zstd")
    assert read_plain(tmp_path / "a.parquet", schema).equals(table)
    with pytest.raises(DataError, match="not other"):
        read_plain(tmp_path / "a.parquet", pa.schema([pa.field("other", pa.string(), nullable=False)]))
