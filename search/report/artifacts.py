"""What a confirmation left beside scores: shortcut probes, and test cells with where the model looked.

probes.json                        a list of probes
<opening>/<trial>/examples.json    a list of cells; pictures are files beside it
<opening>/<trial>/heat.json        where the model looks over all
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from search.study.confirmation_log import Probe

Kind = Literal["found", "missed", "spared", "alarmed"]
# Of each kind label and answer, the wrong ones first.
KINDS: Mapping[Kind, tuple[int, int]] = {"missed": (1, 0), "alarmed": (0, 1), "found": (1, 1), "spared": (0, 0)}


@dataclass(frozen=True, kw_only=True)
class Example:
    """A test cell and what a model says of it.

    picture   the cell as the model saw it, PNG
    heat      the same under what raised the score (Grad-CAM), PNG
    inside    share of that heat inside the cell, 0 to 1; None where there is no heat
    area      share of the picture that the cell takes
    """

    kind: Kind
    image: str
    patient: str
    score: float
    label: int
    picture: Path
    heat: Path
    inside: float | None
    area: float


@dataclass(frozen=True, kw_only=True)
class Looking:
    """Where a model looks over so many cells of the test, of everybody alike.

    heated         the cells that have any heat
    inside, area   medians over these, as of an Example; None where there are none
    """

    cells: int
    heated: int
    inside: float | None
    area: float | None


def probes_in(confirmed: Path) -> tuple[Probe, ...]:
    """Return the probes of a confirmation, none where they were not run."""
    return tuple(Probe(**each) for each in _read(confirmed / "probes.json"))


def examples_in(opening: Path, trial: int) -> tuple[Example, ...]:
    """Return the example cells of a model in an opening, as they were written; none where there are none."""
    place = opening / str(trial)
    return tuple(
        Example(**{**each, "picture": place / Path(each["picture"]).name, "heat": place / Path(each["heat"]).name})
        for each in _read(place / "examples.json")
    )


def looking_in(opening: Path, trial: int) -> Looking | None:
    """Return where a model looked in an opening, None where that is not known."""
    path = opening / str(trial) / "heat.json"
    return Looking(**json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else None


def _read(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    entries: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return entries
