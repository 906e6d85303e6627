"""One image file -> uint8 pixels, or the reason why not.

The policy: TIFF, BMP, PNG and JPEG of 8 bits a channel in grey, palette or RGB; alpha is dropped; of a camera's JPEG
with previews (MPF) the first image is taken, which all viewers show. Refused, with the reason: more bits a channel and
signed ones (the right scaling is not in the file), CMYK and other colour spaces, several frames (which one is the
cell?), more pixels than the ceiling (read off the header, before anything is decoded), truncated or damaged
files, images of a single colour, and those of so few that they are masks or drawings. PNG and deflated TIFF tell all
damage by their checksums; in a JPEG, a BMP or another TIFF, bytes that changed are other pixels and nothing more. An
image that is not square is cut to the square in its middle, never padded or stretched: the shape of a cell is
diagnostic.

A file's time and memory are bounded by its size and the ceiling. Pillow sees to most of that; what it lets pass, small
files that cost minutes or gigabytes, is refused here before it is opened: see `_check_structure` and `_Pieces`.
"""

import re
import struct
import warnings
from contextlib import suppress
from io import BytesIO
from threading import Lock
from types import TracebackType

import numpy as np
import numpy.typing as npt
from PIL import Image, TiffTags, UnidentifiedImageError

from leukmodels.errors import BadImageError
from leukmodels.images import bmp, tiff, tiff_kinds
from leukmodels.images.colourless import few_colours
from leukmodels.images.foreign import foreign_format, jpeg_kind

FORMATS = ("TIFF", "BMP", "PNG", "JPEG")
MAX_PIXELS = 64_000_000
# Counts the changes of the policy above and of the scaling below: pixels that another version prepared are not used.
POLICY_VERSION = 3

# No image file that can be used is larger: four channels of 8 bits, and some megabytes of metadata.
_BYTES_A_PIXEL, _METADATA_BYTES = 4, 16_000_000
# No image needs as many of these; each is made a Python object, or a pass over all pixels.
_PIECES = 4_000_000  # reads from one file: Pillow takes a padded JPEG and a run-length coded BMP byte by byte
_PASSES = 64  # over as many pixels as the ceiling allows: a JPEG draws all of them again for 80 bytes
_REPEATS = 16  # of metadata that a file has once

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
        if plain := tiff.open_plain(data) or bmp.open_plain(data):
            _check_size(plain.width, plain.height, max_pixels)
            pixels = _pixels(plain, image_px, crop_px)
        else:
            _check_structure(data, max_pixels)
            with _QUIET, Image.open(_Pieces(data), formats=FORMATS) as image:
                _check_header(image, max_pixels)
                _check_passes(image, data, max_pixels)
                if image.format == "TIFF":
                    # Pillow would read the nested directories too, whose numbers nothing limits.
                    for tag in TiffTags.TAGS_V2_GROUPS:
                        image.getexif().pop(tag, None)
                # A line that is longer than a block would be copied anew for every block.
                image.decodermaxblock = max(image.decodermaxblock, 4 * image.width)
                pixels = _pixels(image, image_px, crop_px)
    except BadImageError:
        raise
    except UnidentifiedImageError:
        raise BadImageError(_unidentified(data)) from None
    except Exception as error:  # decoders raise anything from SyntaxError to MemoryError on hostile bytes
        raise BadImageError(f"it cannot be decoded: {str(error) or type(error).__name__}") from error
    # Nearly every image is known by its corner and centre to have two colours, without a look at each pixel.
    if (pixels[0, 0] == pixels[image_px // 2, image_px // 2]).all() and (pixels == pixels[0, 0]).all():
        raise BadImageError("it is all black" if not pixels.any() else "all its pixels have one colour")
    return pixels


def prepare(pixels: npt.NDArray[np.uint8], *, image_px: int, crop_px: int | None) -> npt.NDArray[np.uint8]:
    """Return pixels (h, w, 3) as ``decode`` gives those of a file; BadImageError where they are no such image."""
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or 0 in pixels.shape:
        raise BadImageError(f"it is {pixels.dtype} of shape {pixels.shape}; expected uint8 (h, w, 3)")
    return np.asarray(_resize(Image.fromarray(pixels), image_px, crop_px))


def most_bytes(max_pixels: int = MAX_PIXELS) -> int:
    """Return how many bytes a file may have that ``decode`` accepts: no more of it needs to be read."""
    return max_pixels * _BYTES_A_PIXEL + _METADATA_BYTES


def side_px(data: bytes, *, crop_px: int | None) -> int:
    """Return the side of the middle square that ``decode`` takes of a file which it accepts, before it is scaled."""
    if plain := tiff.open_plain(data) or bmp.open_plain(data):
        return square_px(plain.width, plain.height, crop_px=crop_px)
    with _QUIET, Image.open(_Pieces(data), formats=FORMATS) as image:
        return square_px(image.width, image.height, crop_px=crop_px)


def square_px(width: int, height: int, *, crop_px: int | None) -> int:
    """Return the side of the middle square that is taken of an image of this size."""
    return min(width, height, crop_px or width)


class _Pieces(BytesIO):
    """A file that is not read in ever so many pieces."""

    _reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        """Return the next bytes; BadImageError when that was asked for too often."""
        self._reads += 1
        if self._reads > _PIECES:
            raise BadImageError(f"it is cut into more than {_PIECES:,} pieces")
        return super().read(size)


def _check_structure(data: bytes, max_pixels: int) -> None:
    """Refuse what would cost much to open, and the kinds that Pillow misreads."""
    for magic, metadata in ((b"\x89PNG", b"iCCP"), (b"\xff\xd8", b"Exif\0\0")):
        if data.startswith(magic) and (repeats := data.count(metadata)) > _REPEATS:
            raise BadImageError(f"it holds {repeats:,} times the metadata {metadata[:4].decode()}")
    if tiff_kinds.is_tiff(data):
        with suppress(struct.error, OverflowError):  # a damaged header, which Pillow says
            directory = tiff_kinds.read_directory(data)
            tiff_kinds.refuse_costly(directory, max_pixels)
            tiff_kinds.refuse_unread(directory)


def _unidentified(data: bytes) -> str:
    """Return why Pillow opens the file as none of the formats."""
    with suppress(struct.error, OverflowError):
        if tiff_kinds.is_tiff(data) and (kind := tiff_kinds.describe(tiff_kinds.read_directory(data))):
            return f"it is a TIFF of a kind that is not read ({kind}), or its header is damaged"
    known = f"none of {', '.join(FORMATS)}"
    if kind := jpeg_kind(data) if data.startswith(b"\xff\xd8") else "":
        return f"it is {kind}; convert it to 8 bits a channel in TIFF, BMP, PNG or common JPEG"
    if kind := foreign_format(data):
        return f"it is {kind}, {known}; convert it"
    return f"it is {known}, or its header is damaged"


def _check_size(width: int, height: int, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise BadImageError(f"it has {width:,} x {height:,} pixels, more than the ceiling of {max_pixels:,}")


def _check_passes(image: Image.Image, data: bytes, max_pixels: int) -> None:
    passes = data.count(b"\xff\xda") if data.startswith(b"\xff\xd8") else 1
    if passes * image.width * image.height > _PASSES * max_pixels:
        raise BadImageError(f"it is drawn in {passes:,} passes, too many for {image.width:,} x {image.height:,} pixels")


def _check_header(image: Image.Image, max_pixels: int) -> None:
    _check_size(image.width, image.height, max_pixels)
    if getattr(image, "is_animated", False) and image.format != "MPO":
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


def _pixels(image: Image.Image, image_px: int, crop_px: int | None) -> npt.NDArray[np.uint8]:
    image = _to_rgb(image)
    if few := few_colours(image):
        raise BadImageError(f"it has {few} colours, as a mask or a drawing has")
    return np.asarray(_resize(image, image_px, crop_px))


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB":
        return image
    image.load()
    image.info.pop("transparency", None)  # else the conversion of a palette would look at it
    return image.convert("RGB")


def _resize(image: Image.Image, image_px: int, crop_px: int | None) -> Image.Image:
    width, height = image.size
    side = square_px(width, height, crop_px=crop_px)
    if (width, height) != (side, side):
        # Cropped, as resize(box=...) would lay its reducing grid on the whole image: padding would change the pixels.
        left, top = (width - side) // 2, (height - side) // 2
        image = image.crop((left, top, left + side, top + side))
    return image if side == image_px else image.resize((image_px, image_px), _FILTER, reducing_gap=2.0)


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
