"""One image file -> uint8 pixels, or the reason why not.

The policy: TIFF, BMP, PNG and JPEG of 8 bits a channel in grey, palette or RGB; alpha is dropped. Refused, with the
reason: 16 bits a channel (the right scaling is not in the file), CMYK and other colour spaces, several frames (which
one is the cell?), more pixels than the ceiling (read off the header, before anything is decoded), truncated or damaged
files, and images of a single colour. An image that is not square is cut to the square in its middle, never padded or
stretched: the shape of a cell is diagnostic.
"""

import re
import warnings
from io import BytesIO
from threading import Lock
from types import TracebackType

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from leukmodels.errors import BadImageError

FORMATS = ("TIFF", "BMP", "PNG", "JPEG")
MAX_PIXELS = 64_000_000

_TILE_WIDTH, _TILE_LENGTH = 322, 323  # TIFF 6.0, section 15
_MODES = frozenset({"L", "LA", "P", "PA", "RGB", "RGBA", "RGBX"})
_SIXTEEN_BITS = re.compile(r"I(;16.*)?|.*;16[BLN]")  # Pillow's names: "I;16B" is grey, "RGB;16L" colour
# Hamming averages over every source pixel with weights that are never negative: no halo around a nucleus (as Lanczos
# draws), exactly black stays exactly black, and none of Box's uneven steps when the sizes do not divide.
_FILTER = Image.Resampling.HAMMING


def decode(data: bytes, *, image_px: int, crop_px: int | None, max_pixels: int = MAX_PIXELS) -> npt.NDArray[np.uint8]:
    """Return the pixels of an image file as uint8 of shape (image_px, image_px, 3), RGB.

    The middle square of the image is taken, of at most `crop_px` a side, and scaled. Raises BadImageError, and nothing
    else whatever the bytes are; its message is the reason.
    """
    if not data:
        raise BadImageError("the file is empty")
    try:
        with _QUIET, Image.open(BytesIO(data), formats=FORMATS) as image:
            _check_header(image, max_pixels)
            pixels = np.asarray(_resize(_to_rgb(image), image_px, crop_px))
    except BadImageError:
        raise
    except UnidentifiedImageError:
        raise BadImageError(f"it is none of {', '.join(FORMATS)}, or its header is damaged") from None
    except Exception as error:  # decoders raise anything from SyntaxError to MemoryError on hostile bytes
        raise BadImageError(f"it cannot be decoded: {error or type(error).__name__}") from error
    if (pixels == pixels[0, 0]).all():
        raise BadImageError("it is all black" if not pixels.any() else "all its pixels have one colour")
    return pixels


def _check_header(image: Image.Image, max_pixels: int) -> None:
    tags = getattr(image, "tag_v2", {})  # a TIFF's tile is decoded whole, however small the image that it holds
    for width, height in (image.size, (tags.get(_TILE_WIDTH, 0), tags.get(_TILE_LENGTH, 0))):
        if width * height > max_pixels:
            raise BadImageError(f"it has {width:,} x {height:,} pixels, more than the ceiling of {max_pixels:,}")
    if getattr(image, "is_animated", False):
        raise BadImageError("it holds several frames; one image a file is needed")
    if any(_SIXTEEN_BITS.fullmatch(name) for name in (image.mode, _raw_mode(image))):
        raise BadImageError("it has 16 bits or more a channel; convert it to 8 bits")
    if image.mode not in _MODES:
        raise BadImageError(f"its colours are {image.mode}; convert it to RGB")


def _raw_mode(image: Image.Image) -> str:
    """Return how the samples lie in the file: Pillow opens RGB of 16 bits as RGB and drops the lower 8 unasked."""
    args = image.tile[0].args if image.tile else ""
    first = args[0] if isinstance(args, tuple) and args else args
    return first if isinstance(first, str) else ""


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB":
        return image
    image.load()
    image.info.pop("transparency", None)  # else the conversion of a palette would look at it
    return image.convert("RGB")


def _resize(image: Image.Image, image_px: int, crop_px: int | None) -> Image.Image:
    width, height = image.size
    side = min(width, height, crop_px or width)
    left, top = (width - side) // 2, (height - side) // 2
    # Cropped first: resize(box=...) would lay its reducing grid on the whole image, so padding would change the pixels.
    square = image.crop((left, top, left + side, top + side))
    return square.resize((image_px, image_px), _FILTER, reducing_gap=2.0)


class _Quiet:
    """Silence warnings while any thread decodes: Pillow warns of every odd tag, and what matters it raises.

    `warnings.catch_warnings` alone is not safe in threads: one that leaves late would restore another's filters.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._inside = 0
        self._silence = warnings.catch_warnings(action="ignore")

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._silence = warnings.catch_warnings(action="ignore")
                self._silence.__enter__()
            self._inside += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._silence.__exit__(kind, error, trace)


_QUIET = _Quiet()
