"""Which cells an epoch visits, and in which order: all of them, balanced, or in bags of one patient."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from leukmodels.dataset.cells import Cells
from leukmodels.dataset.pixels import Rows
from leukmodels.space.hyperparameters import HyperParams


def epoch_order(cells: Cells, hparams: HyperParams, *, seed: int, epoch: int) -> Rows:
    """Return the rows an epoch visits, shape (m,), as they can be read well: a function of seed and epoch.

    A permutation; or with class_balance "patients" as many draws with replacement where both classes, then all patients
    of a class, then all images of a patient are equally likely. With bags, each run of bag_size rows is of one patient
    and one class, and m is about as large: what is left of a patient fills a bag up with some of its rows again where
    it is half a bag or more, and waits for another epoch where it is less (unless it is all there is of the patient).
    """
    # Drawn from a stream of its own: what an epoch visits does not depend on where the pixels lie.
    reading = np.random.default_rng([seed, epoch, 1])
    rng = np.random.default_rng([seed, epoch])
    rows = cells.pixels.arrange(_drawn(cells, hparams.class_balance, rng), reading)
    if (bag := bag_size(cells, hparams)) == 1:
        return rows
    groups = _groups(cells)
    return np.concatenate([_bagged(window, groups[window], bag, rng) for window in cells.pixels.windows(rows)])


def bag_size(cells: Cells, hparams: HyperParams) -> int:
    """Return how many cells a bag has, 1 where there are none: hparams.bag, less where patients have fewer cells.

    It is a power of 2, so that whole bags fill a batch, and no larger than the median number of cells of a patient: in
    a collection without patients every cell is a patient of its own, and no bag would hold two.
    """
    if hparams.instances == "single":
        return 1
    median = int(np.median(np.unique(_groups(cells), return_counts=True)[1]))
    return min(hparams.bag, 1 << (median.bit_length() - 1))


def rows_of_epoch(cells: Cells, hparams: HyperParams) -> int:
    """Return how many rows an epoch visits; about as many where bags are drawn, or filled in several windows."""
    if (bag := bag_size(cells, hparams)) == 1:
        return len(cells)
    counts = np.unique(_groups(cells), return_counts=True)[1]
    return int(np.maximum((counts + bag // 2) // bag, 1).sum()) * bag


def _groups(cells: Cells) -> npt.NDArray[np.int64]:
    """Return a number for each cell, shape (n,), equal for cells of one patient and one class."""
    return 2 * cells.patients.astype(np.int64) + cells.labels


def _drawn(cells: Cells, class_balance: str, rng: np.random.Generator) -> Rows:
    n = len(cells)
    if class_balance != "patients":
        return rng.permutation(n)
    groups, group, images = np.unique(_groups(cells), return_inverse=True, return_counts=True)
    patients = np.bincount(groups % 2)
    return rng.choice(n, size=n, p=1 / (len(patients) * patients[cells.labels] * images[group]))


def _bagged(rows: Rows, groups: npt.NDArray[np.int64], bag: int, rng: np.random.Generator) -> Rows:
    """Return the rows of a window as bags of one group each, in random order."""
    bags = [part for group in np.unique(groups) for part in _bags(rows[groups == group], bag, rng)]
    return np.concatenate([bags[at] for at in rng.permutation(len(bags))])


def _bags(rows: Rows, bag: int, rng: np.random.Generator) -> Iterator[Rows]:
    """Yield the rows of one group bag by bag."""
    whole = len(rows) // bag * bag
    yield from rows[:whole].reshape(-1, bag)
    left = rows[whole:]
    if len(left) >= bag / 2 or (len(left) and not whole):
        yield np.concatenate([left, rng.choice(rows, bag - len(left))])
