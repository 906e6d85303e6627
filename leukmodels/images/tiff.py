"""The plain TIFF: what collections of single cells are made of, opened without Pillow's way through all of its tags.

Uncompressed strips of 8 bits a channel in grey, RGB or RGBA, one image, upright. Every other file, damaged ones among
them, is left to Pillow, which then gives the image or the reason; a whole one comes out as from Pillow, byte for byte.
(TIFF revision 6.0, sections 2 to 8 and 18.)
"""

import struct
from itertools import pairwise

from PIL import Image

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 256, 257, 258, 259, 262
_FILL_ORDER, _STRIPS, _ORIENTATION, _CHANNELS, _STRIP_BYTES, _PLANES = 266, 273, 274, 277, 279, 284
_EXTRA, _SAMPLE_FORMAT = 338, 339
_TILED_OR_FRAMED = frozenset(
    {254, 255, 317, 322, 323, 324, 325, 330, 347}
)  # pages, predictors, tiles, sub-images, JPEG
_FORMATS = {3: "H", 4: "I"}  # a tag's numbers: SHORT and LONG
_MODES = {(1, 1, ()): "L", (2, 3, ()): "RGB", (2, 4, (2,)): "RGBA", (2, 4, (0,)): "RGBX"}
_MOST_NUMBERS = 4096  # in one tag: strips, of which an image has at most as many as lines


def open_plain(data: bytes) -> Image.Image | None:
    """Return the image of a plain TIFF, a view of its bytes where its strips lie in a row; None for any other file.

    It never takes more memory than the file.
    """
    if data[:4] not in (b"II*\0", b"MM\0*"):
        return None
    try:
        return _image(data, "<" if data.startswith(b"II") else ">")
    except (struct.error, KeyError, ValueError, IndexError):
        return None


def _image(data: bytes, order: str) -> Image.Image | None:
    tags = _tags(data, order)
    (width,), (height,), (channels,) = tags[_WIDTH], tags[_HEIGHT], tags.get(_CHANNELS, (1,))
    if channels > 4 or width * height * channels > len(data):
        return None
    upright = all(tags.get(tag, (1,)) == (1,) for tag in (_COMPRESSION, _FILL_ORDER, _ORIENTATION, _PLANES))
    shallow = tags[_BITS] == (8,) * channels and set(tags.get(_SAMPLE_FORMAT, (1,))) == {1}
    if not upright or not shallow or not width or not height or tags.keys() & _TILED_OR_FRAMED:
        return None
    mode = _MODES[tags[_PHOTOMETRIC][0], channels, tags.get(_EXTRA, ())]
    starts, sizes = tags[_STRIPS], tags[_STRIP_BYTES]
    ends = [start + size for start, size in zip(starts, sizes, strict=True)]
    line = width * channels
    if sum(sizes) != height * line or max(ends) > len(data) or any(size % line for size in sizes):
        return None
    gaps = [following - end for end, (_, following) in zip(ends, pairwise(starts), strict=False)]
    if any(gap < 0 for gap in gaps):  # strips that lie in one another could make gigabytes of a small file
        return None
    if not any(gaps):
        pixels = memoryview(data)[starts[0] : ends[-1]]
    else:
        pixels = memoryview(b"".join(data[start:end] for start, end in zip(starts, ends, strict=True)))
    return Image.frombuffer(mode, (width, height), pixels, "raw", mode, 0, 1)


def _tags(data: bytes, order: str) -> dict[int, tuple[int, ...]]:
    """Return the numbers of the tags of the only directory; KeyError where a tag that matters has another type."""
    (start,) = struct.unpack_from(order + "I", data, 4)
    (count,) = struct.unpack_from(order + "H", data, start)
    (following,) = struct.unpack_from(order + "I", data, start + 2 + 12 * count)
    if following:
        raise ValueError("several images")
    tags: dict[int, tuple[int, ...]] = {}
    for number in range(count):
        place = start + 2 + 12 * number
        tag, kind, values = struct.unpack_from(order + "HHI", data, place)
        if tag in tags:
            raise ValueError("a tag twice")
        if tag not in _NEEDED:
            tags[tag] = ()
            continue
        form = f"{order}{values if values <= _MOST_NUMBERS else _too_many(values)}{_FORMATS[kind]}"
        within = struct.calcsize(form) <= 4
        (far,) = struct.unpack_from(order + "I", data, place + 8)
        tags[tag] = struct.unpack_from(form, data, place + 8 if within else far)
    return tags


_NEEDED = frozenset(
    {_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _FILL_ORDER, _STRIPS, _ORIENTATION, _CHANNELS, _STRIP_BYTES}
    | {_PLANES, _EXTRA, _SAMPLE_FORMAT}
)


def _too_many(values: int) -> int:
    raise ValueError(f"{values} numbers in a tag")
