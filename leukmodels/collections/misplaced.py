"""Layouts that name the classes elsewhere than in the top folders: seen, and what would do."""

from collections.abc import Sequence

from leukmodels.collections.listing import SHOWN, walk
from leukmodels.collections.names import PART_OF_WORD, is_derived, is_kind, part_named
from leukmodels.collections.place import Folder, Source
from leukmodels.process.words import plural

TABLE = 'a table with the columns image, label and patient in this folder, and reader = "table" in the task file'
_DEPTH = 3  # how far down classes are looked for


def misplaced(source: Source, top: Folder, classes: frozenset[str]) -> list[str]:
    """Return what layout a place has that has none of the task's ``classes`` as a folder, and what would do.

    [] where it has one of them, where no classes are known, and where nothing can be said.
    """
    if not classes or not classes.isdisjoint(top.folders):
        return []
    root = source.root
    if root.rpartition("/")[2] in classes:
        above = root.rpartition("/")[0]
        return [f"{root} is one class of the task. Give the folder above it, {above}."]
    folders = list(walk(source, root, depth=_DEPTH))
    holding = [folder for folder in folders[1:] if not classes.isdisjoint(folder.folders)]
    return _elsewhere(root, holding, classes) if holding else _nowhere(root, folders, classes)


def _elsewhere(root: str, holding: Sequence[Folder], classes: frozenset[str]) -> list[str]:
    names = _listed([folder.path.removeprefix(f"{root}/") for folder in holding], len(holding))
    found = ", ".join(sorted(classes & {name for folder in holding for name in folder.folders}))
    parts = {folder.path: part_named(folder.name) for folder in holding}
    if all(parts.values()):
        training = next((path for path, part in parts.items() if part == "train"), holding[0].path)
        return [
            f"This is <part>/<class>/<image>: the classes {found} lie in {names}. Give one part, such as {training}, "
            f"which is then split anew; or, to keep these parts, write {TABLE}, with a column part (train, validation, "
            "test), too."
        ]
    if len(holding) == 1:
        return [f"The classes {found} lie further down. Give {holding[0].path}."]
    return [
        f"This is <patient>/<class>/<image> or the like: the classes {found} lie in {plural(len(holding), 'folder')}, "
        f"{names}. Expected: <class>/<patient>/<image>; or write {TABLE}."
    ]


def _nowhere(root: str, folders: Sequence[Folder], classes: frozenset[str]) -> list[str]:
    top = folders[0]
    holding = [folder for folder in folders if folder.images]
    named = {folder.path.removeprefix(f"{root}/").split("/")[0] for folder in holding if folder is not top}
    plain = all(is_kind(name) or is_derived(name) or name.lower() in PART_OF_WORD for name in named)
    if not holding or not (plain or (top.images and not named)):
        return []  # other classes: the task says which it lacks
    count = sum(len(folder.images) for folder in holding)
    places = _listed([folder.path.removeprefix(root).strip("/") or "the folder itself" for folder in holding], 0)
    first = holding[0].images[0]
    return [
        f"No folder names a class: {plural(count, 'image')} such as {first} lie in {places}, and none in a folder "
        f"{' or '.join(sorted(classes))}. Where names of files or a list say the class, write {TABLE}."
    ]


def _listed(names: Sequence[str], count: int) -> str:
    shown = names[:SHOWN]
    more = (count or len(names)) - len(shown)
    return ", ".join(shown) + (f" and {more:,} more" if more > 0 else "")
