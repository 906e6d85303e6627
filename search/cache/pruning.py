"""What lies in a cache, who may remove it, and when.

A cache has a CACHEDIR.TAG (bford.info/cachedir): backups leave it out, and nothing is ever removed from a folder
without ours. Its lock is shared by the drivers that use the cache and exclusive to who prunes it; the kernel frees it
when its holder dies.
"""

import contextlib
import os
import shlex
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from leukmodels.dataset.shards import count_rows
from leukmodels.errors import DataError, StudyError
from leukmodels.process.files import written_aside
from leukmodels.process.lock import lock

FILES = "files-v2"
_KNOWN_FILES = ("files", FILES)  # the first is of version 0.1 before it knew inodes; no longer read
STREAMS = "streams"
UNUSABLE = ".unusable.parquet"

Kind = Literal["policy", "stream", "files"]

_TAG = "CACHEDIR.TAG"
_TAG_TEXT = """Signature: 8a477f597d28d172789f06886806bc55
# This folder is a cache of prepared images: `python -m search.cache` shows and prunes it.
"""
_LOCK = "lock"
_DAY_S = 86_400.0
_READERS = 16


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A part of the cache, or what was removed of it.

    name         its folder, below the cache's
    kind         policy: prepared images; stream: those of one study, to be streamed; files: the contents of files
    files        how many there are of them, asides of writers included
    images       how many they hold; of `files`, how many image files are known
    bytes        on disk
    last_used    seconds since the epoch
    """

    name: str
    kind: Kind
    files: int
    images: int
    bytes: int
    last_used: float


class _File(NamedTuple):
    path: Path
    bytes: int
    last_used: float

    @property
    def aside(self) -> bool:
        """Whether it is being written, or was when its writer was killed."""
        return self.path.name.startswith(".")

    @property
    def shard(self) -> bool:
        """Whether it holds images, or what is known of files, and not why contents are unusable."""
        return not self.aside and not self.path.name.endswith(UNUSABLE)


def measure(cache: Path) -> list[Entry]:
    """Return what lies in a cache, [] where there is none; StudyError where the folder is something else."""
    if not _is_cache(cache):
        return []
    return [_entry(name, kind, files) for name, kind, _, files in _parts(cache) if files]


def prune(cache: Path, older_than_s: float | None) -> list[Entry]:
    """Remove what was not used for so many seconds, or all; return what was removed.

    Shards and what is known of files go one by one, streamed shards together, and the reasons of unusable contents with
    the last shard of their policy. What killed writers left goes after a day. StudyError while a driver uses the cache.
    """
    if not _is_cache(cache):
        return []
    removed = []
    with _alone(cache):
        for name, kind, folder, files in _parts(cache):
            gone = files if older_than_s is None else _unused(kind, files, time.time() - older_than_s)
            if gone:
                removed.append(_entry(name, kind, gone))
            for file in gone:
                file.path.unlink(missing_ok=True)
            _remove_if_empty(folder)
        _remove_if_empty(cache / STREAMS)
    return removed


@contextlib.contextmanager
def keeping_out_prune(cache: Path) -> Iterator[None]:
    """Hold the shared lock; StudyError where the folder cannot be a cache."""
    with contextlib.ExitStack() as held:
        with writing(cache):
            file = held.enter_context((cache / _LOCK).open("a"))
            lock(file, shared=True, wait=True)
        yield


@contextlib.contextmanager
def writing(cache: Path) -> Iterator[None]:
    """Make the folder a cache where it is new or empty; StudyError where it is not, or where it cannot be written."""
    try:
        if not _is_cache(cache):
            with written_aside(cache / _TAG, durable=False) as aside:
                aside.write_text(_TAG_TEXT, encoding="utf-8")
        yield
    except OSError as error:
        raise StudyError(
            f"The cache {cache} cannot be written ({error.strerror or error}). Make room, or name another folder with "
            f"--cache; `python -m search.cache --cache {shlex.quote(str(cache))}` shows what lies in this one."
        ) from error


@contextlib.contextmanager
def _alone(cache: Path) -> Iterator[None]:
    with writing(cache), (cache / _LOCK).open("a") as file:
        if not lock(file):
            raise StudyError(
                f"The cache {cache} is in use, so nothing was removed. Wait until the searches that use it have ended, "
                "or stop them first (Ctrl-C, or `ray job stop`); `python -m search.status` shows which are running."
            )
        yield


def _is_cache(folder: Path) -> bool:
    """Return whether a folder is a cache, False where it can become one; StudyError where it holds other things."""
    try:
        names = sorted(path.name for path in folder.iterdir())
    except FileNotFoundError:
        return False
    except OSError as error:
        raise StudyError(f"The cache {folder} cannot be read ({error.strerror}). Name a folder with --cache.") from None
    # Looked for after the names were listed: whoever fills a new cache has tagged it before.
    with contextlib.suppress(OSError, UnicodeDecodeError):
        if (folder / _TAG).read_text(encoding="utf-8") == _TAG_TEXT:
            return True
    if others := [name for name in names if not name.startswith(".") and name != _LOCK]:
        raise StudyError(
            f"{folder} is no cache of prepared images, it holds other things ({', '.join(others[:3])}). "
            "Name a new or an empty folder with --cache."
        )
    return False


def _parts(cache: Path) -> list[tuple[str, Kind, Path, list[_File]]]:
    """Return name, kind, folder and files of every part, as Entry orders them."""
    policies = [path for path in _folders(cache) if path.name not in (*_KNOWN_FILES, STREAMS)]
    named: list[tuple[str, Kind, Path]] = [
        *((path.name, "policy", path) for path in policies),
        *((f"{STREAMS}/{path.name}", "stream", path) for path in _folders(cache / STREAMS)),
        *((name, "files", cache / name) for name in _KNOWN_FILES),
    ]
    return [(*part, _files(part[2])) for part in named]


def _folders(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_dir() and not path.is_symlink())
    except FileNotFoundError:
        return []


def _files(folder: Path) -> list[_File]:
    files = []
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):  # an aside that was renamed meanwhile
                if entry.is_file(follow_symlinks=False):
                    found = entry.stat(follow_symlinks=False)
                    files.append(_File(Path(entry.path), found.st_size, found.st_mtime))
    return files


def _entry(name: str, kind: Kind, files: Sequence[_File]) -> Entry:
    with ThreadPoolExecutor(_READERS) as pool:
        images = sum(pool.map(_rows, [file.path for file in files if file.shard]))
    return Entry(
        name=name,
        kind=kind,
        files=len(files),
        images=images,
        bytes=sum(file.bytes for file in files),
        last_used=max(file.last_used for file in files),
    )


def _rows(path: Path) -> int:
    try:
        return count_rows(path)
    except (DataError, OSError):
        return 0


def _unused(kind: Kind, files: Sequence[_File], since: float) -> list[_File]:
    """Return which files of a part go when those go that were last used before ``since``."""
    strays = [file for file in files if file.aside and file.last_used < time.time() - _DAY_S]
    shards = [file for file in files if file.shard]
    old = [file for file in shards if file.last_used < since]
    if kind == "stream" and len(old) < len(shards):
        return strays  # a stream with a hole is no stream
    if len(old) < len(shards):
        return [*old, *strays]
    reasons = [file for file in files if not file.aside and not file.shard and file.last_used < since]
    return [*old, *reasons, *strays]


def _remove_if_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):
        folder.rmdir()
