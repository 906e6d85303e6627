"""Files that appear whole or not at all, and what is in them."""

import hashlib
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """Yield a path beside the given one to write to, and rename it there when the block ends without an error.

    The suffix stays, because writers choose a format by it. A process killed meanwhile leaves the old file as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # By process and at random: two machines that share a disk may give two processes one number.
    aside = path.with_name(f".{os.getpid()}-{uuid.uuid4().hex[:8]}-{path.name}")
    try:
        yield aside
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def digest(path: Path, kind: str = "sha256") -> str:
    """Return the digest of a file's content as hexadecimal digits; OSError where it cannot be read."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, kind).hexdigest()
