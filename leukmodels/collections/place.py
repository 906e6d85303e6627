"""Places of images: how a place is named, and what every kind of place answers. Nothing here looks into one."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

import numpy as np
import numpy.typing as npt

IMAGE_SUFFIXES = frozenset({"tif", "tiff", "bmp", "png", "jpg", "jpeg"})
FOREIGN_SUFFIXES = frozenset(
    {"gif", "webp", "avif", "heic", "heif", "jfif", "jpe", "jp2", "j2k", "dib", "tga", "ppm", "pgm", "pbm", "pnm"}
    | {"psd", "svs", "ndpi", "mrxs", "czi", "lif", "nd2", "dcm"}
)

# Size in bytes; when the bytes, and when bytes, name or rights changed last, in ns; the file's number on its disk.
# Size and first time alone do not tell two files that were swapped by renaming.
STAMP = ("size", "mtime_ns", "ctime_ns", "inode")
NO_STAMP = (-1, -1, -1, -1)

_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_IN_BUCKETS = frozenset({"s3", "gs", "gcs", "abfs", "abfss"})
_AZURE = frozenset({"abfs", "abfss"})
_SECRET = re.compile(r"secret|token|passw|_key$|^sig$", re.IGNORECASE)
_STRAY_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_LEAVE_OUT = (
    "leave user, password and keys out of the address, which is written into the study; set them in the environment "
    "instead (s3: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, gs: GOOGLE_APPLICATION_CREDENTIALS)"
)


@dataclass(frozen=True, kw_only=True)
class Folder:
    """The names inside one folder, sorted, without the hidden ones (.DS_Store, ._image_1.tif, __MACOSX)."""

    path: str
    folders: tuple[str, ...]
    files: tuple[str, ...]

    @property
    def name(self) -> str:
        """Return the folder's own name."""
        return self.path.rpartition("/")[2]  # pathlib costs more than the scan itself over 80,000 files

    @property
    def images(self) -> tuple[str, ...]:
        """Return the names that end like an image of a format that is read, in any case."""
        return tuple(name for name in self.files if name.rpartition(".")[2].lower() in IMAGE_SUFFIXES)

    @property
    def foreign(self) -> tuple[str, ...]:
        """Return the names that end like an image of a format that is not read."""
        return tuple(name for name in self.files if name.rpartition(".")[2].lower() in FOREIGN_SUFFIXES)

    def child(self, name: str) -> str:
        """Return the path of a name inside the folder."""
        return f"{self.path.rstrip('/')}/{name}"


class Source(Protocol):
    """Where a collection lies. Workers on other nodes get it pickled and read the same files.

    Every path starts with `root`. A path is the name itself, never quoted as an address is ("a b#1.tif"), and holds
    neither credentials nor a query, so it can be shown and stored.
    """

    @property
    def root(self) -> str:
        """Return the resolved folder, or the address as `<scheme>://<bucket>/<key>`; no slash at its end."""

    @property
    def local(self) -> bool:
        """Return whether it is a folder that this machine sees."""

    def scan(self, path: str) -> Folder:
        """Return what one folder holds; FileNotFoundError, NotADirectoryError or another OSError where it is none."""

    def read(self, path: str, *, max_bytes: int) -> bytes:
        """Return a file's bytes.

        Raises BadImageError for what is no regular file and for more than `max_bytes`, OSError for a file that is gone
        or not to be read, and DataError where the whole place does not answer. Never waits for a pipe.
        """

    def stamps(self, paths: Sequence[str]) -> npt.NDArray[np.int64]:
        """Return STAMP of each file, int64 (n, 4): NO_STAMP where none can be seen, 0 for what the place does not have.

        No file is opened. A file whose stamp is what it was holds the same bytes.
        """


def is_uri(place: str | Path) -> bool:
    """Return whether a place is an address such as s3://bucket/key rather than a path."""
    return isinstance(place, str) and _URI.match(place) is not None


def absolute_place(place: str | Path) -> str:
    """Return the place as it is meant from any working folder: an address, or a resolved path.

    Raises ValueError, with a sentence, for an address that cannot be one and for one that holds credentials: those are
    never repeated. A file:// address becomes its path.
    """
    if not is_uri(place):
        if not os.fspath(place):
            raise ValueError("it is empty; give a folder or an address")
        try:
            return str(Path(place).expanduser().resolve())
        except RuntimeError as error:  # no such home, or links in a circle
            raise ValueError(str(error)) from None
    parts = _split(str(place))
    if parts.scheme == "file":
        if parts.netloc not in ("", "localhost") or parts.query:
            raise ValueError("an address of a local folder is file:///folder, without a host or a query")
        return str(Path(unquote(parts.path)).resolve())
    # Blanks and letters beyond ASCII may be written as they are; pyarrow takes them quoted only.
    path = quote(parts.path, safe="/%:@!$&'()*+,;=~")
    return f"{parts.scheme}://{parts.netloc}{path}{'?' if parts.query else ''}{parts.query}"


def root_of(address: str) -> str:
    """Return what an address is shown and stored as: without query and user, its names unquoted."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc.removeprefix('anonymous@')}{unquote(parts.path)}".rstrip("/")


def _split(address: str) -> SplitResult:
    try:
        parts = urlsplit(address)
        _ = parts.port  # raises where a password holds a slash, which would end the host
    except ValueError:
        raise ValueError(f"its host is none; {_LEAVE_OUT}") from None
    # Before the first @ stands a container in Azure, and "anonymous" for what everybody may read.
    named = parts.username not in (None, "anonymous") and parts.scheme not in _AZURE
    if named or parts.password is not None or any(_SECRET.search(name) for name, _ in parse_qsl(parts.query)):
        raise ValueError(_LEAVE_OUT)
    if parts.scheme in _IN_BUCKETS and not parts.hostname:
        raise ValueError("it names no bucket; give scheme://bucket/key")
    if parts.fragment or address.endswith("#") or _STRAY_PERCENT.search(parts.path):
        raise ValueError("in an address, write %23 for #, %3F for ? and %25 for % in a name")
    return parts
