import struct
import threading
import warnings
import zlib
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from leukmodels.errors import BadImageError
from leukmodels.images.decoding import decode

Pixels = npt.NDArray[np.uint8]


def noise(height: int = 80, width: int = 80, channels: int = 3) -> Pixels:
    return np.random.default_rng(0).integers(0, 256, (height, width, channels), dtype=np.uint8)


def encoded(image: Image.Image, kind: str = "TIFF", **options: Any) -> bytes:
    file = BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def tiff(changes: Mapping[int, int | bytes], data: bytes = b"") -> bytes:
    """Return a little-endian TIFF of these tags; bytes are a tag's 16-bit values, `data` is its one strip or tile."""
    tags = {256: 80, 257: 80, 262: 2, 277: 3, 258: struct.pack("<3H", 8, 8, 8), **changes}
    tags |= {324 if 322 in tags else 273: 0, 325 if 322 in tags else 279: len(data)}
    start = 8 + 2 + 12 * len(tags) + 4
    extra = b"".join(value for value in tags.values() if isinstance(value, bytes))
    entries = b""
    for tag, value in sorted(tags.items()):
        if isinstance(value, bytes):
            entries += struct.pack("<HHII", tag, 3, len(value) // 2, start)
        else:
            entries += struct.pack("<HHII", tag, 4, 1, start + len(extra) if tag in (273, 324) else value)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + struct.pack("<I", 0) + extra + data


def png16() -> bytes:
    """Return a PNG of 16 bits a channel in RGB, which Pillow would cut to 8 without a word."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 80, 80, 16, 2, 0, 0, 0)
    lines = b"".join(b"\0" + line.tobytes() for line in noise(width=160))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")


RGB = Image.fromarray(noise())
GREY16 = Image.fromarray(np.arange(6400, dtype=np.uint16).reshape(80, 80))
SIXTEEN = {258: struct.pack("<3H", 16, 16, 16)}


@pytest.mark.parametrize("kind", ["TIFF", "BMP", "PNG"])
def test_rgb_comes_back_as_it_is(kind: str) -> None:
    pixels = decode(encoded(RGB, kind), image_px=80, crop_px=None)
    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels, noise())


def test_alpha_is_dropped_and_the_colours_under_it_stay() -> None:
    rgba = noise(channels=4)
    np.testing.assert_array_equal(decode(encoded(Image.fromarray(rgba)), image_px=80, crop_px=None), rgba[..., :3])


@pytest.mark.parametrize("mode", ["L", "LA", "P"])
def test_grey_and_palette_become_rgb(mode: str) -> None:
    image = RGB.convert(mode)
    options = {"transparency": bytes(10)} if mode == "P" else {}
    pixels = decode(encoded(image, "PNG", **options), image_px=80, crop_px=None)
    np.testing.assert_array_equal(pixels, np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("options", [{"compression": "tiff_lzw"}, {"compression": "tiff_adobe_deflate"}])
def test_compressed_tiff_is_read(options: dict[str, str]) -> None:
    np.testing.assert_array_equal(decode(encoded(RGB, **options), image_px=80, crop_px=None), noise())


def test_jpeg_is_read() -> None:
    smooth = Image.fromarray(noise(8, 8)).resize((80, 80))
    pixels = decode(encoded(smooth, "JPEG", quality=95), image_px=80, crop_px=None)
    assert np.abs(pixels.astype(int) - np.asarray(smooth)).mean() < 5


def test_a_cameras_jpeg_with_a_preview_is_its_first_image() -> None:
    one, preview = (Image.fromarray(noise(8, 8)[::turn]).resize((80, 80)) for turn in (1, -1))
    camera = encoded(one, "MPO", save_all=True, append_images=[preview], quality=95)
    with Image.open(BytesIO(camera)) as opened:
        assert opened.format == "MPO"
        assert opened.n_frames == 2
    pixels = decode(camera, image_px=80, crop_px=None)
    assert np.abs(pixels.astype(int) - np.asarray(one)).mean() < 5


def test_600_px_are_cropped_to_the_middle_450_not_scaled() -> None:
    image = noise(600, 600)
    pixels = decode(encoded(Image.fromarray(image), "BMP"), image_px=450, crop_px=450)
    np.testing.assert_array_equal(pixels, image[75:525, 75:525])


@pytest.mark.parametrize("image_px", [32, 48, 64, 96])
def test_padding_around_the_crop_changes_no_pixel_at_any_size(image_px: int) -> None:
    cell = np.asarray(Image.fromarray(noise(45, 45)).resize((450, 450)))
    padded = np.pad(cell, ((75, 75), (75, 75), (0, 0)))
    found, wanted = (
        decode(encoded(Image.fromarray(image), "BMP"), image_px=image_px, crop_px=450) for image in (padded, cell)
    )
    np.testing.assert_array_equal(found, wanted)


def test_an_image_smaller_than_the_crop_is_left_whole() -> None:
    np.testing.assert_array_equal(decode(encoded(RGB), image_px=80, crop_px=450), noise())


@pytest.mark.parametrize(("height", "width", "window"), [(80, 100, np.s_[:, 10:90]), (101, 80, np.s_[10:90, :])])
def test_an_oblong_image_is_cut_to_its_middle_square(height: int, width: int, window: tuple[slice, slice]) -> None:
    image = noise(height, width)
    np.testing.assert_array_equal(decode(encoded(Image.fromarray(image)), image_px=80, crop_px=None), image[window])


def test_scaling_keeps_the_mean_and_an_exactly_black_background() -> None:
    image = np.zeros((450, 450, 3), dtype=np.uint8)
    image[150:300, 150:300] = 200
    image[160:169, 160] = np.arange(191, 200)[:, None]  # fewer than nine colours would be a mask
    pixels = decode(encoded(Image.fromarray(image), "BMP"), image_px=64, crop_px=450)
    assert pixels.shape == (64, 64, 3)
    assert not pixels[:20].any()
    assert pixels.max() == 200  # no filter's overshoot at the edge
    assert pixels.mean() == pytest.approx(image.mean(), rel=0.01)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "the file is empty"),
        (b"not an image at all", "none of TIFF, BMP, PNG, JPEG"),
        (encoded(RGB, "GIF"), "it is GIF, none of TIFF, BMP, PNG, JPEG; convert it"),
        (encoded(RGB, "WEBP"), "it is WebP"),
        (encoded(RGB, "JPEG2000"), "it is JPEG 2000"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "it is HEIC"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avif", "it is AVIF"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "it is JPEG XL"),
        (b"\xff\xd8\xff\xf7\0\x0b\x08\0\x50\0\x50\x01\x01\x11\0\xff\xda", "it is JPEG-LS"),
        (b"\xff\xd8\xff\xc1\0\x0b\x0c\0\x50\0\x50\x01\x01\x11\0\xff\xda", "it is a JPEG of 12 bits a channel"),
        (encoded(RGB)[:9000], "cannot be decoded"),
        (encoded(RGB, "BMP")[:9000], "cannot be decoded: image file is truncated"),
        (encoded(RGB, "PNG")[:9000], "cannot be decoded"),
        (encoded(RGB, "JPEG")[:3000], "cannot be decoded: image file is truncated"),
        (encoded(GREY16), "a TIFF of 16-bit unsigned integers, compression none; convert it"),
        (encoded(GREY16, "PNG"), "16 bits"),
        (png16(), "16 bits"),
        (tiff(SIXTEEN, noise(width=160).tobytes()), "a TIFF of 16-bit unsigned integers"),
        (
            tiff(SIXTEEN | {259: 8}, zlib.compress(noise(width=160).tobytes())),
            "a TIFF of 16-bit unsigned integers, compression Deflate",
        ),
        (
            tiff(SIXTEEN | {259: 1, 284: 2}, noise(width=160).tobytes()),  # planar: Pillow's mode says RGB
            "a TIFF of 16-bit unsigned integers, compression none",
        ),
        (
            tiff({258: 8, 262: 1, 277: 1, 339: 2}, noise(channels=1).tobytes()),
            "a TIFF of 8-bit signed integers",
        ),
        (
            tiff({258: 8, 262: 1, 277: 1, 259: 50001}, noise(channels=1).tobytes()),
            "a TIFF whose compression, WebP, is not read",
        ),
        (
            tiff({258: 8, 262: 1, 277: 2, 338: 1}, noise(channels=2).tobytes()),
            "grey with associated alpha",
        ),
        (
            tiff(
                {258: 8, 262: 3, 277: 1, 320: struct.pack("<768H", *(3 * [*range(256)]))},
                noise(channels=1).tobytes(),
            ),
            "its palette holds 8-bit colours",
        ),
        (encoded(RGB.convert("F")), "a TIFF of 32-bit floating point numbers"),
        (encoded(RGB.convert("1"), "PNG"), "colours are 1"),
        (encoded(RGB.convert("CMYK")), "colours are CMYK"),
        (encoded(RGB.convert("CMYK"), "JPEG"), "colours are CMYK"),
        (encoded(RGB, save_all=True, append_images=[RGB]), "several frames"),
        (encoded(RGB, "PNG", save_all=True, append_images=[RGB.rotate(90)]), "several frames"),
        (encoded(Image.new("RGB", (80, 80)), "BMP"), "all black"),
        (encoded(Image.new("RGBA", (80, 80), (0, 0, 0, 255))), "all black"),
        (encoded(Image.new("L", (80, 80), 255), "PNG"), "one colour"),
    ],
)
def test_a_bad_file_is_refused_with_the_reason(data: bytes, reason: str) -> None:
    with pytest.raises(BadImageError, match=reason):
        decode(data, image_px=64, crop_px=None)


def test_the_crafted_tiff_is_good_but_for_what_the_cases_change() -> None:
    np.testing.assert_array_equal(decode(tiff({}, noise().tobytes()), image_px=80, crop_px=None), noise())


BOMB_BMP = encoded(RGB, "BMP")[:18] + struct.pack("<ii", 60_000, 60_000) + encoded(RGB, "BMP")[26:54]
TALL_BMP = encoded(RGB, "BMP")[:18] + struct.pack("<ii", 10_000, 9_000) + encoded(RGB, "BMP")[26:54]


@pytest.mark.fault("files", "images whose headers promise more pixels than memory holds", "refused by their headers")
@pytest.mark.parametrize(
    "data",
    [TALL_BMP, tiff({256: 9000, 257: 9000}), tiff({259: 8, 322: 30_000, 323: 30_000}, zlib.compress(bytes(1000)))],
    ids=["bmp", "tiff", "tile"],
)
def test_a_bomb_is_refused_by_its_header(data: bytes) -> None:
    """None of these holds its pixels: only a reader of headers can find them too large and not truncated."""
    with pytest.raises(BadImageError, match="more than the ceiling of 64,000,000"):
        decode(data, image_px=64, crop_px=None)


@pytest.mark.fault("files", "an image beyond Pillow's own ceiling", "refused")
def test_a_bomb_beyond_pillows_own_ceiling_is_refused() -> None:
    with pytest.raises(BadImageError, match="exceeds limit"):
        decode(BOMB_BMP, image_px=64, crop_px=None)


def test_the_ceiling_can_be_set() -> None:
    with pytest.raises(BadImageError, match="80 x 80 pixels, more than the ceiling of 6,399"):
        decode(encoded(RGB), image_px=64, crop_px=None, max_pixels=6399)
    assert decode(encoded(RGB), image_px=64, crop_px=None, max_pixels=6400).any()


def check_hostile(data: bytes) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            shape = decode(data, image_px=16, crop_px=None, max_pixels=1_000_000).shape
        except BadImageError:
            return
    assert shape == (16, 16, 3)


@given(
    st.binary(max_size=400), st.sampled_from([b"", b"II*\0", b"MM\0*", b"BM", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"])
)
def test_random_bytes_are_a_bad_image_at_worst(data: bytes, magic: bytes) -> None:
    check_hostile(magic + data)


SMALL = Image.fromarray(noise(24, 24))
FILES = [encoded(SMALL, kind) for kind in ("TIFF", "BMP", "PNG", "JPEG")] + [encoded(SMALL, compression="tiff_lzw")]


@pytest.mark.fault("files", "random wounds in images", "a bad image at worst")
@given(
    st.sampled_from(FILES),
    st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=4)), max_size=6),
    st.floats(0, 1),
)
def test_damaged_files_are_a_bad_image_at_worst(data: bytes, wounds: list[tuple[float, bytes]], keep: float) -> None:
    damaged = bytearray(data)
    for place, wound in wounds:
        start = int(place**3 * (len(data) - len(wound)))  # headers are hit more often than pixels
        damaged[start : start + len(wound)] = wound
    check_hostile(bytes(damaged[: int(len(data) * (1 - keep**4))]))


def test_the_filters_of_warnings_are_as_before_after_decoding_in_threads() -> None:
    before = list(warnings.filters)
    data = encoded(RGB)

    def work() -> None:
        for _ in range(50):
            decode(data, image_px=32, crop_px=None)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert warnings.filters == before


@pytest.mark.parametrize(("pattern", "crop_px"), [("c-nmc-2019/**/*.bmp", 450), ("aml-lmu/**/*.tiff", None)])
def test_the_real_samples_are_read(shared_data: Path, pattern: str, crop_px: int | None) -> None:
    files = sorted(shared_data.glob(pattern))
    assert len(files) >= 50
    for file in files:
        pixels = decode(file.read_bytes(), image_px=64, crop_px=crop_px)
        assert pixels.std() > 5


def test_the_final_phase_of_cnmc_is_cropped_and_keeps_its_black_corners(shared_data: Path) -> None:
    file = next((shared_data / "c-nmc-2019").glob("*final*/*.bmp"))
    pixels = decode(file.read_bytes(), image_px=450, crop_px=450)
    with Image.open(file) as image:
        assert image.size == (600, 600)
        np.testing.assert_array_equal(pixels, np.asarray(image)[75:525, 75:525])
    assert not pixels[0, 0].any()
