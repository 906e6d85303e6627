"""C-NMC 2019, doi 10.7937/tcia.2019.dc64i46r: cells on black, named `UID_<subject>_<image>_<cell>_<all|hem>.bmp`.

Training cells lie in `.../fold_<n>/{all,hem}/`, the preliminary test cells under numbers with a table of labels, the
final ones without labels. The preliminary test is kept as the locked test; the published folds are not used, because
identical images cross them: the subjects are split anew.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

from leukmodels.collections.listing import (
    FOREIGN,
    Cell,
    Listing,
    describe,
    left_out,
    read_csv,
    shorten,
    tabulate,
    walk,
)
from leukmodels.collections.place import Folder, Source
from leukmodels.collections.reader import Reader, ReadOptions
from leukmodels.errors import DataError
from leukmodels.process.words import plural

CLASSES = ("all", "hem")
LAYOUT = (
    "C-NMC_training_data/fold_<n>/{all,hem}/UID_<subject>_<image>_<cell>_<all|hem>.bmp and, for the test, "
    "C-NMC_test_prelim_phase_data/<n>.bmp with C-NMC_test_prelim_phase_data_labels.csv"
)
CROP_PX = 450  # the final phase is 600 px: the same cells with more black around them, never to be scaled down

_DEPTH = 6  # <mirror>/C-NMC_Leukemia/C-NMC_training_data/C-NMC_training_data/fold_0/all
_NAME = re.compile(r"UID_(H?\d+)_(\d+)_(\d+)_(all|hem)\.\w+", re.IGNORECASE)
_CLASS_OF_LABEL = {"1": "all", "0": "hem"}
_LABEL_COLUMNS = frozenset({"patient_id", "new_names", "labels"})


class _Name(NamedTuple):
    subject: str
    number: tuple[int, int]
    class_name: str


def looks_like(source: Source) -> bool:
    """Return whether training cells of this collection lie at or under the folder."""
    return any(
        folder.name.lower() in CLASSES and any(map(_parse, folder.images))
        for folder in walk(source, source.root, depth=_DEPTH)
    )


def read(source: Source, _: ReadOptions) -> Listing:
    """Return the labelled images of the collection; raise DataError with every problem of the folder."""
    root = source.root
    training: list[Folder] = []
    prelim: list[Folder] = []
    tables: list[str] = []
    notes: list[str] = []
    foreign: list[str] = []
    for folder in walk(source, root, depth=_DEPTH):
        tables += [folder.child(name) for name in folder.files if re.search(r"label.*\.csv$", name, re.IGNORECASE)]
        foreign += map(folder.child, folder.foreign)
        place = [root.rpartition("/")[2].lower(), *folder.path.removeprefix(root).lower().split("/")[1:]]
        if not folder.images:
            continue
        if place[-1] in CLASSES:
            training.append(folder)
        elif any("final_phase" in part or part == "testing_data" for part in place):
            notes.append(
                f"Left out: {plural(len(folder.images), 'image')} of the final test phase in {folder.path}, whose "
                "labels were never published."
            )
        elif any("prelim_phase" in part or part == "validation_data" for part in place):
            prelim.append(folder)
        else:
            notes.append(f"Left out: {plural(len(folder.images), 'image')} in {folder.path}, no place of the layout.")
    notes += left_out(foreign, FOREIGN)
    train_cells, problems = _training_cells(training)
    test_cells, test_problems = _test_cells(source, prelim, tables, notes)
    cells = train_cells + test_cells
    problems += test_problems + shorten(_two_classes(cells))
    if not train_cells and not problems:
        problems = [f"No training cell was found. Expected: {LAYOUT}.", describe(source)]
    if problems:
        raise DataError(f"{root} cannot be read as C-NMC 2019 (reader cnmc).", problems)
    return Listing(
        cells=tabulate(cells), patient_level=True, crop_px=CROP_PX, black_background=True, notes=tuple(notes)
    )


def _parse(name: str) -> _Name | None:
    """Return what a file's name says; one subject (h3) is written in lower case in the collection."""
    match = _NAME.fullmatch(name)
    return _Name(match[1].upper(), (int(match[2]), int(match[3])), match[4].lower()) if match else None


def _training_cells(folders: Sequence[Folder]) -> tuple[list[Cell], list[str]]:
    cells: list[Cell] = []
    unnamed: list[str] = []
    disagreeing: list[str] = []
    for folder in folders:
        for file in folder.images:
            name = _parse(file)
            if name is None:
                unnamed.append(f"{folder.child(file)} is not named UID_<subject>_<image>_<cell>_<all|hem>.")
            elif name.class_name != folder.name.lower():
                disagreeing.append(
                    f"{folder.child(file)} is {name.class_name} by its name and {folder.name} by its folder."
                )
            else:
                cells.append(Cell(folder.child(file), name.class_name, name.subject, name.number))
    return cells, [*shorten(unnamed), *shorten(disagreeing)]


def _test_cells(
    source: Source, folders: Sequence[Folder], tables: Sequence[str], notes: list[str]
) -> tuple[list[Cell], list[str]]:
    """Return the cells of the preliminary test phase with the labels that the table gives them."""
    if not folders:
        notes.append("The preliminary test phase is not here: test subjects are taken from the training subjects.")
        return [], []
    named, problems = _read_labels(source, tables)
    cells: list[Cell] = []
    nameless = Counter[str]()
    for folder in folders:
        for file in folder.images:
            name = named.get(PurePosixPath(file).stem)
            if name is None:
                nameless[folder.path] += 1
            else:
                cells.append(Cell(folder.child(file), name.class_name, name.subject, name.number, "test"))
    if not cells and not problems:
        problems = [
            f"{folders[0].path} holds test images that no table labels. Expected near them: "
            "C-NMC_test_prelim_phase_data_labels.csv with the columns Patient_ID, new_names and labels."
        ]
    notes += [f"Left out: {plural(n, 'image')} in {path} that no table labels." for path, n in nameless.items()]
    if len(named) > len(cells):
        notes.append(f"Of {plural(len(named), 'labelled test image')}, {len(named) - len(cells):,} are not here.")
    return cells, problems


def _read_labels(source: Source, tables: Sequence[str]) -> tuple[dict[str, _Name], list[str]]:
    """Return the original name of every renumbered test image, by its number, checked against its label.

    The column Patient_ID holds the original file name, whose suffix is the class; labels 1 = ALL, 0 = healthy. Both are
    compared for each row, so that exchanged labels cannot pass.
    """
    named: dict[str, _Name] = {}
    problems: list[str] = []
    for table in tables:
        for line, row in enumerate(read_csv(source, table), start=2):
            if not row.keys() >= _LABEL_COLUMNS:
                continue
            name, label, number = _parse(row["patient_id"]), row["labels"], PurePosixPath(row["new_names"]).stem
            if name is None:
                problems.append(f"{table}, line {line}: {row['patient_id']!r} is no original file name (UID_...).")
            elif label not in _CLASS_OF_LABEL:
                problems.append(f"{table}, line {line}: the label {label!r} is neither 1 (ALL) nor 0 (healthy).")
            elif _CLASS_OF_LABEL[label] != name.class_name:
                problems.append(
                    f"{table}, line {line}: label {label} means {_CLASS_OF_LABEL[label]}, but the original name "
                    f"{row['patient_id']} says {name.class_name}. Labels are 1 = ALL and 0 = healthy."
                )
            elif named.setdefault(number, name) != name:
                problems.append(f"{table}, line {line}: {row['new_names']} has a second original name.")
    return named, shorten(problems)


def _two_classes(cells: Sequence[Cell]) -> list[str]:
    classes: dict[str, set[str]] = defaultdict(set)
    for cell in cells:
        classes[cell.patient].add(cell.class_name)
    return [f"Subject {subject} has cells of both classes." for subject, names in classes.items() if len(names) > 1]


READER = Reader(
    name="cnmc",
    title="C-NMC 2019",
    layout=LAYOUT,
    classes=CLASSES,
    read=read,
    looks_like=looks_like,
    limits=(
        "One laboratory. Another stain or microscope was not seen.",
        "The cells were cut out beforehand and stand on black: nothing of the smear around them was seen, and how they "
        "were cut out is part of what the model knows.",
        "Children only, acute lymphoblastic leukemia only. In published work on these images the accuracy of a healthy "
        "subject's cells ranges from 0.26 to 1.",
    ),
    unit="subject",
    reference_standard="the class that the collection gives, the same for all cells of a subject",
)
