"""Colour profiles in image files: which one a file carries, and its pixels in sRGB.

Cameras and phones write other colours than sRGB (Display P3, Adobe RGB) with a profile (ICC.1) that says which, and
decoders hand the numbers on as they are. LittleCMS, in Pillow, converts, with relative colorimetric intent.
"""

import struct
import zlib
from contextlib import suppress
from functools import lru_cache
from io import BytesIO
from itertools import product

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms

from leukmodels.errors import BadImageError
from leukmodels.images import tiff_kinds
from leukmodels.images.foreign import jpeg_segments

SRGB, UNREADABLE = "sRGB", "one that cannot be read"
_MOST_BYTES = 4_000_000  # of a profile; those of cameras have some thousand, of printers a million
_MOST_CHUNKS = 10_000
_SAME_LEVELS = 2  # of 255: profiles of sRGB differ in rounding
_NAME_LETTERS = 60
_APP2, _ICC = 0xE2, b"ICC_PROFILE\0"
_V5_BYTES, _EMBEDDED = 124, b"DEBM"  # BITMAPV5HEADER, and its bV5CSType PROFILE_EMBEDDED, little-endian

Pixels = npt.NDArray[np.uint8]


def embedded_profile(data: bytes) -> bytes:
    """Return the colour profile in a TIFF, BMP, PNG or JPEG, b"" where there is none; it is not looked into."""
    with suppress(struct.error, zlib.error):
        if data.startswith(b"\xff\xd8"):
            return _of_jpeg(data)
        if data.startswith(b"\x89PNG"):
            return _of_png(data)
        if data.startswith(b"BM"):
            return _of_bmp(data)
        if tiff_kinds.is_tiff(data):
            return tiff_kinds.profile(data, _MOST_BYTES)
    return b""


@lru_cache(64)
def name_of(profile: bytes) -> str:
    """Return what a profile is called: SRGB where it gives sRGB's colours, else as it calls itself; "" for none."""
    if not profile:
        return ""
    try:
        grid = np.array([*product(range(0, 256, 51), repeat=3)], np.uint8).reshape(1, -1, 3)
        apart = np.abs(to_srgb(grid, profile).astype(int) - grid).max()
        if apart <= _SAME_LEVELS:
            return SRGB
        said = ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(BytesIO(profile)))
    except BadImageError:
        return UNREADABLE
    return "".join(letter for letter in said if letter.isprintable()).strip()[:_NAME_LETTERS] or "one without a name"


def to_srgb(pixels: Pixels, profile: bytes) -> Pixels:
    """Return pixels (h, w, 3) that a profile describes in sRGB; BadImageError where it is damaged or of others."""
    if not profile:
        return pixels
    mode, transform = _transform(profile)
    image = Image.fromarray(pixels)
    if mode == "L":
        if (pixels != pixels[..., :1]).any():
            raise BadImageError("its colour profile is of grey images, and it is coloured")
        image = image.getchannel(0)
    return np.asarray(ImageCms.applyTransform(image, transform))


@lru_cache(16)
def _transform(profile: bytes) -> tuple[str, ImageCms.ImageCmsTransform]:
    """Return the mode of the pixels that a profile describes, and what converts them."""
    try:
        opened = ImageCms.ImageCmsProfile(BytesIO(profile))
        space = str(opened.profile.xcolor_space).strip()
        mode = {"RGB": "RGB", "GRAY": "L"}.get(space)
        if mode is None:
            raise BadImageError(f"its colour profile is of {space} colours")
        return mode, ImageCms.buildTransform(
            opened, ImageCms.createProfile("sRGB"), mode, "RGB", ImageCms.Intent.RELATIVE_COLORIMETRIC
        )
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError) as error:
        raise BadImageError(f"its colour profile cannot be read: {error}") from None


def _of_jpeg(data: bytes) -> bytes:
    """Return the profile, which is cut into numbered segments."""
    pieces = {
        data[start + len(_ICC)]: data[start + len(_ICC) + 2 : end]
        for marker, start, end in jpeg_segments(data)
        if marker == _APP2 and data.startswith(_ICC, start) and start + len(_ICC) + 2 <= min(end, len(data))
    }
    return b"".join(pieces[number] for number in sorted(pieces))[:_MOST_BYTES]


def _of_png(data: bytes) -> bytes:
    at = 8
    for _ in range(_MOST_CHUNKS):
        length, kind = struct.unpack_from(">I4s", data, at)
        if kind == b"iCCP":
            _, _, packed = data[at + 8 : at + 8 + length].partition(b"\0")
            return zlib.decompressobj().decompress(packed[1:], _MOST_BYTES)
        if kind in (b"IDAT", b"sRGB"):
            break
        at += 12 + length
    return b""


def _of_bmp(data: bytes) -> bytes:
    if struct.unpack_from("<I", data, 14) != (_V5_BYTES,) or data[70:74] != _EMBEDDED:
        return b""
    start, size = struct.unpack_from("<II", data, 14 + 112)
    return data[14 + start : 14 + start + size] if size <= _MOST_BYTES else b""
