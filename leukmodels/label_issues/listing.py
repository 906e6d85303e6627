"""The list of disputed cells: a table that a person can look through and shorten, and a search can leave out."""

import csv
import io
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from leukmodels.collections.listing import read_csv, shorten
from leukmodels.collections.source import LocalFolder, Source
from leukmodels.dataset.contents import sha256_of
from leukmodels.errors import ConfigError
from leukmodels.label_issues.ranking import Ranking
from leukmodels.label_issues.training_cells import TrainingCells
from leukmodels.process.files import written_aside
from leukmodels.process.words import Terms

_SHA256 = re.compile(r"[0-9a-f]{64}")
_EXPECTED = (
    "Expected: a CSV file with a column sha256 (of each image file) or image (its path below the data folder), such as "
    "disputed.csv of python -m search.curate."
)


@dataclass(frozen=True, kw_only=True)
class Listed:
    """The images that a list names, each once: by the hashes of their files, or by their paths below the data folder.

    ``column`` is "sha256" or "image"; ``places`` are paths that the list gives beside hashes, where they were then.
    """

    path: Path
    column: str
    keys: tuple[str, ...]
    places: tuple[str, ...] = ()


def columns(terms: Terms) -> tuple[str, ...]:
    """Return the columns of a list; whose a cell is stands there where that is known."""
    whose = () if terms.are_images else (terms.unit,)
    return ("rank", "image", *whose, "class_name", "label", "probability", "dispute", "sha256")


def write_list(
    path: Path,
    source: Source,
    training: TrainingCells,
    ranking: Ranking,
    probabilities: npt.NDArray[np.float64],
    rows: npt.NDArray[np.int64],
) -> None:
    """Write the given rows of the cells as CSV with the columns that ``columns`` says.

    DataError where a file changed since it was read.

    rank is the cell's place among all training cells, probability that of label 1 by models that never saw whose it is,
    dispute the ranking's.
    """
    cells, place = training.cells, ranking.place
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(columns(training.terms))
    images = cells.image_ids[rows].tolist()
    places = [f"{source.root.rstrip('/')}/{image}" for image in images]
    hashes = sha256_of(source, places, [training.contents[row] for row in rows])
    for row, image, sha256 in zip(rows.tolist(), images, hashes, strict=True):
        writer.writerow(
            [
                place[row],
                image,
                *([] if training.terms.are_images else [cells.patient_names[cells.patients[row]]]),
                training.class_names[row],
                int(cells.labels[row]),
                f"{probabilities[row]:.4f}",
                f"{ranking.label_issue_score[row]:.4f}",
                sha256,
            ]
        )
    with written_aside(path) as aside:
        aside.write_text(text.getvalue(), encoding="utf-8", newline="")


def read_list(path: Path) -> Listed:
    """Return what a list names; ConfigError with everything that is wrong with it.

    Any CSV with a column sha256 or image will do, as a spreadsheet may have written it; sha256 is taken where both are.
    """
    try:
        rows = read_csv(LocalFolder(root=str(path.parent)), str(path))
    except OSError as error:
        raise ConfigError(f"The list {path} cannot be read.", [f"{error.strerror or error}.", _EXPECTED]) from error
    column = next((name for name in ("sha256", "image") if rows and name in rows[0]), None)
    if column is None:
        problem = "It lists no image." if not rows else f"Its columns are {', '.join(rows[0]) or 'none'}."
        raise ConfigError(f"{path} is no list of images.", [problem, _EXPECTED])
    keys = [row.get(column, "") for row in rows]
    keys = [key.lower() if column == "sha256" else _path(key) for key in keys]
    beside = [row.get("image") or row.get("path", "") for row in rows] if column == "sha256" else []
    fits = _SHA256.fullmatch if column == "sha256" else re.compile(".+", re.DOTALL).fullmatch
    if problems := [f"Row {n} has the {column} {key!r}." for n, key in enumerate(keys, start=1) if not fits(key)]:
        raise ConfigError(f"{path} is no list of images.", [*shorten(problems), _EXPECTED])
    places = tuple(_path(place) for place in beside if place)
    return Listed(path=path, column=column, keys=tuple(dict.fromkeys(keys)), places=places)


def _path(text: str) -> str:
    return text.replace("\\", "/")  # as Windows writes it
