"""One training of a cross-validation: some patients train, others choose the epoch, a third part is held out."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt

from leukmodels.dataset.cells import Cells, TrainingData
from leukmodels.dataset.folds import CVRound
from leukmodels.model.build import NO_WEIGHTS, build
from leukmodels.model.weights import Weights
from leukmodels.process.tensorflow_runtime import seed_everything
from leukmodels.space.hyperparameters import HyperParams
from leukmodels.training.precision import Precision
from leukmodels.training.scoring import predict, scoring
from leukmodels.training.training_loop import Budget, Report, fit


@dataclass(frozen=True, kw_only=True, eq=False)
class Development:
    """The n cells of the patients that models are developed on, and what has to be known of them; see TrainingData."""

    cells: Cells
    black_background: bool
    split_fingerprint: str


@dataclass(frozen=True, kw_only=True, eq=False)
class HeldOutPredictions:
    """What a model predicts for the k held-out cells: probabilities of leukemia (k,); and its best epoch."""

    scores: npt.NDArray[np.float64]
    best_epoch: int


def train_and_predict(
    development: Development,
    each: CVRound,
    hparams: HyperParams,
    *,
    budget: Budget,
    seed: int,
    folder: Path,
    report: Report,
    weights: Mapping[str, Weights] = NO_WEIGHTS,
    precision: Precision = "float32",
) -> HeldOutPredictions:
    """Train on a round's cells and return predictions for those held out, on which not even the epoch was chosen.

    A folder with a checkpoint of this training continues it. For weights see model.build; for report and the errors
    training.fit.
    """
    train, validation, held_out = (
        development.cells.take(rows) for rows in (each.train, each.validation, each.held_out)
    )
    if each.by_image:
        validation, held_out = validation.each_its_own(), held_out.each_its_own()
    assert held_out.present_patients.isdisjoint(train.present_patients | validation.present_patients)
    data = TrainingData(
        train=train,
        validation=validation,
        black_background=development.black_background,
        split_fingerprint=development.split_fingerprint,
    )
    seed_everything(seed)
    try:
        model = build(hparams, image_px=train.image_px, black_background=data.black_background, weights=weights)
        fitted = fit(model, data, hparams, budget=budget, seed=seed, folder=folder, report=report, precision=precision)
        return HeldOutPredictions(scores=predict(scoring(model), held_out.pixels), best_epoch=fitted.best_epoch)
    finally:
        keras.utils.clear_session()  # or the graphs of all models would stay in memory
