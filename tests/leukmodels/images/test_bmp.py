"""Plain BMPs come out as from Pillow; everything else is left to it."""

import io
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from leukmodels.images.bmp import open_plain
from pillow_oracle import left_or_same, same_as_pillow


def bmp(mode="RGB", size=(7, 5)):
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(file, "BMP")
    return file.getvalue()


def changed(place, form, *values):
    data = bytearray(bmp())
    struct.pack_into("<" + form, data, place, *values)
    return bytes(data)


def top_down():
    return changed(22, "i", -5)


def with_a_newer_header():
    plain = bmp()
    return plain[:10] + struct.pack("<II", 14 + 108, 108) + plain[18:54] + bytes(68) + plain[54:]


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (8, 3), (450, 450), (3, 700)])
def test_a_plain_file_comes_out_as_from_pillow(size):
    assert same_as_pillow(open_plain, bmp(size=size))


@pytest.mark.parametrize("data", [top_down(), with_a_newer_header(), bmp() + b"more"], ids=["down", "newer", "longer"])
def test_so_do_its_rarer_forms(data):
    assert same_as_pillow(open_plain, data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"BM",
        bmp("L"),
        bmp("RGBA"),
        bmp("1"),
        bmp()[:-1],
        changed(28, "H", 16),
        changed(30, "I", 1),
        changed(18, "i", -7),
        changed(22, "i", 0),
        changed(10, "I", 20),
        changed(14, "I", 12),
        bmp()[:30],
    ],
    ids=[
        "empty",
        "magic",
        "grey",
        "alpha",
        "bits",
        "cut",
        "16-bits",
        "run-length",
        "left",
        "flat",
        "inside",
        "old",
        "header",
    ],
)
def test_any_other_is_left_to_pillow(data):
    assert open_plain(data) is None


def test_the_real_single_cells_are_plain(shared_data):
    files = sorted((shared_data / "c-nmc-2019").rglob("*.bmp"))
    assert files
    assert all(same_as_pillow(open_plain, path.read_bytes()) for path in files)


@settings(max_examples=300)
@given(st.data())
def test_a_damaged_file_is_left_to_pillow_or_is_what_pillow_sees(data):
    bytes_ = bytearray(bmp(size=(5, 4)))
    for _ in range(data.draw(st.integers(1, 3))):
        bytes_[data.draw(st.integers(0, len(bytes_) - 1))] = data.draw(st.integers(0, 255))
    assert left_or_same(open_plain, bytes(bytes_[: data.draw(st.integers(0, len(bytes_)))]))
