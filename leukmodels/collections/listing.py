"""What every reader hands back, and how readers look into a collection. Nothing here opens an image."""

import csv
import errno
import re
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import pyarrow as pa

from leukmodels.collections.place import Folder, Source
from leukmodels.errors import BadImageError, DataError
from leukmodels.process.words import plural

CELL_SCHEMA = pa.schema(
    [("path", pa.string()), ("class_name", pa.string()), ("patient", pa.string()), ("part", pa.string())]
)
FOREIGN = "of a format that is not read (TIFF, BMP, PNG and JPEG are)"
SHOWN = 10  # lines of one kind of problem before "and N more": a wrong folder can hold 80,000 of them

TABLE_BYTES = 1 << 26  # a table of a million images
_DIGITS = re.compile(r"(\d+)")


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The images of a collection, before any of them is opened.

    `cells` has the columns of CELL_SCHEMA, one row an image, sorted by class, patient and image number. `path` begins
    with the source's root; `part` is "train", "validation" or "test" for images that the collection puts there itself,
    its test locked, and "" for those still to be split.
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


def walk(source: Source, path: str, *, depth: int) -> Iterator[Folder]:
    """Yield the folder at `path` and the folders under it, level by level, `depth` levels down."""
    waiting = deque([(path, 0)])
    while waiting:
        path, level = waiting.popleft()
        folder = source.scan(path)
        yield folder
        if level < depth:
            waiting.extend((folder.child(name), level + 1) for name in folder.folders)


def find(source: Source, matches: Callable[[Folder], bool], *, depth: int) -> list[Folder]:
    """Return the folders that match on the highest level where any does; [] when none does `depth` levels down."""
    level = [source.scan(source.root)]
    for _ in range(depth):
        matched = [folder for folder in level if matches(folder)]
        if matched:
            return matched
        level = [source.scan(folder.child(name)) for folder in level for name in folder.folders]
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


def read_csv(source: Source, path: str) -> list[dict[str, str]]:
    """Return the rows of a CSV file by lower-case column name; [] when it holds no table.

    Takes a byte-order mark, commas, semicolons or tabs between the columns, and bytes of another encoding. OSError
    where the file cannot be read.
    """
    try:
        text = source.read(path, max_bytes=TABLE_BYTES).decode("utf-8-sig", errors="replace")
    except BadImageError as error:  # it is no image, but a pipe is no table either
        raise OSError(errno.EINVAL, str(error), path) from None
    header = text.partition("\n")[0]
    delimiter = max(",;\t", key=header.count)
    try:
        names, *rows = csv.reader(text.splitlines(), delimiter=delimiter)
    except (csv.Error, ValueError):
        return []
    keys = [name.strip().lower() for name in names]
    return [{key: value.strip() for key, value in zip(keys, row, strict=False)} for row in rows if any(row)]


def no_patients(why: str, remedy: str) -> str:
    """Return the loud word of a reader that found no patients: why, and what to do about it."""
    return (
        f"NO PATIENT IDS: {why}, so the split can only be by image. Cells of one patient will stand on both sides of "
        f"it, and every score will look better than it is for a new patient. To split by patient, {remedy}."
    )


def several_classes(cells: Collection[Cell]) -> list[str]:
    """Return a note on patients who have images of more than one class; [] where there are none."""
    classes: dict[str, set[str]] = defaultdict(set)
    for cell in cells:
        classes[cell.patient].add(cell.class_name)
    names = sorted((patient for patient, found in classes.items() if len(found) > 1), key=natural_key)
    if not names:
        return []
    return [
        f"{len(names):,} of {plural(len(classes), 'patient')} have images of several classes: "
        f"{', '.join(shorten(names))}. The same name is taken for the same person, whose images all go to one part of "
        "the split."
    ]


def own_parts(cells: Sequence[Cell]) -> tuple[list[Cell], list[str]]:
    """Return the cells with the parts that the collection gives them as a split can keep them, and a note on that.

    Where it has no validation or no test, that is split off of its training images, which then are of no part yet.
    """
    counts = Counter(cell.part for cell in cells if cell.part)
    if not counts:
        return list(cells), []
    lacking = [part for part in ("validation", "test") if not counts[part]]
    given = ", ".join(f"{part} {count:,}" for part, count in counts.items())
    note = f"The split is the collection's own: {given} images. Its test stays locked until a confirmation."
    if not lacking:
        return list(cells), [note]
    note = f"The split is the collection's own where it has one: {given} images. {' and '.join(lacking).capitalize()} "
    note += f"{'is' if len(lacking) == 1 else 'are'} not among its parts, and split off of its training images."
    return [cell._replace(part="") if cell.part == "train" else cell for cell in cells], [note]


def shorten(lines: Sequence[str]) -> list[str]:
    """Return the first lines of one kind of problem, and how many more there are."""
    more = len(lines) - SHOWN
    return [*lines[:SHOWN], *([f"... and {more:,} more like this"] if more > 0 else [])]


def left_out(paths: Sequence[str], why: str) -> list[str]:
    """Return a note on the images that a reader does not take, with an example; [] where there are none."""
    return [f"Left out: {plural(len(paths), 'image')} {why}, e.g. {paths[0]}."] if paths else []


def describe(source: Source) -> str:
    """Return in one sentence what a collection's top folder holds, for an error that says what was found instead."""
    top = source.scan(source.root)
    if not top.folders and not top.files:
        return f"Found: {source.root} is empty."
    names = [*(f"{name}/" for name in top.folders), *top.files]
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return f"Found in {source.root}: {', '.join(names[:SHOWN])}{more}."
