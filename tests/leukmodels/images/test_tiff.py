"""Plain TIFFs come out as from Pillow; everything else is left to it."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from leukmodels.images.tiff import open_plain
from pillow_oracle import left_or_same, same_as_pillow


def tiff(mode="RGBA", size=(7, 5), **options):
    channels = {"L": 1, "RGB": 3, "RGBA": 4, "RGBX": 4, "CMYK": 4}.get(mode, 1)
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], channels), dtype=np.uint8)
    image = Image.frombytes(mode, size, pixels.tobytes()) if mode != "I;16" else Image.new(mode, size)
    file = io.BytesIO()
    image.save(file, "TIFF", **options)
    return file.getvalue()


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
@pytest.mark.parametrize("size", [(1, 1), (7, 5), (144, 144), (300, 1), (640, 480)])
def test_a_plain_file_comes_out_as_from_pillow(mode, size):
    assert same_as_pillow(open_plain, tiff(mode, size))
    assert same_as_pillow(open_plain, tiff(mode, size, strip_size=size[0] * 4))  # many strips


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"II*\0",
        tiff(compression="tiff_lzw"),
        tiff("RGB", compression="jpeg"),
        tiff(tiffinfo={274: 6}),  # lies on its side
        tiff("CMYK"),
        tiff("I;16"),
        tiff(save_all=True, append_images=[Image.new("RGBA", (7, 5))]),
        tiff()[:200],
        tiff(big_tiff=True),
    ],
    ids=["empty", "magic", "lzw", "jpeg", "turned", "cmyk", "16 bits", "frames", "cut", "big"],
)
def test_any_other_is_left_to_pillow(data):
    assert open_plain(data) is None


def test_the_real_single_cells_are_plain(shared_data):
    files = sorted((shared_data / "aml-lmu").glob("*/*.tiff"))
    assert files
    assert all(same_as_pillow(open_plain, path.read_bytes()) for path in files)


@settings(max_examples=300)
@given(st.data())
def test_a_damaged_file_is_left_to_pillow_or_is_what_pillow_sees(data):
    bytes_ = bytearray(tiff("RGB", (5, 4)))
    for _ in range(data.draw(st.integers(1, 3))):
        bytes_[data.draw(st.integers(0, len(bytes_) - 1))] = data.draw(st.integers(0, 255))
    assert left_or_same(open_plain, bytes(bytes_[: data.draw(st.integers(0, len(bytes_)))]))
