"""The state of a trial after an epoch, as one file that is either whole or absent.

An `.npz` archive without pickled objects: weights, optimizer, best weights and history stand in one file, so they
cannot disagree, and the archive's checksums tell a torn file from a good one. The variables include the state of random
layers, so dropout and augmentation go on as if nothing had happened. (Keras' own `.weights.h5` leaves that state out,
has no checksum and would need companions for the history and the best weights.)
"""

import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from leukmodels.process.files import written_aside

if TYPE_CHECKING:
    import keras

Arrays = Sequence[npt.NDArray[Any]]
FILE_NAME = "checkpoint.npz"


@dataclass(frozen=True, kw_only=True, eq=False)
class Checkpoint:
    """Everything that a trial needs to go on after an epoch.

    trial       what the checkpoint belongs to (hyperparameters, seed, split), JSON values
    history     one dict of numbers an epoch, from epoch 1
    variables   of the model, in its order: weights, statistics, random states
    optimizer   the optimizer's variables, in its order
    best        the model's weights after its best epoch, empty where that is the last one: variables holds them then
    scores      of the validation cells after the best epoch, shape (n,)
    """

    trial: Mapping[str, Any]
    history: Sequence[Mapping[str, float]]
    variables: Arrays
    optimizer: Arrays
    best: Arrays
    scores: npt.NDArray[np.float64]


def take(
    model: "keras.Model",
    *,
    trial: Mapping[str, Any],
    history: Sequence[Mapping[str, float]],
    best: Arrays,
    scores: npt.NDArray[np.float64],
) -> Checkpoint:
    """Return the present state of a compiled model that has trained."""
    return Checkpoint(
        trial=trial,
        history=history,
        variables=[variable.numpy() for variable in model.variables],
        optimizer=[variable.numpy() for variable in model.optimizer.variables],
        best=best,
        scores=scores,
    )


def save(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint aside and rename it over the one before."""
    record = json.dumps({"trial": checkpoint.trial, "history": checkpoint.history}).encode()
    arrays = {"record": np.frombuffer(record, dtype=np.uint8), "scores": checkpoint.scores}
    for part in _PARTS:
        arrays |= {f"{part}/{i:04d}": array for i, array in enumerate(getattr(checkpoint, part))}
    with written_aside(path) as aside:
        np.savez(aside, **arrays)  # type: ignore[arg-type]  # numpy's stub takes keywords for allow_pickle


def load(path: Path) -> Checkpoint | None:
    """Return a file's checkpoint, None if there is none or it cannot be read (a trial then starts from scratch)."""
    try:
        # numpy leaves the file open when it is no archive, so it is opened here.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            record = json.loads(archive["record"].tobytes())
            scores = archive["scores"]
            parts = {part: [archive[n] for n in sorted(archive.files) if n.startswith(f"{part}/")] for part in _PARTS}
        return Checkpoint(trial=record["trial"], history=record["history"], scores=scores, **parts)
    except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
        return None


def restore(model: "keras.Model", checkpoint: Checkpoint) -> bool:
    """Put a compiled model into the checkpoint's state; return False, changing nothing, if it is of another model."""
    targets = [*model.variables, *model.optimizer.variables]
    values = [*checkpoint.variables, *checkpoint.optimizer]
    if [tuple(target.shape) for target in targets] != [value.shape for value in values]:
        return False
    for target, value in zip(targets, values, strict=True):
        target.assign(value)
    return True


def remove(folder: Path) -> None:
    """Remove a trial's checkpoint, and the half-written ones that killed processes left beside it."""
    for path in [*folder.glob(f".*-{FILE_NAME}"), folder / FILE_NAME]:
        path.unlink(missing_ok=True)


_PARTS = ("variables", "optimizer", "best")
