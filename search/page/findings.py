"""What a confirmation left beside scores: shortcut probes, and test cells with where the model looked.

probes.json                        a list of probes
<opening>/<trial>/examples.json    a list of cells; pictures are files beside it
<opening>/<trial>/heat.json        where the model looks over all
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from search.confirmed import Probe

Kind = Literal["found", "missed", "spared", "alarmed"]
KINDS: dict[Kind, str] = {
    "found": "leukemic, called leukemic",
    "missed": "leukemic, called healthy",
    "spared": "healthy, called healthy",
    "alarmed": "healthy, called leukemic",
}


@dataclass(frozen=True, kw_only=True)
class Example:
    """A test cell that a model was asked about.

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
    """Where a model looks over cells of all test patients: medians of ``inside`` and ``area`` of so many of them."""

    cells: int
    inside: float | None
    area: float | None


def probes_in(confirmed: Path) -> tuple[Probe, ...]:
    """Return the probes of a confirmation, none where they were not run."""
    return tuple(Probe(**each) for each in _read(confirmed / "probes.json"))


def examples_in(opening: Path, trial: int) -> tuple[Example, ...]:
    """Return the example cells of a model in an opening, in the order of KINDS; none where there are none."""
    place = opening / str(trial)
    found = [
        Example(**{**each, "picture": place / Path(each["picture"]).name, "heat": place / Path(each["heat"]).name})
        for each in _read(place / "examples.json")
    ]
    order = list(KINDS)
    return tuple(sorted(found, key=lambda example: order.index(example.kind)))


def looking_in(opening: Path, trial: int) -> Looking | None:
    """Return where a model looked in an opening, None where that is not known."""
    path = opening / str(trial) / "heat.json"
    return Looking(**json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else None


def _read(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    entries: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return entries
