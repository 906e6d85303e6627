"""The plain BMP, opened at once: Pillow looks for a dozen older kinds, and reads the pixels in pieces.

Uncompressed, 24 bits a pixel, with one of Windows' headers. Every other file, damaged ones among them, is left to
Pillow, which then gives the image or the reason; a whole one comes out as from Pillow, byte for byte.
(Microsoft, Bitmap Storage: BITMAPFILEHEADER, BITMAPINFOHEADER, BITMAPV4HEADER, BITMAPV5HEADER.)
"""

import struct

from PIL import Image

_HEADER = struct.Struct("<2s8xIIiiHHI")  # magic, where the pixels are; header's size, width, height, planes, bits, kind
_INFO_SIZES = frozenset({40, 108, 124})


def open_plain(data: bytes) -> Image.Image | None:
    """Return the image of a plain BMP, None for any other file; it never takes more memory than the file."""
    if data[:2] != b"BM" or len(data) < _HEADER.size:
        return None
    _, start, info_size, width, height, planes, bits, compression = _HEADER.unpack_from(data)
    if info_size not in _INFO_SIZES or (planes, bits, compression) != (1, 24, 0) or width <= 0 or height == 0:
        return None
    line = (3 * width + 3) // 4 * 4
    if start < 14 + info_size or start + line * abs(height) > len(data):
        return None
    pixels = memoryview(data)[start:]
    return Image.frombuffer("RGB", (width, abs(height)), pixels, "raw", "BGR", line, -1 if height > 0 else 1)
