"""What a file is that is none of the formats that are read, by its first bytes."""

from collections.abc import Iterator

_MAGIC = (
    (0, b"GIF8", "GIF"),
    (8, b"WEBP", "WebP"),
    (0, b"\xff\x0a", "JPEG XL"),
    (0, b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
    (0, b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
    (0, b"\xff\x4f\xff\x51", "JPEG 2000"),
    (0, b"II\xbc", "JPEG XR"),
    (0, b"8BPS", "Photoshop's format"),
    (0, b"%PDF", "PDF"),
    (0, b"v/1\x01", "OpenEXR"),
    (128, b"DICM", "DICOM"),
    (0, b"ZISRAWFILE", "Zeiss' CZI"),
    (0, b"\x89HDF", "HDF5"),
    (0, b"PK\x03\x04", "a ZIP archive"),
    (0, b"\x1f\x8b", "a gzip file"),
)
_BRANDS = (
    (b"avif", "AVIF"),
    (b"avis", "AVIF"),
    *((b"he" + end, "HEIC") for end in (b"ic", b"ix", b"im", b"is", b"vc")),
)
_JPEG_LS = 0xF7
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {_JPEG_LS}
_SCAN = 0xDA
_MOST_SEGMENTS = 10_000  # steps of ours through a file, whatever its bytes are


def foreign_format(data: bytes) -> str:
    """Return the name of the format, "" where it is not known or is one that is read."""
    if data[4:8] == b"ftyp":  # ISO base media: the major brand, then all that a reader may take the file for
        brands = data[8 : max(12, min(int.from_bytes(data[:4], "big"), 256))]
        return next((name for brand, name in _BRANDS if brand in brands), "")
    return next((name for at, magic, name in _MAGIC if data[at : at + len(magic)] == magic), "")


def jpeg_kind(data: bytes) -> str:
    """Return what keeps a JPEG from being read: JPEG-LS, or its bits; "" where nothing does."""
    for marker, start, _ in jpeg_segments(data):
        if marker == _JPEG_LS:
            return "JPEG-LS"
        if marker in _FRAMES:
            bits = data[start] if start < len(data) else 8
            return f"a JPEG of {bits} bits a channel" if bits != 8 else ""
    return ""


def jpeg_segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield marker, start and end of each segment before the first scan of a JPEG."""
    at = 2
    for _ in range(_MOST_SEGMENTS):
        if at + 4 > len(data) or data[at] != 0xFF:
            return
        marker = data[at + 1]
        if marker == 0xFF:  # filled up
            at += 1
            continue
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if marker == _SCAN or end < at + 4:
            return
        yield marker, at + 4, end
        at = end
