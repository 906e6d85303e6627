"""One configuration in, one outcome out: the only place that joins data, hyperparameters, training and evaluation."""

from collections.abc import Mapping
from pathlib import Path

import keras

from leukmodels.dataset.cells import TrainingData
from leukmodels.model.build import NO_WEIGHTS, build
from leukmodels.model.weights import Weights
from leukmodels.process.files import digest, written_aside
from leukmodels.process.tensorflow_runtime import seed_everything
from leukmodels.space.hyperparameters import HyperParams
from leukmodels.training import checkpoint
from leukmodels.training.outcome import MODEL_FILE, SCORES_FILE, Outcome, read_outcome, write_outcome
from leukmodels.training.precision import Precision
from leukmodels.training.scoring import write_scores
from leukmodels.training.training_loop import Budget, Report, fit, trial_identity


def run(
    hparams: HyperParams,
    data: TrainingData,
    *,
    budget: Budget,
    seed: int,
    folder: Path,
    report: Report,
    weights: Mapping[str, Weights] = NO_WEIGHTS,
    precision: Precision = "float32",
) -> Outcome:
    """Train, evaluate on the validation cells and keep model.keras, scores.parquet and outcome.json in the folder.

    ``weights`` are those a model may start from, see model.build. A folder with a checkpoint of this trial continues
    it, one with its outcome, and model and scores as they were then, returns that without training. For report and the
    errors see training.fit; whatever report raises passes through, checkpoint kept.
    """
    trial = trial_identity(hparams, data, seed, precision)
    if finished := read_outcome(folder, trial):
        return finished
    try:
        seed_everything(seed)
        model = build(hparams, image_px=data.train.image_px, black_background=data.black_background, weights=weights)
        fitted = fit(model, data, hparams, budget=budget, seed=seed, folder=folder, report=report, precision=precision)
        write_scores(folder / SCORES_FILE, data.validation, fitted.scores)
        _save_model(model, folder / MODEL_FILE)
        outcome = Outcome(
            metrics=fitted.best,
            best_epoch=fitted.best_epoch,
            epochs=len(fitted.history),
            parameters=model.count_params(),
            seconds=fitted.seconds,
            images_per_s=fitted.images_per_s,
            sha256={name: digest(folder / name) for name in (MODEL_FILE, SCORES_FILE)},
        )
        write_outcome(folder, trial, outcome)  # last: it says that the rest is there
        checkpoint.remove(folder)
        return outcome
    finally:
        # Workers run one trial after another: without this the graphs of all of them would stay in memory.
        keras.utils.clear_session()


def _save_model(model: keras.Model, path: Path) -> None:
    """Save a model without its optimizer, which would triple the file."""
    bare = keras.Model.from_config(model.get_config())
    bare.set_weights(model.get_weights())
    with written_aside(path) as aside:
        bare.save(aside)
