"""Trains one model: an epoch, a look at the validation cells, a report; its state to disk now and then; and again.

Every random draw of an epoch depends on the seed and the epoch alone or is kept in the checkpoint, so a trial that was
killed and goes on ends where an uninterrupted one does, as long as its pixels lie where they lay (in memory, or in the
same shards).
"""

import math
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import harmonic_mean
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import numpy.typing as npt

from leukmodels.dataset.cells import TrainingData
from leukmodels.errors import TrainingDivergedError
from leukmodels.evaluation.bounds import lower_bounds
from leukmodels.evaluation.costs import COSTS, TrainedModel
from leukmodels.evaluation.metrics import score
from leukmodels.space.hyperparameters import HyperParams
from leukmodels.training import checkpoint
from leukmodels.training.batch_norm import SETTLING_IMAGES, recalibrate
from leukmodels.training.batching import bag_size, epoch_order, rows_of_epoch
from leukmodels.training.compiled import Graphs, compile_model
from leukmodels.training.precision import Precision
from leukmodels.training.scoring import predict

if TYPE_CHECKING:
    import tensorflow as tf

Report = Callable[[int, dict[str, float]], None]
_OF_TRAINING = ("loss", "seconds", "images_per_s")


@dataclass(frozen=True, kw_only=True)
class Budget:
    """How long a trial may train, and what of it may be lost.

    epochs               at most
    patience             epochs without a better validation log loss before it ends
    checkpoint_every_s   a trial that was killed trains this and an epoch again; it is so many times longer as the
                         state takes seconds to write, where these are more than one (half a GB of a large network)
    """

    epochs: int
    patience: int
    checkpoint_every_s: float = 10.0

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.patience < 1:
            raise ValueError(f"budget of {self.epochs} epochs with a patience of {self.patience}; expected 1 or more")


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """What fit did.

    history   for each epoch, from 1, the numbers that were reported
    scores    of the validation cells after the best epoch, shape (n,)
    """

    history: tuple[Mapping[str, float], ...]
    scores: npt.NDArray[np.float64]

    @property
    def best_epoch(self) -> int:
        """The first epoch with the lowest validation log loss.

        Log loss is a proper scoring rule and is defined for every model; recall and accuracy stay two objectives and
        are never added up.
        """
        losses = [epoch["log_loss"] for epoch in self.history]
        return losses.index(min(losses)) + 1

    @property
    def best(self) -> Mapping[str, float]:
        """What was measured of the best epoch, without the loss and the times of training."""
        best = self.history[self.best_epoch - 1]
        return {name: value for name, value in best.items() if name not in _OF_TRAINING}

    @property
    def seconds(self) -> float:
        """Time of training and validation over all epochs, those before an interruption included."""
        return math.fsum(epoch["seconds"] for epoch in self.history)

    @property
    def images_per_s(self) -> float:
        """Training images over training time of all epochs."""
        return harmonic_mean([epoch["images_per_s"] for epoch in self.history])

    def is_over(self, budget: Budget) -> bool:
        """Return whether the budget is spent."""
        epochs = len(self.history)
        return epochs >= budget.epochs or (epochs > 0 and epochs - self.best_epoch >= budget.patience)


def fit(
    model: keras.Model,
    data: TrainingData,
    hparams: HyperParams,
    *,
    budget: Budget,
    seed: int,
    folder: Path,
    report: Report,
    precision: Precision = "float32",
) -> Fitted:
    """Train a model, computing in ``precision``, and leave it with the weights of its best epoch.

    After each epoch report(epoch, numbers) is called, epoch from 1, numbers being those of Metrics on the validation
    cells, those of ``lower_bounds``, what the model costs (``COSTS``), loss (of training, penalties included), seconds
    (of training and validation) and images_per_s (of training). Before that the state goes to folder/checkpoint.npz,
    where that is due. A folder with a checkpoint of this trial continues it; its epochs are reported again, as the
    receiver may have died before it kept the last one; it drops those it has. Whatever report raises ends the training
    and leaves the checkpoint to continue from.

    Raises TrainingDivergedError when the loss or a score is not a finite number.
    """
    steps = budget.epochs * math.ceil(rows_of_epoch(data.train, hparams) / hparams.batch_size)
    compile_model(model, hparams, steps=steps, bag=bag_size(data.train, hparams))
    graphs = Graphs.of(model, precision)
    trial = trial_identity(hparams, data, seed, precision)
    path = folder / checkpoint.FILE_NAME
    fitted, best = _resume(model, path, trial)
    for epoch, numbers in enumerate(fitted.history, start=1):
        report(epoch, dict(numbers))
    costs = _costs(model, graphs, fitted.history)
    kept, writing_s = time.monotonic(), 0.0
    while not fitted.is_over(budget):
        epoch = len(fitted.history) + 1
        numbers, scores = train_epoch(model, graphs, data, hparams, seed=seed, epoch=epoch)
        numbers |= costs
        fitted = Fitted(history=(*fitted.history, numbers), scores=fitted.scores)
        if fitted.best_epoch == epoch:
            best, fitted = model.get_weights(), replace(fitted, scores=scores)
        if time.monotonic() - kept >= budget.checkpoint_every_s * max(1.0, writing_s):
            began = time.monotonic()
            earlier = [] if fitted.best_epoch == epoch else best
            checkpoint.save(
                path,
                checkpoint.take(model, trial=trial, history=fitted.history, best=earlier, scores=fitted.scores),
            )
            kept = time.monotonic()
            writing_s = kept - began
        report(epoch, dict(numbers))
    model.set_weights(best)
    return fitted


def trial_identity(
    hparams: HyperParams, data: TrainingData, seed: int, precision: Precision = "float32"
) -> dict[str, Any]:
    """Return what a trial's result depends on besides its budget, so that files of another trial are told apart."""
    return {
        "hparams": hparams.to_dict(),
        "seed": seed,
        "split": data.split_fingerprint,
        "images": [len(data.train), len(data.validation), data.train.image_px],
        "precision": precision,
    }


def train_epoch(
    model: keras.Model,
    graphs: Graphs,
    data: TrainingData,
    hparams: HyperParams,
    *,
    seed: int,
    epoch: int,
) -> tuple[dict[str, float], npt.NDArray[np.float64]]:
    """Train one epoch; return what was measured of it, and the scores of the validation cells."""
    start = time.perf_counter()
    order = epoch_order(data.train, hparams, seed=seed, epoch=epoch)
    weights = _class_weights(data.train.labels, hparams.class_balance)
    size = hparams.batch_size
    # A last batch that is shorter is not kept: a handful of images would weigh as much as a full one.
    kept: deque[npt.NDArray[np.uint8]] = deque(maxlen=SETTLING_IMAGES // size if graphs.settling else 0)
    model.reset_metrics()
    logs: Mapping[str, tf.Tensor] = {}
    with closing(data.train.pixels.batches(order, size)) as batches:
        for first, images in zip(range(0, len(order), size), batches, strict=True):
            labels = data.train.labels[order[first : first + size]]
            logs = graphs.step(images, labels.astype(np.float32)[:, None], weights[labels])
            if len(images) == size or not kept:
                kept.append(images)
    loss = float(logs["loss"])
    if graphs.settling:
        recalibrate(graphs.settling, kept)
    trained_s = time.perf_counter() - start
    scores = predict(graphs.scoring, data.validation.pixels)
    if not (math.isfinite(loss) and np.isfinite(scores).all()):
        raise TrainingDivergedError(
            f"Training diverged in epoch {epoch}: the loss is {loss:g} (learning_rate {hparams.learning_rate:g}, "
            f"optimizer {hparams.optimizer}, normalisation {hparams.normalisation})."
        )
    numbers = {
        **score(data.validation.labels, scores).to_dict(),
        **lower_bounds(data.validation.scored(scores)),
        "loss": loss,
        "seconds": time.perf_counter() - start,
        "images_per_s": len(order) / trained_s,
    }
    return numbers, scores


def _costs(model: keras.Model, graphs: Graphs, history: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return what using the model costs, measured once a trial."""
    if history:
        return {name: history[0][name] for name in COSTS}
    trained = TrainedModel(model=model, predict=graphs.scoring, image_px=model.input_shape[1])
    return {name: cost.measure(trained) for name, cost in COSTS.items()}


def _resume(model: keras.Model, path: Path, trial: Mapping[str, Any]) -> tuple[Fitted, checkpoint.Arrays]:
    """Return history and best weights of this trial's checkpoint, the model restored; empty ones without it."""
    found = checkpoint.load(path)
    if found is None or found.trial != trial or not checkpoint.restore(model, found):
        return Fitted(history=(), scores=np.empty(0)), []
    return Fitted(history=tuple(found.history), scores=found.scores), found.best or model.get_weights()


def _class_weights(labels: npt.NDArray[np.uint8], class_balance: str) -> npt.NDArray[np.float32]:
    """Return the weight of each class, shape (2,), 1 on average over the images."""
    if class_balance != "weights":
        return np.ones(2, dtype=np.float32)
    return (len(labels) / (2 * np.bincount(labels, minlength=2))).astype(np.float32)
