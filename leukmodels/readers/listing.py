"""What every reader hands back, and how readers look into folders. Nothing here opens an image."""

import csv
import os
import re
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from leukmodels.errors import DataError

CELL_SCHEMA = pa.schema(
    [("path", pa.string()), ("class_name", pa.string()), ("patient", pa.string()), ("part", pa.string())]
)
IMAGE_SUFFIXES = frozenset({"tif", "tiff", "bmp", "png", "jpg", "jpeg"})
FOREIGN_SUFFIXES = frozenset(
    {"gif", "webp", "avif", "heic", "heif", "jfif", "jpe", "jp2", "j2k", "dib", "tga", "ppm", "pgm", "pbm", "pnm"}
    | {"psd", "svs", "ndpi", "mrxs", "czi", "lif", "nd2", "dcm"}
)
FOREIGN = "of a format that is not read (TIFF, BMP, PNG and JPEG are)"
SHOWN = 10  # lines of one kind of problem before "and N more": a wrong folder can hold 80,000 of them

_DIGITS = re.compile(r"(\d+)")


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The images of a collection, before any of them is opened.

    `cells` has the columns of CELL_SCHEMA, one row an image, sorted by class, patient and image number. `path` is
    absolute; `part` is "test" for the collection's own locked test images and "" for those still to be split.
    """

    cells: pa.Table
    patient_level: bool  # False: the collection names no patients, every image stands as its own
    crop_px: int | None  # larger images are padding around a cell: centre-cropped to this before resizing
    black_background: bool  # exactly (0, 0, 0) around every cell
    notes: tuple[str, ...]  # sentences that the user should read


class Cell(NamedTuple):
    """One image that a reader found; `number` orders it among the images of its patient."""

    path: str
    class_name: str
    patient: str
    number: tuple[int | str, ...]
    part: str = ""


@dataclass(frozen=True, kw_only=True)
class Folder:
    """The names inside one folder, sorted, without the hidden ones (.DS_Store, ._image_1.tif, __MACOSX)."""

    path: str
    folders: tuple[str, ...]
    files: tuple[str, ...]

    @property
    def name(self) -> str:
        """Return the folder's own name."""
        return os.path.basename(self.path)  # noqa: PTH119  pathlib costs more than the scan itself over 80,000 files

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
        return f"{self.path.rstrip(os.sep)}{os.sep}{name}"


def scan(path: str) -> Folder:
    """Return what one folder holds, without a stat call for each file."""
    folders: list[str] = []
    files: list[str] = []
    with os.scandir(path) as entries:
        for entry in entries:
            if entry.name.startswith((".", "__")):
                continue
            if entry.is_dir():
                folders.append(entry.name)
            elif entry.is_file() or entry.is_symlink():  # a pipe would block its reader; a dead link is a bad image
                files.append(entry.name)
    return Folder(path=path, folders=tuple(sorted(folders)), files=tuple(sorted(files)))


def walk(root: Path, *, depth: int) -> Iterator[Folder]:
    """Yield `root` and the folders under it, level by level, `depth` levels down (a loop of links ends there)."""
    waiting = deque([(str(root), 0)])
    while waiting:
        path, level = waiting.popleft()
        folder = scan(path)
        yield folder
        if level < depth:
            waiting.extend((folder.child(name), level + 1) for name in folder.folders)


def find(root: Path, matches: Callable[[Folder], bool], *, depth: int) -> list[Folder]:
    """Return the folders that match on the highest level where any does; [] when none does `depth` levels down."""
    level = [scan(str(root))]
    for _ in range(depth):
        matched = [folder for folder in level if matches(folder)]
        if matched:
            return matched
        level = [scan(folder.child(name)) for folder in level for name in folder.folders]
    return [folder for folder in level if matches(folder)]


def natural_key(text: str) -> tuple[int | str, ...]:
    """Return a sort key that reads runs of digits as numbers: H2 before H10."""
    pieces = _DIGITS.split(text)
    return (*(int(piece) if place % 2 else piece for place, piece in enumerate(pieces)), text)


def tabulate(cells: Collection[Cell]) -> pa.Table:
    """Return the cells as a table in the order that Listing promises.

    Raises DataError when a name is not valid UTF-8, which no later file of a study could hold.
    """
    order = {patient: natural_key(patient) for patient in {cell.patient for cell in cells}}
    ordered = sorted(cells, key=lambda cell: (cell.class_name, order[cell.patient], cell.number, cell.path))
    columns = {name: [getattr(cell, name) for cell in ordered] for name in CELL_SCHEMA.names}
    try:
        return pa.table(columns, schema=CELL_SCHEMA)
    except UnicodeEncodeError:
        names = [ascii(cell.path) for cell in ordered if cell.path.encode(errors="replace").decode() != cell.path]
        raise DataError("Some names are not valid UTF-8; rename these files or folders.", shorten(names)) from None


def read_csv(path: str) -> list[dict[str, str]]:
    """Return the rows of a CSV file by lower-case column name; [] when it holds no table.

    Takes a byte-order mark, commas, semicolons or tabs between the columns, and bytes of another encoding.
    """
    text = Path(path).read_text(encoding="utf-8-sig", errors="replace")
    header = text.partition("\n")[0]
    delimiter = max(",;\t", key=header.count)
    try:
        names, *rows = csv.reader(text.splitlines(), delimiter=delimiter)
    except (csv.Error, ValueError):
        return []
    keys = [name.strip().lower() for name in names]
    return [{key: value.strip() for key, value in zip(keys, row, strict=False)} for row in rows if any(row)]


def shorten(lines: Sequence[str]) -> list[str]:
    """Return the first lines of one kind of problem, and how many more there are."""
    more = len(lines) - SHOWN
    return [*lines[:SHOWN], *([f"... and {more:,} more like this"] if more > 0 else [])]


def left_out(paths: Sequence[str], why: str) -> list[str]:
    """Return a note on the images that a reader does not take, with an example; [] where there are none."""
    return [f"Left out: {counted(len(paths), 'image')} {why}, e.g. {paths[0]}."] if paths else []


def counted(n: int, noun: str) -> str:
    """Return a number and its noun: "1 image", "12,034 images"."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def describe(root: Path) -> str:
    """Return in one sentence what a folder holds, for an error that says what was found instead."""
    top = scan(str(root))
    if not top.folders and not top.files:
        return f"Found: {root} is empty."
    names = [*(f"{name}/" for name in top.folders), *top.files]
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return f"Found in {root}: {', '.join(names[:SHOWN])}{more}."
