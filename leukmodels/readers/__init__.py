"""Readers: the layout of a collection on disk -> a Listing of its images. None decodes one."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from leukmodels.errors import ConfigError, DataError
from leukmodels.readers import cnmc, folders, mll
from leukmodels.readers.listing import Listing


@dataclass(frozen=True, kw_only=True)
class Reader:
    """One layout: how to read it, how to recognise it, and its classes (None: whatever the folders are called)."""

    title: str
    read: Callable[[Path], Listing]
    looks_like: Callable[[Path], bool]
    layout: str
    classes: tuple[str, ...] | None


READERS = {
    "mll": Reader(title=mll.TITLE, read=mll.read, looks_like=mll.looks_like, layout=mll.LAYOUT, classes=mll.CLASSES),
    "cnmc": Reader(
        title=cnmc.TITLE, read=cnmc.read, looks_like=cnmc.looks_like, layout=cnmc.LAYOUT, classes=cnmc.CLASSES
    ),
    "folders": Reader(
        title=folders.TITLE, read=folders.read, looks_like=folders.looks_like, layout=folders.LAYOUT, classes=None
    ),
}


def read(reader: str, root: Path) -> Listing:
    """Return the images that a collection's folder holds, as its reader sees them.

    Their paths start with the resolved root. Raises DataError with all problems of the folder, ConfigError when there
    is no such reader.
    """
    if reader not in READERS:
        raise ConfigError("There is no such reader.", [f"{reader!r} is none of {', '.join(READERS)}."])
    root = root.expanduser().resolve()
    if not root.is_dir():
        state = "is a file" if root.exists() else "does not exist"
        raise DataError(f"{root} {state}.", [f"Expected: a folder with {READERS[reader].layout}."])
    try:
        return READERS[reader].read(root)
    except OSError as error:
        raise DataError(f"{root} cannot be read.", [str(error)]) from error
    except DataError as error:
        raise DataError(error.heading, [*error.problems, *_other_layouts(reader, root)]) from None


def _other_layouts(reader: str, root: Path) -> list[str]:
    """Return the advice to take another reader, where the folder has its layout and not that of the one taken.

    The layout `folders` fits so much that only the others are asked about it, and that it is advised last.
    """
    if reader != "folders" and READERS[reader].looks_like(root):
        return []
    for name, other in READERS.items():
        if name != reader and other.looks_like(root):
            return [f"This looks like {other.title} (reader {name}): {other.layout}. Take a task of that reader."]
    return []


__all__ = ["READERS", "Listing", "Reader", "read"]
