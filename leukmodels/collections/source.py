"""Opens the place where a collection lies, and reads it where that is a local folder."""

import errno
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from leukmodels.collections.place import NO_STAMP, STAMP, Folder, Source, absolute_place, is_uri
from leukmodels.collections.remote import open_remote
from leukmodels.errors import BadImageError, DataError

_PIECE_BYTES = 1 << 16  # asked for beyond the size that a file says it has
_LARGEST = 2**63 - 1
# Opening a pipe for reading would wait for its writer, and a terminal would become this process's own.
_WITHOUT_WAITING = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def open_source(place: str | Path) -> Source:
    """Return the source of a folder, or of an address that pyarrow's filesystems know: s3://, gs://, hdfs://, file://.

    A folder is not looked at yet. Raises DataError for a place that cannot be one, and where an address needs a server
    to be opened that does not answer.
    """
    try:
        absolute = absolute_place(place)
    except ValueError as error:  # the place is not repeated: it may hold a password
        raise DataError("This place of images cannot be used.", [f"{error}."]) from None
    return open_remote(absolute) if is_uri(absolute) else LocalFolder(root=absolute)


@dataclass(frozen=True, kw_only=True)
class LocalFolder:
    """A Source that is a folder of this machine's."""

    root: str

    @property
    def local(self) -> bool:
        """Return True."""
        return True

    def scan(self, path: str) -> Folder:
        """Return what one folder holds, without a stat call for each file.

        All that is no folder counts as a file, pipes and dead links too: reading says what is wrong with them. A link
        to a folder that holds the link is left out, as every walk would go round in it.
        """
        folders: list[str] = []
        files: list[str] = []
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.name.startswith((".", "__")):
                    continue
                if not _is_folder(entry):
                    files.append(entry.name)
                elif not (entry.is_symlink() and self._leads_back(entry.path)):
                    folders.append(entry.name)
        return Folder(path=path, folders=tuple(sorted(folders)), files=tuple(sorted(files)))

    def read(self, path: str, *, max_bytes: int) -> bytes:
        """Return a file's bytes; see Source."""
        try:
            file = os.open(path, _WITHOUT_WAITING)
        except OSError as error:
            if error.errno == errno.ENXIO:  # a socket
                raise BadImageError("it is no regular file") from None
            raise
        try:
            return _read(file, max_bytes)
        finally:
            os.close(file)

    def stamps(self, paths: Sequence[str]) -> npt.NDArray[np.int64]:
        """Return the stamp of each file; see Source.

        A file system that numbers its files anew at each mount (sshfs) has all of them read again, and nothing worse.
        """
        return np.array([_stamp(path) for path in paths], dtype=np.int64).reshape(-1, len(STAMP))

    def _leads_back(self, link: str) -> bool:
        target = Path(link).resolve()
        above = [Path(link).parent, *Path(link).parent.parents]
        return any(folder.resolve().is_relative_to(target) for folder in above if folder.is_relative_to(self.root))


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself, or to where this user may not look
        return False


def _read(file: int, max_bytes: int) -> bytes:
    status = os.fstat(file)
    if not stat.S_ISREG(status.st_mode):
        raise BadImageError("it is no regular file")
    pieces: list[bytes] = []
    size, wanted = 0, status.st_size
    while wanted <= max_bytes and (piece := os.read(file, wanted - size + _PIECE_BYTES)):
        pieces.append(piece)
        size += len(piece)
        wanted = max(wanted, size)  # it may still grow
    if wanted > max_bytes:
        raise BadImageError(f"it has {wanted:,} bytes, more than the {max_bytes:,} allowed")
    return b"".join(pieces)


def _stamp(path: str) -> tuple[int, int, int, int]:
    try:
        status = os.stat(path)  # noqa: PTH116  a Path for each of 80,000 files takes longer than the call
    except (OSError, ValueError):
        return NO_STAMP
    if not stat.S_ISREG(status.st_mode):
        return NO_STAMP
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino & _LARGEST


__all__ = ["LocalFolder", "Source", "open_source"]
