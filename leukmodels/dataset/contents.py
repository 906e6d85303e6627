"""What tells the bytes of image files apart: a hash that costs a fifth of SHA-256, and less than reading the file.

SHA-256, which people and other programs can check, stands only in lists that they read; a file that is listed is read
once more for it.
"""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from blake3 import blake3

from leukmodels.collections.source import Source
from leukmodels.errors import BadImageError, DataError

_FILE_BYTES = 1 << 30  # of an image that was read before
_READ_AT_ONCE = 8  # reading and hashing let other threads run


def content_of(data: bytes) -> str:
    """Return what stands for these bytes wherever contents are compared: their BLAKE3 hash, 64 hex digits."""
    return blake3(data).hexdigest()


def read_again(source: Source, path: str, content: str) -> bytes:
    """Return the bytes of a file whose content is known; DataError where they are others now."""
    try:
        data = source.read(path, max_bytes=_FILE_BYTES)
        if content_of(data) == content:
            return data
        problem = "its bytes have changed"
    except (OSError, BadImageError) as error:
        problem = str(error)
    raise DataError("A file changed while it was used; run the same command again.", [f"{path}: {problem}."])


def sha256_of(source: Source, paths: Sequence[str], contents: Sequence[str]) -> list[str]:
    """Return the SHA-256 of files in hex; "" where there is no content, so where the file could not be read.

    DataError where the bytes of a file are others now.
    """

    def one(path: str, content: str) -> str:
        return hashlib.sha256(read_again(source, path, content)).hexdigest() if content else ""

    with ThreadPoolExecutor(_READ_AT_ONCE) as pool:
        return list(pool.map(one, paths, contents))
