"""What kind of TIFF a file is, by its own tags, and the reason where that kind is not read.

Pillow's mode hides what a sample is: planar 16-bit RGB opens as RGB and comes out as garbage, signed 8-bit grey wraps.
So the tags BitsPerSample, SampleFormat, Compression, ExtraSamples and ColorMap decide (TIFF revision 6.0; BigTIFF).
They are read here and not from Pillow: of tags that are damaged, doubled or of rare types, libtiff sees others.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from leukmodels.errors import BadImageError

_BITS, _COMPRESSION, _PHOTOMETRIC, _COLOUR_MAP, _EXTRA, _FORMAT = 258, 259, 262, 320, 338, 339
_STRIP_OFFSETS, _TILE_WIDTH, _TILE_LENGTH, _TILE_OFFSETS = 273, 322, 323, 324
_BYTE, _TEXT, _SHORT, _LONG, _UNDEFINED, _LONG8 = 1, 2, 3, 4, 7, 16  # types of a TIFF's tags
_LETTERS = {_BYTE: "B", _UNDEFINED: "B", _SHORT: "H", _LONG: "I", _LONG8: "Q"}
_GREY, _PALETTE, _ASSOCIATED = (0, 1), 3, 1

_MOST_NUMBERS = 1 << 17  # in all tags: Pillow makes a Python object of each, 5 us and 230 bytes for a strip
_FEW = 3 * 256  # numbers of one tag that are looked at: a colour map of 8 bits
_FORMATS = {1: "unsigned integers", 2: "signed integers", 3: "floating point numbers", 4: "undefined samples"}
_READ = {1: "none", 2: "CCITT", 3: "CCITT T.4", 4: "CCITT T.6", 5: "LZW", 6: "JPEG (old)", 7: "JPEG", 8: "Deflate"} | {
    32771: "CCITT RLEW",
    32773: "PackBits",
    32946: "Deflate",
    34925: "LZMA",
    50000: "Zstandard",
}
_NOT_READ = {
    22610: "JPEG XR",
    32809: "ThunderScan",
    33003: "JPEG 2000",
    33004: "JPEG 2000",
    33005: "JPEG 2000",
    34661: "JBIG",
    34712: "JPEG 2000",
    34715: "JBIG2",
    34887: "LERC",
    34892: "lossy JPEG",
    34933: "PNG",
    34934: "JPEG XR",
    48124: "Jetraw",
    50001: "WebP",
    50002: "JPEG XL",
    52546: "JPEG XL",
}


@dataclass(frozen=True, kw_only=True)
class Directory:
    """The first directory of a TIFF as it lies in the file: tag, type, count and the four or eight bytes of the value.

    order is struct's letter of the byte order, big whether the file is a BigTIFF.
    """

    data: bytes
    order: str
    big: bool
    entries: tuple[tuple[int, int, int, bytes], ...]

    def numbers(self, tag: int) -> tuple[int, ...]:
        """Return the first numbers of a tag, of all its entries where it stands there twice; () where it is absent."""
        return tuple(
            number
            for found, kind, count, value in self.entries
            if found == tag and kind in _LETTERS
            for number in self._unpacked(_LETTERS[kind], min(count, _FEW), count, value)
        )

    def _unpacked(self, letter: str, few: int, count: int, value: bytes) -> tuple[int, ...]:
        form = f"{self.order}{few}{letter}"
        if count * struct.calcsize(f"={letter}") <= len(value):
            return struct.unpack_from(form, value)
        (start,) = struct.unpack(self.order + ("Q" if self.big else "I"), value)
        return struct.unpack_from(form, self.data, start)


def is_tiff(data: bytes) -> bool:
    """Return whether a file starts as a TIFF or BigTIFF does."""
    return data[:2] in (b"II", b"MM") and data[2:4] in (b"*\0", b"\0*", b"+\0", b"\0+")


def read_directory(data: bytes) -> Directory:
    """Return the first directory of a TIFF, as many whole entries as the file holds.

    struct.error or OverflowError where the file ends before it.
    """
    order, big = "<" if data.startswith(b"II") else ">", b"+" in data[2:4]
    (start,) = struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)
    (count,) = struct.unpack_from(order + ("Q" if big else "H"), data, start)
    start += 8 if big else 2
    entry = struct.Struct(order + ("HHQ8s" if big else "HHI4s"))
    whole = min(count, max(0, len(data) - start) // entry.size)
    entries = entry.iter_unpack(memoryview(data)[start : start + whole * entry.size])
    return Directory(data=data, order=order, big=big, entries=tuple(entries))


def refuse_unread(directory: Directory) -> None:
    """Raise BadImageError, with the reason, for samples and packings that are not read as they are meant."""
    bits, formats = directory.numbers(_BITS), directory.numbers(_FORMAT)
    kind = describe(directory)
    if max(bits, default=1) > 8 or set(formats) - {1}:
        raise BadImageError(f"it is a TIFF of {kind}; convert it to 8-bit unsigned integers")
    if unread := set(directory.numbers(_COMPRESSION)) - _READ.keys():
        names = {_NOT_READ.get(number, f"of the number {number}") for number in unread}
        raise BadImageError(
            f"it is a TIFF whose compression, {' and '.join(sorted(names))}, is not read ({kind}); save it with LZW or "
            "Deflate, or without compression"
        )
    photometric = directory.numbers(_PHOTOMETRIC)[:1]
    if photometric and photometric[0] in _GREY and _ASSOCIATED in directory.numbers(_EXTRA):
        raise BadImageError(f"it is grey with associated alpha (a TIFF of {kind}); save it without alpha")
    colours = directory.numbers(_COLOUR_MAP)
    if photometric == (_PALETTE,) and 0 < max(colours, default=0) < 256:
        raise BadImageError("its palette holds 8-bit colours, where a TIFF has 16-bit ones; convert it to RGB")


def refuse_costly(directory: Directory, max_pixels: int) -> None:
    """Raise BadImageError for too many numbers, and for large tiles, decoded whole however small the image is."""
    numbers = 0
    sides = {_TILE_WIDTH: 0, _TILE_LENGTH: 0}
    for tag, kind, values, value in directory.entries:
        if kind not in (_BYTE, _TEXT, _UNDEFINED) or tag in (_STRIP_OFFSETS, _TILE_OFFSETS):
            numbers += values
        if tag in sides:
            letter = {_SHORT: "H", _LONG: "I", **({_LONG8: "Q"} if directory.big else {})}.get(kind)
            if letter is None or values != 1:
                raise BadImageError("the size of its tiles is no number")
            sides[tag] = max(sides[tag], *struct.unpack_from(directory.order + letter, value))
    if numbers > _MOST_NUMBERS:
        raise BadImageError(f"its tags hold {numbers:,} numbers, more than {_MOST_NUMBERS:,}, or its header is damaged")
    width, length = sides[_TILE_WIDTH], sides[_TILE_LENGTH]
    if width * length > max_pixels:
        raise BadImageError(f"it has tiles of {width:,} x {length:,} pixels, more than the ceiling of {max_pixels:,}")


def describe(directory: Directory) -> str:
    """Return bits, sample format and compression in words, "" where the file says neither bits nor compression."""
    return ", ".join(_kind(directory))


def _kind(directory: Directory) -> Iterator[str]:
    bits, compression = directory.numbers(_BITS), directory.numbers(_COMPRESSION)
    if bits:
        each = "/".join(map(str, sorted(set(bits[:5]))))
        formats = sorted(set(directory.numbers(_FORMAT)[:5] or (1,)))
        yield f"{each}-bit {' and '.join(_FORMATS.get(number, f'samples of format {number}') for number in formats)}"
    if compression:
        names = _READ | _NOT_READ
        yield f"compression {names.get(compression[0], f'number {compression[0]}')}"
