"""Files that appear whole or not at all, are still there after a power cut, and are for nobody else's eyes.

A rename alone keeps the first half of that: without an fsync ext4 and XFS may keep the new name and lose what was
written under it, so that after a power cut an empty file stands where a whole one was promised. So a file is synced
before it is renamed, and its folder after it, for the name is an entry of the folder. Both cost a few milliseconds;
what can be made again says ``durable=False`` and is spared them.
"""

import errno
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


# What file systems that cannot sync a folder (FUSE, SMB) answer; those keep entries in ways of their own.
_NO_FOLDER_SYNC = {errno.EINVAL, errno.ENOTSUP, errno.EBADF}


@contextmanager
def written_aside(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """Yield a path beside the given one to write to, and rename it there when the block ends without an error.

    The suffix stays, because writers choose a format by it. A process killed meanwhile leaves the old file as it was.
    When this returns, the file survives a power cut, unless ``durable`` is False: then an empty file may be left.
    """
    if durable:
        make_folder(path.parent)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
    # By process and at random: two machines that share a disk may give two processes one number.
    aside = path.with_name(f".{os.getpid()}-{uuid.uuid4().hex[:8]}-{path.name}")
    try:
        yield aside
        if durable:
            sync(aside)
        aside.replace(path)
        if durable:
            sync(path.parent)
    finally:
        aside.unlink(missing_ok=True)


def digest(path: Path, kind: str = "sha256") -> str:
    """Return the digest of a file's content as hexadecimal digits; OSError where it cannot be read."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, kind).hexdigest()


def make_folder(path: Path) -> None:
    """Make a folder and those above it that are missing; each of them survives a power cut."""
    missing = [each for each in (path, *path.parents) if not each.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for each in missing:
        sync(each.parent)


def sync(path: Path) -> None:
    """Have a file's content, or a folder's entries, written to the disk; OSError where that fails."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    except OSError as error:
        if not (path.is_dir() and error.errno in _NO_FOLDER_SYNC):
            raise
    finally:
        os.close(fd)
