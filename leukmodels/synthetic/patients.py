"""Who is in the cohort: every patient's class and cells, from the seed alone."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import ascii_uppercase

import numpy as np
import numpy.typing as npt

from leukmodels.synthetic.classes import CLASSES, MEAN_IMAGES, Deciles


@dataclass(frozen=True, kw_only=True)
class Patient:
    """One patient: three capital letters, the class, and the type of each cell in image order."""

    name: str
    number: int
    class_name: str
    cell_types: tuple[str, ...]

    def blasts(self) -> int:
        """Return how many of the cells the blast percentage counts."""
        return sum(cell_type in CLASSES[self.class_name].blasts for cell_type in self.cell_types)


def list_patients(*, cells_per_patient: int, seed: int, classes: Sequence[str]) -> list[Patient]:
    """Return the patients of those classes; a patient is the same whichever other classes are asked for.

    Blast percentages and numbers of images are drawn evenly over the quantiles of the class, so that even a small class
    has the real one's spread; a patient has one cell at least.
    """
    rng = np.random.default_rng([seed, 0])
    total = sum(kind.patients for kind in CLASSES.values())
    codes = rng.choice(26**3, total, replace=False).tolist()
    patients: list[Patient] = []
    for class_name, kind in CLASSES.items():
        images = _spread(rng, kind.images, kind.patients) * (cells_per_patient / MEAN_IMAGES)
        shares = _spread(rng, kind.blast_percent, kind.patients) / 100
        for wanted, share in zip(images.tolist(), shares.tolist(), strict=True):
            count = max(1, _rounded(rng, wanted))
            blasts = min(count, _rounded(rng, count * share))
            cells = [*_draw_types(rng, kind.blasts, blasts), *_draw_types(rng, kind.others, count - blasts)]
            order = rng.permutation(count).tolist()
            number = len(patients)
            name = "".join(ascii_uppercase[codes[number] // 26**place % 26] for place in (2, 1, 0))
            shuffled = tuple(cells[place] for place in order)
            patients.append(Patient(name=name, number=number, class_name=class_name, cell_types=shuffled))
    return [patient for patient in patients if patient.class_name in classes]


def _spread(rng: np.random.Generator, deciles: Deciles, count: int) -> npt.NDArray[np.float64]:
    """Return `count` values spread evenly over the quantiles, in random order."""
    quantiles = (rng.permutation(count) + rng.random(count)) / count
    return np.interp(quantiles, np.linspace(0, 1, len(deciles)), deciles)


def _rounded(rng: np.random.Generator, value: float) -> int:
    """Return the value rounded up or down by chance, so that small numbers are right on average."""
    return math.floor(value + rng.random())


def _draw_types(rng: np.random.Generator, parts: Mapping[str, float], count: int) -> list[str]:
    if count == 0:
        return []
    weights = np.array(list(parts.values()))
    names = list(parts)
    return [names[place] for place in rng.choice(len(names), count, p=weights / weights.sum()).tolist()]
