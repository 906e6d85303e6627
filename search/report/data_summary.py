"""The data of a study, used and set aside, as its files keep it."""

import csv
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from leukmodels.dataset.split import Split
from search.study.disclosure import Names
from search.study.folder import StudyFolder
from search.study.manifest import DataReport

_EXAMPLES = 20


@dataclass(frozen=True, kw_only=True)
class Aside:
    """Files that a study leaves out for one kind of reason.

    reasons    how many files each reason holds for, the commonest first
    examples   (path, reason) of the first files, a couple of dozen at the most
    """

    count: int
    reasons: Mapping[str, int]
    examples: Sequence[tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class DataSummary:
    """Where the images of a study went: found = used + all that was set aside.

    aside             by kind: quarantined, duplicates, excluded
    cells, patients   by part of the split; patients where they are known
    classes           part -> class -> patients, where they are known, and cells; empty in studies that did not count
    notes_withheld    notes that are not among ``notes``, because they name patients or files
    """

    found: int
    used: int
    aside: Mapping[str, Aside]
    cells: Mapping[str, int]
    patients: Mapping[str, int]
    classes: Mapping[str, Mapping[str, Mapping[str, int]]]
    notes: tuple[str, ...]
    notes_withheld: int


def summarise_data(folder: StudyFolder, data: DataReport, names: Names) -> DataSummary:
    """Return the summary of a study's images, from its manifest and the lists beside it."""
    notes = tuple(note.replace(f"{data.root}/", "") for note in data.notes)  # no folder of a machine
    said = names.sayable(notes, _patients(folder))
    kinds = {
        "quarantined": (data.quarantined, folder.quarantine),
        "duplicates": (data.duplicates, folder.duplicates),
        "excluded": (data.excluded, folder.excluded),
    }
    return DataSummary(
        found=data.found,
        used=data.used,
        aside={name: _aside(count, _rows(path), data.root, names) for name, (count, path) in kinds.items()},
        cells=data.cells,
        patients=data.patients,
        classes=data.classes,
        notes=said,
        notes_withheld=len(notes) - len(said),
    )


def _aside(count: int, rows: Sequence[Mapping[str, str]], root: str, names: Names) -> Aside:
    reasons = Counter(names.reason(row["reason"], root) for row in rows)
    return Aside(
        count=count,
        reasons=dict(reasons.most_common()),
        examples=[
            (names.image(row["path"].removeprefix(root).lstrip("/")), names.reason(row["reason"], root))
            for row in rows[:_EXAMPLES]
        ],
    )


def _patients(folder: StudyFolder) -> Iterable[str]:
    """Return the names of the patients, of those that count as one (A+B) each."""
    split = Split.load(folder.split).part_of if folder.split.is_file() else {}
    return {name for patient in split for name in (patient, *patient.split("+"))}


def _rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of a list of files, none where there is no list."""
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
