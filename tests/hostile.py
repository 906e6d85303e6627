"""Files as a careless or malicious world leaves them in a collection, and what must become of each."""

import os
import socket
import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from folders import draw_folder

PX = 20
_PNG = b"\x89PNG\r\n\x1a\n"
_seeds = iter(range(1, 10_000))


def noise(height: int = PX, width: int = PX, channels: int = 3) -> np.ndarray:
    """Return coloured noise that no other call returns: equal images would count as duplicates."""
    return np.random.default_rng(next(_seeds)).integers(0, 256, (height, width, channels), dtype=np.uint8)


def draw(mode: str = "RGB", px: int = PX) -> Image.Image:
    return Image.fromarray(noise(px, px)).convert(mode)


def encoded(image: Image.Image, kind: str = "TIFF", **options: Any) -> bytes:
    file = BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int = PX, height: int = PX, *, bits: int = 8, colour: int = 2, before: bytes = b"", lines: bytes) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))
    return _PNG + header + before + chunk(b"IDAT", zlib.compress(lines, 9)) + chunk(b"IEND", b"")


def lines(pixels: np.ndarray) -> bytes:
    return b"".join(b"\0" + line.tobytes() for line in pixels)


def segment(marker: int, data: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def tiff(data: bytes = b"", *, big: bool = False, **changes: tuple[int, int, bytes] | None) -> bytes:
    """Return a TIFF of one strip or tile; `t<tag>` gives a tag's type, count and bytes, None leaves it out."""
    long, size = struct.Struct("<I").pack, struct.Struct("<Q" if big else "<I").pack
    tags: dict[int, tuple[int, int, bytes]] = {
        256: (4, 1, long(PX)),
        257: (4, 1, long(PX)),
        258: (3, 3, struct.pack("<3H", 8, 8, 8)),
        262: (3, 1, b"\2\0"),
        273: (4, 1, b"data"),
        277: (3, 1, b"\3\0"),
        278: (4, 1, long(PX)),
        279: (4, 1, long(len(data))),
    }
    for name, change in changes.items():
        tags.pop(int(name[1:]), None)
        if change:
            tags[int(name[1:])] = change
    width = 8 if big else 4
    start = (16 + 8 if big else 8 + 2) + len(tags) * (12 + 2 * (width - 4)) + width
    entries = apart = b""
    end = start + sum(len(value) for _, _, value in tags.values() if len(value) > width)
    for tag, (kind, count, value) in sorted(tags.items()):
        entries += struct.pack("<HH", tag, kind) + size(count)
        if len(value) > width:
            entries += size(start + len(apart))
            apart += value
        else:
            entries += (long(end) if value == b"data" else value).ljust(width, b"\0")
    head = b"II+\0\x08\0\0\0" + size(16) + size(len(tags)) if big else b"II*\0" + size(8) + struct.pack("<H", len(tags))
    return head + entries + size(0) + apart + data


def bmp(width: int, height: int, data: bytes, *, bits: int = 24, packing: int = 0) -> bytes:
    palette = b"".join(bytes([level, 255 - level, level // 2, 0]) for level in range(256)) if bits == 8 else b""
    start = 54 + len(palette)
    head = b"BM" + struct.pack("<IHHI", start + len(data), 0, 0, start)
    return head + struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, packing, len(data), 0, 0, 0, 0) + palette + data


def progressive(px: int, scans: int) -> bytes:
    """Return a grey JPEG that draws its pixels so many times, each time in a hundred bytes or less."""
    blocks = (px // 8) ** 2
    tables = segment(0xC4, bytes([0, 1, *[0] * 15, 0])) + segment(0xC4, bytes([0x10, 1, 1, *[0] * 14, 0xE0, 0]))
    frame = segment(0xDB, bytes([0, *[1] * 64])) + segment(0xC2, struct.pack(">BHHBBBB", 8, px, px, 1, 1, 0x11, 0))
    first = segment(0xDA, bytes([1, 1, 0, 0, 0, 1])) + bytes(blocks // 8)
    again = segment(0xDA, bytes([1, 1, 0, 1, 63, 1])) + (b"\0\0" * (blocks // 2**14) or b"\xaa" * (blocks // 4))
    return b"\xff\xd8" + frame + tables + first + again * scans + b"\xff\xd9"


def _truncated() -> dict[str, tuple[bytes, str | None]]:
    """Return files of every format cut early, in the middle and just before their end."""
    files = {
        "tiff": encoded(draw()),
        "lzw": encoded(draw(), compression="tiff_lzw"),
        "bmp": encoded(draw(), "BMP"),
        "png": encoded(draw(), "PNG"),
        "jpeg": encoded(draw(px=60), "JPEG"),
    }
    found: dict[str, tuple[bytes, str | None]] = {}
    for name, data in files.items():
        found[f"{name} cut to its magic"] = data[:8], "none of TIFF, BMP, PNG, JPEG|cannot be decoded"
        found[f"{name} cut in its header"] = data[:30], "none of TIFF, BMP, PNG, JPEG|cannot be decoded"
        found[f"{name} cut in half"] = data[: len(data) // 2], "cannot be decoded|its header is damaged"
    for name in ("tiff", "bmp"):
        found[f"{name} without its last byte"] = files[name][:-1], "cannot be decoded"
    found["jpeg without its last kilobyte"] = files["jpeg"][:-1000], "cannot be decoded: image file is truncated"
    found["png without its end"] = files["png"][:-12], None  # all pixels are there
    return found
