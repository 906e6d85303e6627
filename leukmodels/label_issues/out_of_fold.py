"""Out-of-fold probabilities: every cell is judged by models that never saw its patient, not even to choose an epoch."""

import math
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from leukmodels.dataset.folds import patient_folds, rounds
from leukmodels.errors import DataError, TrainingDivergedError
from leukmodels.label_issues.training_cells import TrainingCells
from leukmodels.space.hyperparameters import HyperParams
from leukmodels.training.cross_validation import Development, train_and_predict
from leukmodels.training.precision import Precision
from leukmodels.training.training_loop import Budget

Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class CrossValidation:
    """How the cells are predicted: the patients are dealt ``repeats`` times into ``folds``, a model for each fold."""

    hparams: HyperParams
    folds: int
    repeats: int
    epochs: int
    seed: int
    precision: Precision

    @property
    def models(self) -> int:
        """How many models are trained."""
        return self.folds * self.repeats

    def budget(self) -> Budget:
        """Return how long a model trains, with the patience of a search; none is long enough for checkpoints."""
        return Budget(epochs=self.epochs, patience=max(3, self.epochs // 3), checkpoint_every_s=math.inf)


@dataclass(frozen=True, kw_only=True, eq=False)
class OutOfFold:
    """Predictions of n cells by models that never saw their patients.

    probabilities   float64 (repeats, n) of leukemia
    best_epochs     of each model
    """

    probabilities: npt.NDArray[np.float64]
    best_epochs: tuple[int, ...]


def predict_out_of_fold(training: TrainingCells, validation: CrossValidation, *, progress: Progress) -> OutOfFold:
    """Return the predictions; ``progress`` is told (epochs trained or spared, epochs at the most), last that all are.

    DataError where a fold cannot be trained on.
    """
    cells = training.cells
    development = Development(
        cells=cells, black_background=training.black_background, split_fingerprint=training.split.fingerprint
    )
    probabilities = np.full((validation.repeats, len(cells)), np.nan)
    best_epochs: list[int] = []
    total = validation.models * validation.epochs
    seeds = np.random.SeedSequence(validation.seed).generate_state(validation.models + validation.repeats).tolist()
    for repeat in range(validation.repeats):
        fold_of = patient_folds(
            cells, training.class_names, folds=validation.folds, seed=seeds.pop(), terms=training.terms
        )
        for each in rounds(fold_of, validation.folds):
            past = len(best_epochs) * validation.epochs

            def report(epoch: int, _: dict[str, float], past: int = past) -> None:
                if past + epoch < total:
                    progress(past + epoch, total)

            with tempfile.TemporaryDirectory() as folder:
                try:
                    predicted = train_and_predict(
                        development,
                        each,
                        validation.hparams,
                        budget=validation.budget(),
                        seed=seeds.pop(),
                        folder=Path(folder),
                        report=report,
                        precision=validation.precision,
                    )
                except TrainingDivergedError as error:
                    raise DataError("A fold could not be trained; give another --model:", [str(error)]) from error
            probabilities[repeat, each.held_out] = predicted.scores
            best_epochs.append(predicted.best_epoch)
    progress(total, total)
    assert np.isfinite(probabilities).all()
    return OutOfFold(probabilities=probabilities, best_epochs=tuple(best_epochs))
