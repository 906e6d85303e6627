"""Anyone's own images: `<class>/<patient>/<image>`, or `<class>/<image>` where no patient is known.

A folder between class and image is a patient, unless its name says that it is something else: a part of a split, a
range of numbers, masks. Then the task file has to say what it is (`middle`). The classes of the task decide which
layout this is; another class that does not fit it is left out.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from leukmodels.collections.listing import (
    FOREIGN,
    Cell,
    Listing,
    describe,
    left_out,
    natural_key,
    no_patients,
    own_parts,
    several_classes,
    shorten,
    tabulate,
    walk,
)
from leukmodels.collections.misplaced import misplaced
from leukmodels.collections.names import MAGNIFICATIONS, PARTS, derived_from, is_derived, not_patients, part_named
from leukmodels.collections.place import Folder, Source
from leukmodels.collections.reader import UNKNOWN_ORIGIN, Middle, Reader, ReadOptions
from leukmodels.errors import DataError
from leukmodels.process.words import plural

LAYOUT = "<class>/<patient>/<image> or, without patients, <class>/<image>"
NO_PATIENTS = no_patients(
    "this folder is <class>/<image>",
    "put each patient's images into a folder of their own: <class>/<patient>/<image>",
)
_NO_PATIENTS_HERE = no_patients(
    "the folders between class and image are none",
    "put each patient's images into a folder of their own, <class>/<patient>/<image>, or name the patients in a table "
    '(reader = "table")',
)
_DERIVED = "made of other images by their names (masks, overlays, turned or mirrored copies)"
_DEPTH = 6  # how far down images are noticed, though none may lie deeper than a patient
_SPLIT = 'middle = "split" takes them as your training, validation and test, '
_IGNORE = 'middle = "ignore" takes their images without patients, '
_REMEDIES = {
    PARTS: _SPLIT + _IGNORE,
    MAGNIFICATIONS: "keep one of them, as a cell seen at two would stand on both sides of the split; " + _IGNORE,
}


@dataclass(frozen=True, kw_only=True)
class _Place:
    """Images of a class, in one folder: ``names`` of folders down from the class, and the images' own names."""

    folder: Folder
    names: tuple[str, ...]
    images: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class _Class:
    """What lies under one class."""

    folder: Folder
    places: tuple[_Place, ...]
    derived: tuple[str, ...]  # paths
    twins: tuple[str, ...]
    foreign: tuple[str, ...]

    @property
    def middles(self) -> tuple[str, ...]:
        """The folders that lie between the class and its images."""
        return tuple(dict.fromkeys(place.names[0] for place in self.places if place.names))


def looks_like(source: Source) -> bool:
    """Return whether images lie one or two folders down."""
    classes = _children(source, source.scan(source.root))
    return any(folder.images or any(patient.images for patient in _children(source, folder)) for folder in classes)


def read(source: Source, options: ReadOptions) -> Listing:
    """Return the images, each class and patient named by its folder; raise DataError with every problem.

    A patient's name means the same person under every class, and never stands on two sides of a split.
    """
    root = source.root
    top = source.scan(root)
    heading = f"{root} cannot be read as folders of classes (reader folders)."
    if elsewhere := misplaced(source, top, options.classes):
        raise DataError(heading, elsewhere)
    every = [_look(source, folder, options.classes) for folder in _children(source, top)]
    deciding = [found for found in every if _decides(found, top, options)]
    middle, problems = _settle(deciding, options)
    notes = [f"Left out: {plural(len(top.images), 'image')} in {root} itself, in no class."] if top.images else []
    cells: list[Cell] = []
    for found in every:
        own, wrong = _read_class(found, middle)
        if not found.places:
            if found.derived and found.folder.name in options.classes:
                problems.append(f"{found.folder.path} holds no other images than those {_DERIVED}.")
            elif not found.derived:
                notes.append(f"Left out: {found.folder.path}, which holds no image.")
        elif found in deciding:
            problems += wrong
            cells += own
        elif wrong or not _fits(found, middle):
            notes.append(
                f"Left out: {found.folder.path}, whose layout is not that of the task's classes, none of which it is."
            )
        else:
            cells += own
    if not cells and not problems:
        problems += [f"Expected: {LAYOUT}, as TIFF, BMP, PNG or JPEG.", describe(source)]
    if problems:
        raise DataError(heading, problems)
    notes += left_out([*map(top.child, top.foreign), *(path for found in every for path in found.foreign)], FOREIGN)
    notes += left_out([path for found in every for path in found.derived], _DERIVED)
    notes += _twins([path for found in every for path in found.twins])
    patients = middle == "patient"
    notes += several_classes(cells) if patients else [_NO_PATIENTS_HERE if middle else NO_PATIENTS]
    cells, said = own_parts(cells)
    return Listing(
        cells=tabulate(cells),
        patient_level=patients,
        crop_px=None,
        black_background=False,
        notes=(*notes, *said),
    )


def _children(source: Source, folder: Folder) -> list[Folder]:
    return [source.scan(folder.child(name)) for name in folder.folders]


def _decides(found: _Class, top: Folder, options: ReadOptions) -> bool:
    """Return whether a class says what the layout is; all do where none is the task's, which is then said of them."""
    named = options.classes & set(top.folders)
    return bool(found.places) and (found.folder.name in named if named else True)


def _fits(found: _Class, middle: Middle | None) -> bool:
    """Return whether a class that does not decide has the layout of those that do."""
    if middle == "patient" and not_patients({found.folder.name: found.middles}):
        return False
    return middle == "ignore" or bool(found.middles) == (middle is not None)


def _look(source: Source, folder: Folder, classes: frozenset[str]) -> _Class:
    places: list[_Place] = []
    derived: list[str] = []
    twins: list[str] = []
    foreign: list[str] = []
    for each in walk(source, folder.path, depth=_DEPTH - 1):
        names = tuple(each.path.removeprefix(folder.path).split("/")[1:])
        foreign += map(each.child, each.foreign)
        stems = Counter(PurePath(name).stem for name in each.images)
        whole = any(is_derived(name) for name in (folder.name, *names) if name not in classes)
        made = {name for name in each.images if whole or derived_from(PurePath(name).stem, stems)}
        derived += [each.child(name) for name in each.images if name in made]
        if images := tuple(name for name in each.images if name not in made):
            places.append(_Place(folder=each, names=names, images=images))
            twins += [each.child(name) for name in images if stems[PurePath(name).stem] > 1]
    return _Class(
        folder=folder, places=tuple(places), derived=tuple(derived), twins=tuple(twins), foreign=tuple(foreign)
    )


def _twins(paths: Sequence[str]) -> list[str]:
    """Return a note on images beside another of their name, 001.bmp and 001.png: a mask, or a copy."""
    if not paths:
        return []
    one, other = (path.rpartition("/")[2] for path in paths[:2])
    return [
        f"{plural(len(paths), 'image')} share their names with others beside them, such as {one} and {other}: copies, "
        "or masks. A mask is set aside where it has no colours or few; take the rest out of these folders by hand."
    ]


def _settle(deciding: Sequence[_Class], options: ReadOptions) -> tuple[Middle | None, list[str]]:
    """Return what the folders in the middle are (None: there are none), and what is wrong with the classes' layouts."""
    having = [found for found in deciding if found.middles]
    middle = options.middle
    if middle is None and having:
        if unlike := not_patients({found.folder.name: found.middles for found in having}):
            return "ignore", [_unlike_patients(having, *unlike)]
        middle = "patient"
    loose = [found.folder.name for found in deciding if not found.middles]
    if middle in ("patient", "split") and loose:
        what = "patients" if middle == "patient" else "parts"
        names = ", ".join(found.folder.name for found in having)
        return middle, [
            f"The classes {names} have folders of {what} and {', '.join(loose)} have none."
            if having
            else f"The task file says middle = {middle!r}, but no class has folders of {what}: this is <class>/<image>."
        ]
    return middle, []


def _unlike_patients(having: Sequence[_Class], what: str, names: str) -> str:
    classes = ", ".join(f"{found.folder.name}/" for found in having[:3]) + (" ..." if having[3:] else "")
    return (
        f"The folders {names} under {classes} look like {what}, not like patients. Say in the task file what they "
        f'are: {_REMEDIES.get(what, _IGNORE)}and middle = "patient" takes each for one person.'
    )


def _read_class(found: _Class, middle: Middle | None) -> tuple[list[Cell], list[str]]:
    """Return the cells of a class, and what in it is of another layout."""
    if middle == "ignore":
        return [cell for place in found.places for cell in _without_patients(found, place)], []
    problems = []
    loose = [place for place in found.places if not place.names]
    between = [place for place in found.places if len(place.names) == 1]
    deep = dict.fromkeys(place.names[0] for place in found.places if len(place.names) > 1)
    problems += shorten(
        [f"{found.folder.child(name)} holds images in folders of its own, deeper than {LAYOUT}." for name in deep]
    )
    if loose and between:
        what = "folders of parts" if middle == "split" else "folders of patients"
        problems.append(
            f"{found.folder.path} mixes {what} with {plural(len(loose[0].images), 'image')} of no "
            f"{'part' if middle == 'split' else 'patient'}."
        )
    if middle == "split":
        unknown = [place.names[0] for place in between if part_named(place.names[0]) is None]
        problems += [
            f"{found.folder.child(name)} is no part: train, validation and test are." for name in shorten(unknown)
        ]
    cells = [
        cell
        for place in loose + between
        for cell in (_of_patient(found, place) if middle == "patient" else _without_patients(found, place, middle))
    ]
    return cells, problems


def _of_patient(found: _Class, place: _Place) -> Iterator[Cell]:
    for name in place.images:
        yield Cell(place.folder.child(name), found.folder.name, place.folder.name, natural_key(name))


def _without_patients(found: _Class, place: _Place, middle: Middle | None = None) -> Iterator[Cell]:
    """Yield cells that are each their own; two files of one name are one, whatever their formats."""
    part = (part_named(place.names[0]) or "") if middle == "split" and place.names else ""
    for name in place.images:
        own = "/".join((found.folder.name, *place.names, PurePath(name).stem))
        yield Cell(place.folder.child(name), found.folder.name, own, natural_key(name), part)


READER = Reader(
    name="folders",
    title="folders of classes",
    layout=LAYOUT,
    classes=None,
    read=read,
    looks_like=looks_like,
    limits=(UNKNOWN_ORIGIN,),
    reference_standard="the class that the folder names",
    asks_middle=True,
)
