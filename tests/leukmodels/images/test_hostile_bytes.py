"""Any bytes at all: decoding ends with pixels or a reason, in little memory, and the block's other files are read."""

import resource
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hostile import bmp, chunk, contents, draw, encoded, lines, noise, png, progressive, tiff
from leukmodels.collections.place import STAMP
from leukmodels.collections.source import open_source
from leukmodels.dataset.contents import content_of
from leukmodels.errors import BadImageError
from leukmodels.images import decoding
from search.cache.store import PixelCache, Policy
from search.data.ingest import read_shard
from toy_cache import images as kept_images

POLICY = Policy(image_px=16, crop_px=None, max_pixels=1_000_000)
SPARE_BYTES = 64 * 2**20  # an image at the ceiling takes 4 MB, four channels, in several copies
FILES = {
    **{kind: encoded(draw(), kind) for kind in ("TIFF", "BMP", "PNG", "JPEG")},
    **{kind: encoded(draw(), compression=kind) for kind in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg")},
    **{f"{kind}s": encoded(draw(), kind, save_all=True, append_images=[draw()]) for kind in ("TIFF", "PNG", "MPO")},
    **{f"{kind} of a palette": encoded(draw("P"), kind) for kind in ("TIFF", "BMP", "PNG")},
    "progressive": encoded(draw(), "JPEG", progressive=True),
    "passes": progressive(40, 9),
    "metadata": encoded(draw(), "PNG", icc_profile=bytes(500), exif=b"Exif\0\0II*\0\x08\0\0\0" + bytes(50)),
    "BigTIFF": tiff(noise().tobytes(), big=True),
    "tile": tiff(noise(32, 32).tobytes(), t273=None, t322=(3, 1, b" \0"), t323=(3, 1, b" \0"), t324=(4, 1, b"data")),
    "16 bits": png(bits=16, lines=lines(noise(channels=6))),
    "runs": bmp(20, 20, bytes([20, 1, 0, 0]) * 20, bits=8, packing=1),
}
GOOD = [encoded(draw()) for _ in range(4)]
MAGICS = [
    b"",
    b"II*\0",
    b"MM\0*",
    b"II+\0\x08\0\0\0",
    b"BM",
    b"\x89PNG\r\n\x1a\n",
    b"\xff\xd8\xff",
    b"\xff\xd8\xff\xe1",
]
EXTREMES = [b"\xff" * 4, bytes(4), b"\xff\xff\xff\x7f", b"\0\0\xff\xff", b"\0\1"]
FILE = st.sampled_from(sorted(FILES)).map(FILES.__getitem__)
PLACE = st.integers(0, 2**16 - 1).map(lambda place: (place / 2**16) ** 3)  # headers are hit more often than pixels
WOUND = st.one_of(
    st.tuples(st.just("write"), PLACE, st.binary(min_size=1, max_size=8) | st.sampled_from(EXTREMES)),
    st.tuples(st.just("insert"), PLACE, st.binary(min_size=1, max_size=40)),
    st.tuples(st.just("flip"), PLACE, st.sampled_from([bytes([1 << bit]) for bit in range(8)])),
    st.tuples(st.just("cut"), PLACE, st.just(b"")),
    st.tuples(st.just("repeat"), PLACE, st.integers(1, 99).map(bytes)),
    st.tuples(st.just("splice"), PLACE, FILE),
)


def wounded(data: bytes, wounds: list[tuple[str, float, bytes]]) -> bytes:
    for how, place, value in wounds:
        start = int(place * len(data))
        end = start + len(value)
        if how == "write":
            data = data[:start] + value + data[end:]
        elif how == "insert":
            data = data[:start] + value + data[start:]
        elif how == "flip":
            data = data[:start] + bytes(old ^ value[0] for old in data[start:end]) + data[end:]
        elif how == "cut":
            data = data[: len(data) - start]
        elif how == "repeat":
            data = data[:end] * 9 + data[end:]
        else:  # the head of another file
            data = value[:start] + data[start:]
    return data


HOSTILE = st.one_of(
    st.builds(bytes.__add__, st.sampled_from(MAGICS), st.binary(max_size=400)),
    st.builds(wounded, FILE, st.lists(WOUND, max_size=5)),
)


@contextmanager
def little_memory():
    """Let this process take a little more memory than it has, so that who needs more is found out."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limits = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + SPARE_BYTES, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)


def decoded(data):
    """Return the pixels, or the reason."""
    try:
        with little_memory():
            pixels = decoding.decode(data, image_px=16, crop_px=None, max_pixels=POLICY.max_pixels)
    except BadImageError as error:
        reason, memory_was_short = str(error), isinstance(error.__cause__, MemoryError)
        assert 0 < len(reason.encode()) < 300
        assert not memory_was_short
        return reason
    assert (pixels.shape, pixels.dtype) == ((16, 16, 3), np.uint8)
    return pixels


@settings(max_examples=400)
@given(HOSTILE)
def test_any_bytes_are_pixels_or_a_reason(data):
    decoded(data)


@pytest.mark.fault("files", "images made to take much memory", "none does")
def test_no_hostile_file_takes_much_memory():
    for data, _ in contents().values():
        decoded(data)


@pytest.mark.parametrize(
    "data",
    [
        FILES["JPEG"][:2] + b"\xff" * 3000 + FILES["JPEG"][2:],
        bmp(900, 900, b"\0\0" * 3000, bits=8, packing=1),
        png(before=chunk(b"abCd", b"") * 1000, lines=lines(noise())),
    ],
    ids=["padding in a jpeg", "empty runs in a bmp", "empty chunks in a png"],
)
def test_a_file_in_too_many_pieces_is_refused(monkeypatch, data):
    monkeypatch.setattr(decoding, "_PIECES", 2000)
    assert decoded(data) == "it is cut into more than 2,000 pieces"


def test_a_line_longer_than_a_block_is_read_at_once(monkeypatch):
    monkeypatch.setattr(decoding, "_PIECES", 20)
    assert decoded(bmp(900_000, 1, bytes(2_700_000))) == "it is all black"


@settings(max_examples=100)
@given(st.lists(HOSTILE, min_size=1, max_size=3, unique=True))
def test_the_good_files_of_a_block_are_read_whatever_lies_between_them(tmp_path_factory, hostile):
    folder = tmp_path_factory.mktemp("block")
    data = [GOOD[0], *(file for pair in zip(hostile, GOOD[1:], strict=False) for file in pair)]
    paths = [str(folder / f"{number}.tif") for number in range(len(data))]
    for path, content in zip(paths, data, strict=True):
        Path(path).write_bytes(content)
    source, cache = open_source(folder), PixelCache(folder / "cache")
    stamps = source.stamps(paths)
    table = pa.table({"row": np.arange(len(data)), "path": paths, **dict(zip(STAMP, stamps.T, strict=True))})
    read = read_shard(table, source=source, cache=cache, policy=POLICY).to_pydict()
    hashes = [content_of(content) for content in data]
    assert read["content"] == hashes == cache.contents(paths, stamps)
    assert read["lost"] == [""] * len(data)
    kept, reasons = kept_images(cache, POLICY), cache.prepared(POLICY).reasons
    for content, hashed, problem in zip(data, hashes, read["problem"], strict=True):
        answer = decoded(content)
        if isinstance(answer, str):
            assert problem == reasons[hashed] == answer
        else:
            assert problem == ""
            np.testing.assert_array_equal(kept[hashed], answer)
    assert not any(isinstance(decoded(content), str) for content in GOOD)
