"""AML-Cytomorphology_MLL_Helmholtz: `[data/]<bag_label>/<PATIENT>/image_<k>.tif`, doi 10.7937/6ppe-4020."""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence

from leukmodels.collections.listing import (
    Cell,
    Listing,
    describe,
    find,
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

CLASSES = ("CBFB_MYH11", "NPM1", "PML_RARA", "RUNX1_RUNX1T1", "control")
LAYOUT = f"<class>/<PATIENT>/image_<k>.tif, under data/ or not, with the classes {', '.join(CLASSES)}"

_DEPTH = 3  # <download folder>/PKG - .../data
_IMAGE = re.compile(r"image_(\d+)\.tiff?", re.IGNORECASE)
_PATIENT = re.compile(r"[A-Z]{3}")


def looks_like(source: Source) -> bool:
    """Return whether this collection, or a part of it, lies at or under the folder."""
    return bool(find(source, _holds_classes, depth=_DEPTH))


def read(source: Source, _: ReadOptions) -> Listing:
    """Return the images of the collection; raise DataError with every problem of the folder."""
    root = source.root
    places = find(source, _holds_classes, depth=_DEPTH)
    if len(places) != 1:
        raise DataError(f"{root} cannot be read as the MLL collection (reader mll).", _misplaced(source, places))
    data = places[0]
    cells: list[Cell] = []
    problems: list[str] = []
    notes: list[str] = []
    for name in data.folders:
        if name in CLASSES:
            _read_class(source, source.scan(data.child(name)), cells, problems, notes)
        else:
            notes.append(f"The folder {data.child(name)} is left out: it is none of the classes {', '.join(CLASSES)}.")
    problems += shorten(_two_classes(cells))
    if not cells:
        problems.append(f"No image_<k>.tif was found. Expected: {LAYOUT}.")
    if problems:
        raise DataError(f"{root} cannot be read as the MLL collection (reader mll).", problems)
    notes += left_out(_not_taken(source, data, cells), "not named <PATIENT>/image_<k>.tif")
    notes += _check_metadata(source, cells, {data.path, data.path.rpartition("/")[0], root})
    return Listing(cells=tabulate(cells), patient_level=True, crop_px=None, black_background=False, notes=tuple(notes))


def _holds_classes(folder: Folder) -> bool:
    return not frozenset(CLASSES).isdisjoint(folder.folders)


def _misplaced(source: Source, places: Sequence[Folder]) -> list[str]:
    if places:
        return [
            f"It holds {len(places)} copies of the collection: {', '.join(place.path for place in places)}. Give one."
        ]
    above, _, name = source.root.rpartition("/")
    if name in CLASSES:
        return [f"{source.root} is one class of the collection. Give the folder above it, {above}."]
    return [f"Expected: {LAYOUT}.", describe(source)]


def _read_class(source: Source, folder: Folder, cells: list[Cell], problems: list[str], notes: list[str]) -> None:
    loose = [name for name in folder.files if _IMAGE.fullmatch(name)]
    if loose:
        problems.append(
            f"{plural(len(loose), 'image')} in {folder.path} itself; each must lie in the folder of its patient."
        )
    empty: list[str] = []
    for name in folder.folders:
        patient = source.scan(folder.child(name))
        found = [
            Cell(patient.child(file), folder.name, name, (int(match[1]),))
            for file in patient.files
            if (match := _IMAGE.fullmatch(file))
        ]
        if not found:
            empty.append(name)
        elif not _PATIENT.fullmatch(name):
            problems.append(f"{patient.path} holds images, but {name!r} is no patient: three capital letters are.")
        else:
            cells += found
    if empty:
        notes.append(f"Left out in {folder.path}, because they hold no image_<k>.tif: {', '.join(shorten(empty))}.")


def _not_taken(source: Source, data: Folder, cells: Sequence[Cell]) -> list[str]:
    """Return the images beside and under the classes that are not named as this collection's are."""
    taken = {cell.path for cell in cells}
    classes = (data.child(name) for name in data.folders if name in CLASSES)
    folders = [data, *(folder for place in classes for folder in walk(source, place, depth=_DEPTH))]
    images = (folder.child(name) for folder in folders for name in (*folder.images, *folder.foreign))
    return [path for path in images if path not in taken]


def _two_classes(cells: Sequence[Cell]) -> list[str]:
    classes: dict[str, set[str]] = defaultdict(set)
    for cell in cells:
        classes[cell.patient].add(cell.class_name)
    return [
        f"Patient {patient} stands under {' and '.join(sorted(names))}; a patient has one diagnosis."
        for patient, names in sorted(classes.items())
        if len(names) > 1
    ]


def _check_metadata(source: Source, cells: Sequence[Cell], places: set[str]) -> list[str]:
    """Return a note for each metadata file that tells another story than the folders do. It is never needed."""
    found = Counter((cell.patient, cell.class_name) for cell in cells)
    notes = []
    for path in (path for place in sorted(places) for path in _metadata(source, place)):
        try:
            differences = _differences(read_csv(source, path), found)
        except OSError as error:
            notes.append(f"{path} cannot be read ({error.strerror}).")
            continue
        if differences:
            notes.append(f"{path} and the folders differ: {' '.join(shorten(differences))}")
    return notes


def _metadata(source: Source, place: str) -> list[str]:
    try:
        folder = source.scan(place)
    except OSError:  # above the root, where a user may not look and a bucket is not listed
        return []
    return [folder.child(name) for name in folder.files if re.fullmatch(r"(?is)metadata.*\.csv", name)]


def _differences(rows: Sequence[dict[str, str]], found: Counter[tuple[str, str]]) -> list[str]:
    class_of = dict(found.keys())
    listed = {row["patient_id"]: row for row in rows if row.get("patient_id") and row.get("bag_label")}
    if not listed:
        return []  # another table, such as the data dictionary
    differences = []
    for patient, row in sorted(listed.items()):
        label, count = row["bag_label"], _whole(row.get("instance_count", ""))
        if patient not in class_of:
            differences.append(f"{patient} has no folder.")
        elif label != class_of[patient]:
            differences.append(f"{patient} is {label} there, {class_of[patient]} here.")
        elif count is not None and count != found[patient, label]:
            differences.append(f"{patient} has {plural(count, 'image')} there, {found[patient, label]:,} here.")
    differences += [f"{patient} is not in it." for patient in sorted(class_of.keys() - listed.keys())]
    return differences


def _whole(text: str) -> int | None:
    """Return a count as exported with decimal commas or points; None when it is blank or no whole number."""
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        return None
    return int(value) if value.is_integer() else None


READER = Reader(
    name="mll",
    title="AML-Cytomorphology_MLL_Helmholtz",
    layout=LAYOUT,
    classes=CLASSES,
    read=read,
    looks_like=looks_like,
    limits=(
        "One laboratory. Another, with its stain and its scanner, was not seen.",
        "A label is the patient's genotype, not the cell's type: it stands on all of a patient's cells. By the blood "
        "counts about a third of the cells labelled leukemic are neither blast, promyelocyte nor myelocyte (from 24 % "
        "with PML::RARA to 44 % with CBFB::MYH11), so a perfect recall of cells cannot be had from morphology alone, "
        "and one above what the blasts allow points at stain, batch or year.",
        "Patients with leukemia and controls differ in age (AUROC 0.87) and in how many images were taken of them "
        "(AUROC 0.82); a model may have learnt either by way of the slide.",
        "The controls are the same for all tasks of the collection.",
    ),
    reference_standard="the patient's genotype, as the collection's folder says it, on every cell of the patient",
    shares_controls=True,
    can_be_drawn=True,
)
