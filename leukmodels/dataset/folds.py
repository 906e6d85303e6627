"""Cross-validation by patients: who trains, who chooses the epoch, and who is held out.

Training ends with the best of its epochs by cells that it did not learn from. Were these the cells that are asked
about, the answers would be too good, and the choice would favour labels under suspicion. Were the number of epochs
fixed, it would have to be guessed for every collection and model, and a model that trained too long has learned the
wrong labels by heart. So one fold is scored, the next chooses the epoch, and the rest train.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from leukmodels.dataset.cells import Cells
from leukmodels.errors import DataError
from leukmodels.process.words import IMAGE, USUAL, Terms

FEWEST = 3
ALWAYS_TRAINS = -1  # a fold that is never held out, and never chooses the epoch

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class CVRound:
    """One round of cross-validation, as rows of cells: who trains, who chooses the epoch, and who is held out.

    by_image   images were dealt, so that a patient's cells are in all three: only to see what that would add
    """

    train: Rows
    validation: Rows
    held_out: Rows
    by_image: bool = False


def patient_folds(
    cells: Cells, class_names: npt.NDArray[np.str_], *, folds: int, seed: int, terms: Terms = USUAL
) -> Rows:
    """Return the fold of each cell, int64 (n,): its patient's, dealt at random within side and class.

    Folds differ by one patient at the most in a side, and in each of its classes. A patient of several classes counts
    as one of the class with most of the cells. DataError where a side has fewer patients than there are folds, as each
    fold must be able to choose an epoch; ``terms`` are what it calls them.
    """
    assert folds >= FEWEST
    rng = np.random.default_rng([seed, folds])
    fold_of = np.full(len(cells.patient_names), -1, dtype=np.int64)
    sides = _sides(cells, class_names)
    problems = [
        f"{len(patients)} of the {terms.units} to deal are {terms.side(label)}: too few for {folds} folds of at least "
        f"one each.{f' Give --folds {len(patients)}.' if len(patients) >= FEWEST else ''}"
        for label, patients in sides.items()
        if len(patients) < folds
    ]
    if problems:
        raise DataError(f"The {terms.units} cannot be dealt into folds:", problems)
    for patients in sides.values():
        shuffled = rng.permutation(len(patients))
        by_class = sorted(shuffled.tolist(), key=lambda place: patients[place][0])
        numbers = rng.permutation(folds)  # or the first fold would get every patient that is left over
        for turn, place in enumerate(by_class):
            fold_of[patients[place][1]] = numbers[turn % folds]
    return fold_of[cells.patients]


def image_folds(
    cells: Cells, class_names: npt.NDArray[np.str_], *, folds: int, seed: int, terms: Terms = USUAL
) -> Rows:
    """Return the fold of each cell, int64 (n,), dealt as ``patient_folds`` does patients, but each cell by itself."""
    each = replace(terms, unit=IMAGE)
    return patient_folds(cells.each_its_own(), class_names, folds=folds, seed=seed, terms=each)


def rounds(fold_of: Rows, folds: int, *, by_image: bool = False) -> Iterator[CVRound]:
    """Yield a round for each fold held out; every cell of one is held out once."""
    for held_out in range(folds):
        validation = (held_out + 1) % folds
        yield CVRound(
            train=np.flatnonzero((fold_of != held_out) & (fold_of != validation)),
            validation=np.flatnonzero(fold_of == validation),
            held_out=np.flatnonzero(fold_of == held_out),
            by_image=by_image,
        )


def _sides(cells: Cells, class_names: npt.NDArray[np.str_]) -> dict[int, list[tuple[str, int]]]:
    """Return (class, patient) of each side's patients, by label."""
    sides: dict[int, list[tuple[str, int]]] = {0: [], 1: []}
    order = np.argsort(cells.patients, kind="stable")
    patients, starts = np.unique(cells.patients[order], return_index=True)
    for patient, own in zip(patients.tolist(), np.split(order, starts[1:]), strict=True):
        names, first, counts = np.unique(class_names[own], return_index=True, return_counts=True)
        most = int(np.argmax(counts))
        sides[int(cells.labels[own][first[most]])].append((str(names[most]), patient))
    return sides
