"""Files that appear whole or not at all, for nobody's eyes but those they are meant for, and what is in them."""

import hashlib
import os
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

GroupAccess = Literal["none", "read", "write"]

# What is taken from the files and folders that a process makes. Others than the group never get anything.
_MASKS: Mapping[GroupAccess, int] = {"none": 0o077, "read": 0o027, "write": 0o007}


@contextmanager
def group_access(access: GroupAccess) -> Iterator[None]:
    """Have what this process and its children make be for its user alone, or for the group too, while the block runs.

    Files then have the mode 0600, 0640 or 0660, folders 0700, 0750 or 0770. What is there already stays as it is.
    The mask of the process does it, so that what libraries write is kept in, too.
    """
    before = os.umask(_MASKS[access])
    try:
        yield
    finally:
        os.umask(before)


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
