"""Files as a careless or malicious world leaves them in a collection, and what must become of each."""

import os
import socket
import struct
import zlib
from collections.abc import Callable
from contextlib import chdir
from io import BytesIO
from itertools import count, cycle
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from folders import draw_folder

PX = 20
_PNG = b"\x89PNG\r\n\x1a\n"
_seeds = count(1)


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


def png(
    width: int = PX, height: int = PX, *, bits: int = 8, colour: int = 2, before: bytes = b"", lines: bytes
) -> bytes:
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
    for tag, (kind, values, value) in sorted(tags.items()):
        entries += struct.pack("<HH", tag, kind) + size(values)
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
    return (
        head + struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, packing, len(data), 0, 0, 0, 0) + palette + data
    )


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


def contents() -> dict[str, tuple[bytes, str | None]]:
    """Return files of every kind by name: the bytes, and the reason that refuses them or None for those that are used.

    All that is used holds PX x PX pixels, which Pillow alone gives too.
    """
    rgb, number = noise, struct.Struct("<I").pack
    offsets, tiles = number(8) * 200_000, struct.pack("<Q", 26_000)
    exif = tiff(rgb().tobytes(), t34665=(4, 1, number(len(tiff(rgb().tobytes(), t34665=(4, 1, number(0)))))))
    nested = struct.pack("<HHHII", 1, 33434, 5, 1_000_000, len(exif) + 18) + bytes(4) + number(7) * 2_000_000
    profile = chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(2**20), 9))
    sixteen = (3, 3, struct.pack("<3H", 16, 16, 16))
    jpeg = encoded(draw(), "JPEG")
    runs = b"".join(bytes([PX // 2, line, PX // 2, 255 - line, 0, 0]) for line in range(PX))
    cases: dict[str, tuple[bytes, str | None]] = {
        "empty": (b"", "the file is empty"),
        "text": (b"Sorry, this download has expired.\n", "none of TIFF, BMP, PNG, JPEG"),
        "web page": (b"<!doctype html><title>404</title>", "none of TIFF, BMP, PNG, JPEG"),
        "text that starts as a TIFF": (b"II*\0 is how a TIFF starts", "none of TIFF, BMP, PNG, JPEG"),
        "zeros": (bytes(5000), "none of TIFF, BMP, PNG, JPEG"),
        "gif": (encoded(draw(), "GIF"), "none of TIFF, BMP, PNG, JPEG"),
        "webp": (encoded(draw(), "WEBP", lossless=True), "none of TIFF, BMP, PNG, JPEG"),
        **{f"{kind} by another name": (encoded(draw(), kind), None) for kind in ("BMP", "PNG", "JPEG")},
        **{f"tiff in {mode}": (encoded(draw(mode)), None) for mode in ("L", "LA", "P", "PA", "RGBA", "RGBX")},
        **{f"png in {mode}": (encoded(draw(mode), "PNG"), None) for mode in ("L", "LA", "P", "RGBA")},
        **{f"bmp in {mode}": (encoded(draw(mode), "BMP"), None) for mode in ("L", "P", "RGBA")},
        "grey jpeg": (encoded(draw("L"), "JPEG"), None),
        "progressive jpeg": (encoded(draw(), "JPEG", progressive=True), None),
        "jpeg with trailing text": (jpeg + b"and more", None),
        **{
            f"tiff in {packing}": (encoded(draw(), compression=packing), None)
            for packing in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg")
        },
        "bigtiff": (tiff(rgb().tobytes(), big=True), None),
        "tiff that turns": (tiff(rgb().tobytes(), t274=(3, 1, b"\6\0")), None),
        "tiff whose next directory is itself": (
            (loop := tiff(rgb().tobytes()))[: 10 + 12 * 8] + number(8) + loop[14 + 12 * 8 :],
            None,
        ),
        "tiff with a nested directory of 1,000,000 fractions": (exif + nested, None),
        "palette with transparency": (encoded(draw("P"), "PNG", transparency=bytes(range(200))), None),
        "palette of 4 bits": (encoded(draw().quantize(9), "PNG", bits=4), None),
        "run-length coded bmp": (bmp(PX, PX, runs, bits=8, packing=1), None),
        "16-bit grey png": (png(bits=16, colour=0, lines=lines(rgb(channels=2))), "16 bits or more a channel"),
        "16-bit png": (png(bits=16, lines=lines(rgb(channels=6))), "16 bits or more a channel"),
        "16-bit grey tiff": (
            encoded(Image.fromarray(rgb()[..., 0].astype(np.uint16) * 257)),
            "16-bit unsigned integers",
        ),
        "16-bit tiff": (tiff(rgb(channels=6).tobytes(), t258=sixteen), "16-bit unsigned integers"),
        "32-bit tiff": (encoded(draw("I")), "32-bit signed integers"),
        "float tiff": (encoded(draw("F")), "32-bit floating point numbers"),
        **{f"{mode} tiff": (encoded(draw(mode)), f"its colours are {mode}") for mode in ("CMYK", "YCbCr", "1")},
        "LAB tiff": (tiff(rgb().tobytes(), t262=(3, 1, b"\x08\0")), "its colours are LAB"),
        "CMYK jpeg": (encoded(draw("CMYK"), "JPEG"), "its colours are CMYK"),
        "1-bit png": (encoded(draw("1"), "PNG"), "its colours are 1"),
        "pages": (encoded(draw(), save_all=True, append_images=[draw()]), "several frames"),
        "moving png": (encoded(draw(), "PNG", save_all=True, append_images=[draw()]), "several frames"),
        "two jpegs in one": (encoded(draw(), "MPO", save_all=True, append_images=[draw()]), None),
        "black": (encoded(Image.new("RGB", (PX, PX))), "it is all black"),
        "black under alpha": (encoded(Image.new("RGBA", (PX, PX), (0, 0, 0, 9)), "PNG"), "it is all black"),
        "white": (encoded(Image.new("L", (PX, PX), 255), "BMP"), "all its pixels have one colour"),
        "bmp of 9,000 x 9,000": (bmp(9000, 9000, b""), "9,000 x 9,000 pixels, more than the ceiling"),
        "png of 9,000 x 9,000": (png(9000, 9000, lines=bytes(9)), "9,000 x 9,000 pixels, more than the ceiling"),
        "jpeg of 60,000 x 60,000": (
            jpeg[: (at := jpeg.index(b"\xff\xc0") + 5)] + b"\xea\x60" * 2 + jpeg[at + 4 :],
            "ex",
        ),
        "png of 4,000,000,000 x 4": (png(4_000_000_000, 4, lines=bytes(9)), "exceeds limit"),
        "tiff of 9,000 x 9,000": (tiff(t256=(4, 1, number(9000)), t257=(4, 1, number(9000))), "more than the ceiling"),
        "no pixels": (bmp(0, 0, b""), "none of TIFF|cannot be decoded"),
        "zlib bomb": (png(lines=bytes(2**27)), "it is all black"),
        "profile bomb": (png(before=chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(2**25), 9)), lines=b""), "too large"),
        "a thousand profiles": (png(before=profile * 1000, lines=lines(rgb())), "1,000 times the metadata iCCP"),
        "exif in 20 parts": (jpeg[:2] + segment(0xE1, b"Exif\0\0") * 20 + jpeg[2:], "20 times the metadata Exif"),
        "tile beyond the ceiling": (
            tiff(t273=None, t322=(4, 1, number(9000)), t323=(4, 1, number(9000)), t324=(4, 1, b"data")),
            "9,000 x 9,000 pixels, more than the ceiling",
        ),
        "tile of a size that only libtiff reads": (
            tiff(big=True, t273=None, t322=(17, 1, tiles), t323=(17, 1, tiles), t324=(4, 1, b"data")),
            "the size of its tiles is no number",
        ),
        "tile behind a tag that Pillow stops at": (
            tiff(t270=(1, 9, b"\xff\xff\xff\x7f"), t322=(4, 1, number(9000)), t323=(4, 1, number(9000))),
            "9,000 x 9,000 pixels, more than the ceiling",
        ),
        "tile of two sizes": (
            tiff(t322=(16, 1, struct.pack("<Q", 9000)), t323=(4, 1, number(9000))),
            "the size of its tiles is no number",
        ),
        "tile whose width is a text": (tiff(t322=(2, 4, b"aaa\0"), t323=(4, 1, number(2**31))), "is no number"),
        "200,000 strips": (tiff(t273=(4, 200_000, offsets), t278=(4, 1, number(1))), "hold 200,009 numbers"),
        "200,000 strips in bytes": (tiff(t273=(1, 200_000, bytes(200_000))), "hold 200,009 numbers"),
        "268,435,456 channels": (
            tiff(rgb().tobytes(), t277=(4, 1, number(2**28))),
            "a TIFF of a kind that is not read",
        ),
        "1,000 strips in one place": (
            tiff(
                bytes(300_000),
                t256=(4, 1, number(100_000)),
                t257=(4, 1, number(1000)),
                t273=(4, 1000, number(8) * 1000),
                t278=(4, 1, number(1)),
                t279=(4, 1000, number(300_000) * 1000),
            ),
            "100,000 x 1,000 pixels, more than the ceiling",
        ),
        "60,000 tags": (
            b"II*\0\x08\0\0\0" + struct.pack("<HHHII", 60_000, 9, 7, 700_000, 8) * 50_000,
            "numbers, more than",
        ),
        "jpeg of 2,000 passes": (progressive(4000, 2000), "in 2,001 passes, too many for 4,000 x 4,000"),
    }
    return cases | _truncated()


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path) -> None:
    with chdir(path.parent), socket.socket(socket.AF_UNIX) as listener:  # a socket's path must be short
        listener.bind(path.name)


def _sparse(path: Path) -> None:
    path.touch()
    os.truncate(path, 1_100_000_000)


def _linked(path: Path) -> None:
    target = path.parents[4] / "elsewhere.tif"
    target.write_bytes(encoded(draw()))
    path.symlink_to(target)


def _unreadable(path: Path) -> None:
    path.write_bytes(encoded(draw()))
    path.chmod(0)


PLACES: dict[str, tuple[Callable[[Path], None], str | None]] = {
    "pipe": (_pipe, "it is no regular file"),
    "socket": (_socket, "it is no regular file"),
    "device": (lambda path: path.symlink_to("/dev/zero"), "it is no regular file"),
    "dead link": (lambda path: path.symlink_to("nowhere"), r"cannot be read \(No such file or directory\)"),
    "link to itself": (lambda path: path.symlink_to(path), r"cannot be read \(Too many levels of symbolic links\)"),
    "link to an image": (_linked, None),
    "1.1 GB of nothing": (_sparse, "it has 1,100,000,000 bytes, more than the 272,000,000 allowed"),
    **({} if os.geteuid() == 0 else {"unreadable": (_unreadable, r"cannot be read \(Permission denied\)")}),
}
"""What no bytes can say: how to make each, and the reason as for `contents`."""


# Good by themselves, and no cells where all others have colours.
_GREY = frozenset({"tiff in L", "tiff in LA", "png in L", "png in LA", "bmp in L", "grey jpeg"})


class HostileFile(NamedTuple):
    """A hostile file in a collection; `reason` is what refuses it, None where it is used."""

    kind: str
    path: Path
    reason: str | None


def draw_hostile(root: Path) -> list[HostileFile]:
    """Write good images in the MLL layout and every hostile file among them; return the latter."""
    draw_folder(root)
    patients = cycle(sorted(root.glob("data/control/*")) + sorted(root.glob("data/RUNX1_RUNX1T1/*")))
    placed: list[HostileFile] = []
    for number, (kind, (data, reason)) in enumerate(contents().items(), 100):
        among_coloured = "it is grey among coloured images" if kind in _GREY else reason
        placed.append(HostileFile(kind, next(patients) / f"image_{number}.tif", among_coloured))
        placed[-1].path.write_bytes(data)
    for number, (kind, (make, reason)) in enumerate(PLACES.items(), 900):
        placed.append(HostileFile(kind, next(patients) / f"image_{number}.tif", reason))
        make(placed[-1].path)
    (root / "data" / "control" / "AAA" / "image_999.tif").mkdir()
    os.mkfifo(root / "metadata.csv")
    return placed
