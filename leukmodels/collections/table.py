"""A table that lies beside the images: CSV or Parquet with the columns image, label, patient and part.

What folders cannot say: labels in names of files (ALL-IDB), patients in a list, several kinds of images in one folder.
``image`` is a path below the folder, or a file's name where only one file has it; ``label`` is the class; ``patient``
and ``part`` (train, validation, test) may be left out. Other columns are left alone.
"""

import io
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from leukmodels.collections.listing import (
    TABLE_BYTES,
    Cell,
    Listing,
    describe,
    natural_key,
    no_patients,
    own_parts,
    read_csv,
    several_classes,
    shorten,
    tabulate,
    walk,
)
from leukmodels.collections.names import PART_OF_WORD
from leukmodels.collections.place import Source
from leukmodels.collections.reader import UNKNOWN_ORIGIN, Reader, ReadOptions
from leukmodels.errors import BadImageError, DataError
from leukmodels.process.words import plural

LAYOUT = "a CSV or Parquet file with the columns image, label and patient (and perhaps part), and the images below it"
NO_PATIENTS = no_patients(
    "the table has no column patient", "add that column, with a name for each patient, the same under every label"
)
_DEPTH = 6
_NEEDED = ("image", "label")
_TABLE = re.compile(r".+\.(?:csv|tsv|parquet)", re.IGNORECASE)

Row = Mapping[str, str]


def looks_like(source: Source) -> bool:
    """Return whether a table with the columns image and label lies in the folder."""
    return bool(_tables(source)[0])


def read(source: Source, _: ReadOptions) -> Listing:
    """Return the images that the table names, each in its class; raise DataError with every problem.

    An image that is named and not there is listed all the same, so that it is accounted for as one that cannot be read.
    """
    heading = f"{source.root} cannot be read as images with a table (reader table)."
    tables, others = _tables(source)
    if len(tables) != 1:
        names = ", ".join(tables)
        raise DataError(
            heading,
            [f"{source.root} holds {len(tables)} such tables, {names}. Leave one of them there."]
            if tables
            else [f"Expected: {LAYOUT}.", *others, describe(source)],
        )
    ((name, rows),) = tables.items()
    cells, missing, problems = _cells(source, name, rows)
    if missing and len(missing) == len(rows):
        problems.append(f"None of the images that {name} names is here. {describe(source)}")
    problems += _disagreements(name, cells)
    if problems:
        raise DataError(heading, problems)
    patients = "patient" in rows[0]
    notes = several_classes(cells) if patients else [NO_PATIENTS]
    if missing:
        notes.append(f"{plural(len(missing), 'image')} that {name} names are not here, e.g. {missing[0]}.")
    cells, said = own_parts(cells)
    return Listing(
        cells=tabulate(cells), patient_level=patients, crop_px=None, black_background=False, notes=(*notes, *said)
    )


def _tables(source: Source) -> tuple[dict[str, list[dict[str, str]]], list[str]]:
    """Return the rows of the tables that name images and labels, and what other tables there are, in sentences."""
    tables: dict[str, list[dict[str, str]]] = {}
    others: list[str] = []
    top = source.scan(source.root)
    for name in top.files:
        if not _TABLE.fullmatch(name):
            continue
        try:
            rows = _rows(source, top.child(name))
        except (OSError, BadImageError, pa.ArrowException) as error:
            others.append(f"{name} cannot be read ({error}).")
            continue
        if rows and all(column in rows[0] for column in _NEEDED):
            tables[name] = rows
        else:
            columns = f"the columns {', '.join(map(repr, rows[0]))}" if rows else "no rows"
            others.append(f"{name} has {columns}; image and label are needed.")
    return tables, others


def _rows(source: Source, path: str) -> list[dict[str, str]]:
    if not path.lower().endswith(".parquet"):
        return read_csv(source, path)
    table = pq.read_table(io.BytesIO(source.read(path, max_bytes=TABLE_BYTES)))
    columns = {name.strip().lower(): map(_text, table[name].to_pylist()) for name in table.column_names}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _text(value: object) -> str:
    """Return a value as a CSV has it: 1 for 1.0, which a column of numbers becomes where one is missing."""
    if value is None or value != value:  # NaN
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()


def _cells(source: Source, table: str, rows: Sequence[Row]) -> tuple[list[Cell], list[str], list[str]]:
    """Return the cells of the rows, the images that are not there, and what is wrong with rows."""
    root = source.root
    folders = list(walk(source, root, depth=_DEPTH))
    paths = {folder.child(name).removeprefix(f"{root}/") for folder in folders for name in folder.files}
    named: dict[str, list[str]] = defaultdict(list)
    for path in sorted(paths):
        named[path.rpartition("/")[2]].append(path)
    cells: list[Cell] = []
    missing: list[str] = []
    wrong: dict[str, list[str]] = defaultdict(list)
    for line, row in enumerate(rows, start=2):
        where, image = f"{table}, line {line}", row["image"].replace("\\", "/").removeprefix("./")
        part = row.get("part", "").lower()
        if not image or not row["label"] or row.get("patient") == "":
            blank = ", ".join(key for key in (*_NEEDED, "patient") if row.get(key, " ") == "")
            wrong["blank"].append(f"{where}: {blank} is blank.")
        elif image.startswith("/") or ".." in image.split("/"):
            wrong["outside"].append(f"{where}: {image!r} is no path below {root}.")
        elif part and part not in PART_OF_WORD:
            wrong["part"].append(f"{where}: the part {row['part']!r} is none of train, validation and test.")
        elif image not in paths and len(places := named.get(image, [])) > 1:
            wrong["several"].append(f"{where}: {image} is the name of several files, {', '.join(places[:2])}.")
        else:
            found = image if image in paths else next(iter(named.get(image, [])), "")
            if not found:
                missing.append(image)
            path = f"{root}/{found or image}"
            patient = row.get("patient") or (found or image)
            cells.append(Cell(path, row["label"], patient, natural_key(image), PART_OF_WORD.get(part, "")))
    return cells, missing, [problem for kind in wrong.values() for problem in shorten(kind)]


def _disagreements(table: str, cells: Sequence[Cell]) -> list[str]:
    """Return images that stand in several rows, and patients in several parts."""
    lines: dict[str, int] = defaultdict(int)
    parts: dict[str, set[str]] = defaultdict(set)
    for cell in cells:
        lines[cell.path] += 1
        parts[cell.patient].add(cell.part or "no part")
    twice = [f"{path} stands in {n} rows of {table}." for path, n in lines.items() if n > 1]
    split = [
        f"The patient {patient} is in {' and '.join(sorted(found))}; all images of a patient belong into one part."
        for patient, found in parts.items()
        if len(found) > 1
    ]
    return [*shorten(twice), *shorten(split)]


READER = Reader(
    name="table",
    title="images with a table",
    layout=LAYOUT,
    classes=None,
    read=read,
    looks_like=looks_like,
    limits=(UNKNOWN_ORIGIN,),
    reference_standard="the label that the table gives",
)
