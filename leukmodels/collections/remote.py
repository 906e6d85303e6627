"""A collection in an object store, or wherever else pyarrow's filesystems reach.

S3 is tested, against a local server. Google's, Azure's and Hadoop's file systems are opened by the same code and only
their opening is tested, as no server of theirs runs in a test.

Credentials come from the environment of every process that reads (on a cluster: of every node), or from the machine
itself where its cloud gives it some. An S3 server of one's own is named in the address:
s3://bucket/key?endpoint_override=HOST:PORT&scheme=http. With region=NAME, too, S3 is not asked where the bucket lies.
"""

import copy
import errno
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import fs

from leukmodels.collections.place import NO_STAMP, STAMP, Folder, root_of
from leukmodels.errors import BadImageError, DataError

# Google's client would ask a server that is not there for a quarter of an hour.
_GOOGLE_RETRY_S = 10
_ASKED_AT_ONCE = 16  # pyarrow asks for one file after the other, most of the time waiting
_NS = 1_000_000_000

_OS_ERRORS = {
    FileNotFoundError: (errno.ENOENT, os.strerror(errno.ENOENT)),
    NotADirectoryError: (errno.ENOTDIR, os.strerror(errno.ENOTDIR)),
    PermissionError: (errno.EACCES, "Permission denied; are the credentials in the environment of every node?"),
}
_REMEDIES = (
    (
        r"ACCESS_DENIED|ACCESS_KEY|SIGNATURE|TOKEN|UNAUTHENTICATED|PERMISSION_DENIED|OAuth2|[Cc]redential",
        "Are the credentials in the environment, on every node? s3: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; gs: "
        "GOOGLE_APPLICATION_CREDENTIALS, or gs://anonymous@bucket for what everybody may read.",
    ),
    (r"NO_SUCH_BUCKET|NOT_FOUND", "Is the bucket's name spelt as on the server?"),
    (
        r"NETWORK_CONNECTION|UNAVAILABLE|resolve",
        "Does the server answer this machine? An S3 server of your own is named in the address: "
        "s3://bucket/key?endpoint_override=HOST:PORT&scheme=http. If it was away for a moment only, start again.",
    ),
    (r"Unexpected query", "A ? in a name is written %3F in an address."),
    (r"libjvm|libhdfs", "hdfs:// needs Java and Hadoop's libhdfs on every node."),
    (r"Unrecognized filesystem", "Give a folder, or an address that begins with s3://, gs://, hdfs:// or file://."),
)


def open_remote(address: str) -> "RemoteFolder":
    """Return the source of an address that `place.absolute_place` returned; DataError where it cannot be opened."""
    root = root_of(address)
    with _telling(root):
        filesystem, inside = fs.FileSystem.from_uri(_impatient(address))
        if isinstance(filesystem, fs.S3FileSystem):
            # What an address opens waits 99 s for a silent server, in 30 attempts; a copy gets the constructor's 3.
            filesystem = copy.copy(filesystem)
    return RemoteFolder(root=root, inside=inside.rstrip("/"), filesystem=filesystem)


@dataclass(frozen=True, kw_only=True, eq=False)
class RemoteFolder:
    """A Source behind an address.

    root         what every path begins with
    inside       what the file system calls the root
    filesystem   the open file system; it is pickled with its options, never with credentials
    """

    root: str
    inside: str
    filesystem: fs.FileSystem

    @property
    def local(self) -> bool:
        """Return False."""
        return False

    def scan(self, path: str) -> Folder:
        """Return what one folder holds. The first call lists all that is there; others answer from memory."""
        if path in self._listing.folders:
            return self._listing.folders[path]
        kind = NotADirectoryError if path in self._listing.stamps else FileNotFoundError
        raise _os_error(kind, path)

    def read(self, path: str, *, max_bytes: int) -> bytes:
        """Return a file's bytes; see Source.

        What may pass, as a server that is overloaded, is a DataError: it says nothing against the file.
        """
        with _telling(path), self.filesystem.open_input_file(self._inside(path)) as file:
            if (size := file.size()) > max_bytes:
                raise BadImageError(f"it has {size:,} bytes, more than the {max_bytes:,} allowed")
            data: bytes = file.read()
            return data

    def stamps(self, paths: Sequence[str]) -> npt.NDArray[np.int64]:
        """Return the stamp of each file: its size, and when it was written in whole seconds; see Source.

        They are those of the listing where there is one, so where `scan` was called; else, as in a worker, the server
        is asked for each file. A file written twice within a second at one size is not seen to have changed.
        """
        if "_listing" in vars(self):
            found = [self._listing.stamps.get(path, NO_STAMP) for path in paths]
        else:
            with _telling(self.root), ThreadPoolExecutor(_ASKED_AT_ONCE) as pool:
                found = [_stamp(info) for info in pool.map(self.filesystem.get_file_info, map(self._inside, paths))]
        return np.array(found, dtype=np.int64).reshape(-1, len(STAMP))

    def __getstate__(self) -> dict[str, Any]:
        """Leave the listing behind: workers are told what to read."""
        return {name: value for name, value in vars(self).items() if name != "_listing"}

    @cached_property
    def _listing(self) -> "Listed":
        with _telling(self.root):
            try:
                infos = self.filesystem.get_file_info(fs.FileSelector(self.inside or "/", recursive=True))
            except FileNotFoundError:
                itself = self.filesystem.get_file_info(self.inside or "/")
                kind = NotADirectoryError if itself.type == fs.FileType.File else FileNotFoundError
                raise _os_error(kind, self.root) from None
        return listed(infos, root=self.root, inside=self.inside)

    def _inside(self, path: str) -> str:
        return self.inside + path.removeprefix(self.root)


@dataclass(frozen=True, kw_only=True)
class Listed:
    """All that lies below a root: folders by path, and the stamps of files by path."""

    folders: dict[str, Folder]
    stamps: dict[str, tuple[int, int, int, int]]


def listed(infos: Iterable[fs.FileInfo], *, root: str, inside: str) -> Listed:
    """Return what a recursive listing of `inside` says, its paths beginning with `root`.

    Object stores have no folders: one exists as soon as a name goes through it, listed or not. Hidden names are left
    out, and names with an empty part ("a//b.tif"), which pyarrow lists and cannot read.
    """
    folders: dict[str, set[str]] = {root: set()}
    files: dict[str, list[str]] = {root: []}
    stamps: dict[str, tuple[int, int, int, int]] = {}

    def enter(path: str) -> None:
        if path not in folders:
            folders[path], files[path] = set(), []
            above, _, name = path.rpartition("/")
            enter(above)
            if not _hidden(name):
                folders[above].add(name)

    for info in infos:
        path = root + info.path.removeprefix(inside).rstrip("/")
        if path == root:
            continue
        if info.type == fs.FileType.Directory:
            enter(path)
            continue
        folder, _, name = path.rpartition("/")
        enter(folder)
        if not _hidden(name):
            files[folder].append(name)
            stamps[path] = _stamp(info)
    return Listed(
        folders={
            path: Folder(path=path, folders=tuple(sorted(below)), files=tuple(sorted(files[path])))
            for path, below in folders.items()
        },
        stamps=stamps,
    )


def _hidden(name: str) -> bool:
    return not name or name.startswith((".", "__"))


def _stamp(info: fs.FileInfo) -> tuple[int, int, int, int]:
    """Return STAMP, of which a store has size and time of writing.

    In seconds, as some servers tell a file's time finer in a listing than alone.
    """
    if info.type != fs.FileType.File or info.mtime_ns is None:
        return NO_STAMP
    return info.size, info.mtime_ns // _NS * _NS, 0, 0


def _impatient(address: str) -> str:
    if not address.startswith(("gs://", "gcs://")) or "retry_limit_seconds=" in address:
        return address
    return f"{address}{'&' if '?' in address else '?'}retry_limit_seconds={_GOOGLE_RETRY_S}"


@contextmanager
def _telling(what: str) -> Iterator[None]:
    """Turn what a file system raises into the OSError of one file, or a DataError where it concerns all of them."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError) as error:
        raise _os_error(type(error), what) from None
    except (OSError, pa.ArrowException) as error:
        said = str(error).strip().partition("\n")[0].partition(" (Request ID")[0]
        if re.search(r"ACCESS_DENIED during (Head|Get)Object ", said):  # one object may have rights of its own
            raise _os_error(PermissionError, what) from None
        remedies = [remedy for pattern, remedy in _REMEDIES if re.search(pattern, said)]
        raise DataError(f"{what} cannot be read.", [said, *remedies[:1]]) from error


def _os_error(kind: type[OSError], path: str) -> OSError:
    number, words = _OS_ERRORS[kind]
    return kind(number, words, path)
