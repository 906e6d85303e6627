"""Anyone's own images: `<class>/<patient>/<image>`, or `<class>/<image>` where no patient is known."""

from collections import defaultdict
from pathlib import PurePath

from leukmodels.collections.listing import (
    FOREIGN,
    Cell,
    Listing,
    describe,
    left_out,
    natural_key,
    shorten,
    tabulate,
    walk,
)
from leukmodels.collections.place import Folder, Source
from leukmodels.collections.reader import Reader
from leukmodels.errors import DataError
from leukmodels.process.words import plural

LAYOUT = "<class>/<patient>/<image> or, without patients, <class>/<image>"
NO_PATIENTS = (
    "NO PATIENT IDS: this folder is <class>/<image>, so the split can only be by image. Cells of one patient will "
    "stand on both sides of it, and every score will look better than it is for a new patient. To split by patient, "
    "put each patient's images into a folder of their own: <class>/<patient>/<image>."
)
_DEPTH = 6  # how far down images are noticed, though none may lie deeper than a patient


def looks_like(source: Source) -> bool:
    """Return whether images lie one or two folders down."""
    classes = _children(source, source.scan(source.root))
    return any(folder.images or any(patient.images for patient in _children(source, folder)) for folder in classes)


def read(source: Source) -> Listing:
    """Return the images, each class and patient named by its folder; raise DataError with every problem.

    A patient's name means the same person under every class, and never stands on two sides of a split.
    """
    root = source.root
    top = source.scan(root)
    cells: list[Cell] = []
    problems: list[str] = []
    notes = [f"Left out: {plural(len(top.images), 'image')} in {root} itself, in no class."] if top.images else []
    with_patients: list[str] = []
    without: list[str] = []
    foreign = [folder.child(name) for folder in walk(source, root, depth=_DEPTH) for name in folder.foreign]
    for folder in _children(source, top):
        patients = _children(source, folder)
        by_patient = [
            Cell(patient.child(name), folder.name, patient.name, natural_key(name))
            for patient in patients
            for name in patient.images
        ]
        images = [
            Cell(folder.child(name), folder.name, f"{folder.name}/{PurePath(name).stem}", natural_key(name))
            for name in folder.images
        ]
        deep = [patient.path for patient in patients if _holds_deeper(source, patient)]
        problems += shorten([f"{path} holds images in folders of its own, deeper than {LAYOUT}." for path in deep])
        if by_patient and images:
            problems.append(
                f"{folder.path} mixes folders of patients with {plural(len(images), 'image')} of no patient."
            )
        if by_patient:
            with_patients.append(folder.name)
        elif images:
            without.append(folder.name)
        else:
            notes.append(f"Left out: {folder.path}, which holds no image.")
        cells += by_patient + images
    if with_patients and without:
        problems.append(
            f"The classes {', '.join(with_patients)} have folders of patients and {', '.join(without)} have none."
        )
    if not cells:
        problems += [f"Expected: {LAYOUT}, as TIFF, BMP, PNG or JPEG.", describe(source)]
    if problems:
        raise DataError(f"{root} cannot be read as folders of classes (reader folders).", problems)
    notes += left_out(foreign, FOREIGN)
    notes += _several_classes(cells) if with_patients else [NO_PATIENTS]
    return Listing(
        cells=tabulate(cells),
        patient_level=bool(with_patients),
        crop_px=None,
        black_background=False,
        notes=tuple(notes),
    )


def _children(source: Source, folder: Folder) -> list[Folder]:
    return [source.scan(folder.child(name)) for name in folder.folders]


def _holds_deeper(source: Source, patient: Folder) -> bool:
    below = (folder for name in patient.folders for folder in walk(source, patient.child(name), depth=_DEPTH))
    return any(folder.images for folder in below)


def _several_classes(cells: list[Cell]) -> list[str]:
    classes: dict[str, set[str]] = defaultdict(set)
    for cell in cells:
        classes[cell.patient].add(cell.class_name)
    names = sorted((patient for patient, found in classes.items() if len(found) > 1), key=natural_key)
    if not names:
        return []
    return [
        f"Patients with images of several classes: {', '.join(shorten(names))}. The same folder name is taken for the "
        "same person, whose images all go to one part of the split."
    ]


READER = Reader(
    name="folders",
    title="folders of classes",
    layout=LAYOUT,
    classes=None,
    read=read,
    looks_like=looks_like,
    limits=(
        "Where these images come from is not known to this software: laboratory, stain, scanner and how the labels "
        "were made are for the reader to judge.",
    ),
    reference_standard="the class that the folder names",
)
