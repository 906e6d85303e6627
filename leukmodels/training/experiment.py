"""One configuration in, one outcome out: the only place that joins data, hyperparameters, training and evaluation."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import keras

from leukmodels.dataset.cells import TrainingData
from leukmodels.model.build import NO_WEIGHTS, build
from leukmodels.model.weights import Weights
from leukmodels.process.files import digest, written_aside
from leukmodels.process.tensorflow_runtime import seed_everything
from leukmodels.space.hyperparameters import HyperParams
from leukmodels.training import checkpoint
from leukmodels.training.precision import Precision
from leukmodels.training.scoring import write_scores
from leukmodels.training.training_loop import Budget, Report, fit, trial_identity

MODEL_FILE, SCORES_FILE, OUTCOME_FILE = "model.keras", "scores.parquet", "outcome.json"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The result of a finished trial.

    metrics        of the best epoch on the validation cells, threshold 0.5: all that training.fit reports but its loss
                   and its times
    best_epoch     from 1
    epochs         trained in all
    parameters     of the model
    seconds        training and validation
    images_per_s   training speed
    sha256         of model.keras and scores.parquet, by name: what was measured; empty where a version before kept none
    """

    metrics: Mapping[str, float]
    best_epoch: int
    epochs: int
    parameters: int
    seconds: float
    images_per_s: float
    sha256: Mapping[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return nested plain values, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, mapping: Mapping[str, Any]) -> "Outcome":
        """Return the outcome that to_dict described."""
        return cls(**mapping)


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
    if finished := _read_outcome(folder, trial):
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
        with written_aside(folder / OUTCOME_FILE) as aside:  # last: it says that the rest is there
            aside.write_text(json.dumps({"trial": trial, "outcome": outcome.to_dict()}, indent=2))
        checkpoint.remove(folder)
        return outcome
    finally:
        # Workers run one trial after another: without this the graphs of all of them would stay in memory.
        keras.utils.clear_session()


def _read_outcome(folder: Path, trial: Mapping[str, Any]) -> Outcome | None:
    """Return the outcome in a folder if it is whole, this trial's, and of the model and scores that are there."""
    try:
        found = json.loads((folder / OUTCOME_FILE).read_text())
        outcome = Outcome.from_dict(found["outcome"])
        same = all(digest(folder / name) == known for name, known in outcome.sha256.items())
        return outcome if same and found["trial"] == trial else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _save_model(model: keras.Model, path: Path) -> None:
    """Save a model without its optimizer, which would triple the file."""
    bare = keras.Model.from_config(model.get_config())
    bare.set_weights(model.get_weights())
    with written_aside(path) as aside:
        bare.save(aside)
