"""Which cells an epoch visits, and in which order: all of them, balanced, or in bags of one patient."""

from collections import defaultdict
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from leukmodels.cells import Cells
from leukmodels.hparams import HyperParams
from leukmodels.pixels import Rows


def epoch_order(cells: Cells, hparams: HyperParams, *, seed: int, epoch: int) -> Rows:
    """Return the rows an epoch visits, shape (m,), as they can be read well: a function of seed and epoch.

    A permutation; or with class_balance "patients" as many draws with replacement where both classes, then all patients
    of a class, then all images of a patient are equally likely. In bags, each run of hparams.bag rows is of one
    patient; m is then a multiple of it, and some rows come again to fill each patient's last bag.
    """
    # Drawn from a stream of its own: what an epoch visits does not depend on where the pixels lie.
    reading = np.random.default_rng([seed, epoch, 1])
    rng = np.random.default_rng([seed, epoch])
    rows = cells.pixels.arrange(_drawn(cells, hparams.class_balance, rng), reading)
    if hparams.instances == "single":
        return rows
    return np.fromiter(_bagged(rows, cells.patients, hparams.bag, rng), np.int64)


def rows_of_epoch(cells: Cells, hparams: HyperParams) -> int:
    """Return how many rows an epoch visits, about: bags that are filled up may add a few in each patient."""
    return len(cells) if hparams.instances == "single" else -(-len(cells) // hparams.bag) * hparams.bag


def _drawn(cells: Cells, class_balance: str, rng: np.random.Generator) -> Rows:
    n = len(cells)
    if class_balance != "patients":
        return rng.permutation(n)
    _, group, images = np.unique(
        np.stack([cells.labels, cells.patients]), axis=1, return_inverse=True, return_counts=True
    )
    label_of_group = np.zeros(len(images), dtype=np.int64)
    label_of_group[group] = cells.labels
    patients = np.bincount(label_of_group)
    return rng.choice(n, size=n, p=1 / (len(patients) * patients[cells.labels] * images[group]))


def _bagged(rows: Rows, patients: npt.NDArray[np.int32], bag: int, rng: np.random.Generator) -> Iterator[int]:
    """Yield the rows patient by patient, a bag as soon as one is full; bags begun are filled from their patient.

    So an order that reads shards window by window stays near it; only the last, filled bags go back.
    """
    begun: dict[int, list[int]] = defaultdict(list)
    seen: dict[int, list[int]] = defaultdict(list)
    for row, patient in zip(rows.tolist(), patients[rows].tolist(), strict=True):
        seen[patient].append(row)
        begun[patient].append(row)
        if len(begun[patient]) == bag:
            yield from begun.pop(patient)
    for patient, members in begun.items():
        yield from members
        yield from rng.choice(seen[patient], bag - len(members)).tolist()
