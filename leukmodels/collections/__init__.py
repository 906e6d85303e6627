"""Readers: the layout of a collection, wherever it lies -> a Listing of its images. None decodes one."""

from pathlib import Path

from leukmodels.collections import cnmc, folders, mll, table
from leukmodels.collections.listing import Listing
from leukmodels.collections.reader import Reader, ReadOptions
from leukmodels.collections.source import Source, open_source
from leukmodels.errors import ConfigError, DataError
from leukmodels.process.parts import registered

# To add one, name its READER here, or in an entry point of this group in a package of your own.
READERS = registered("leukemia_search.readers", [mll.READER, cnmc.READER, table.READER, folders.READER])


def read(reader: str, place: str | Path | Source, options: ReadOptions | None = None) -> Listing:
    """Return the images that a collection holds, as its reader sees them.

    `place` is a folder, an address (s3://bucket/key) or an open source; paths start with the source's root. `options`
    is what a task says of it (`Task.read_options`). Raises DataError with all problems of the place, ConfigError when
    there is no such reader.
    """
    if reader not in READERS:
        raise ConfigError("There is no such reader.", [f"{reader!r} is none of {', '.join(READERS)}."])
    source = open_source(place) if isinstance(place, (str, Path)) else place
    _refuse_missing(source, READERS[reader].layout)
    try:
        return READERS[reader].read(source, options or ReadOptions())
    except OSError as error:
        raise DataError(f"{source.root} cannot be read.", [str(error)]) from error
    except DataError as error:
        raise DataError(error.heading, [*error.problems, *_other_layouts(reader, source)]) from None


def _refuse_missing(source: Source, layout: str) -> None:
    try:
        source.scan(source.root)
    except (FileNotFoundError, NotADirectoryError) as error:
        state = "is a file" if isinstance(error, NotADirectoryError) else "does not exist"
        raise DataError(f"{source.root} {state}.", [f"Expected: a folder with {layout}."]) from None
    except OSError as error:
        raise DataError(f"{source.root} cannot be read.", [str(error)]) from error


def _other_layouts(reader: str, source: Source) -> list[str]:
    """Return the advice to take another reader, where the folder has its layout and not that of the one taken.

    The layout `folders` fits so much that only the others are asked about it, and that it is advised last.
    """
    if reader != "folders" and _looks_like(READERS[reader], source):
        return []
    for name, other in READERS.items():
        if name != reader and _looks_like(other, source):
            return [f"This looks like {other.title} (reader {name}): {other.layout}. Take a task of that reader."]
    return []


def _looks_like(reader: Reader, source: Source) -> bool:
    try:
        return reader.looks_like(source)
    except OSError:  # a folder that no reader can look into is no layout's
        return False


__all__ = ["READERS", "Listing", "ReadOptions", "Reader", "read"]
