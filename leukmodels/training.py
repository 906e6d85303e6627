"""Trains one model: an epoch, a look at the validation cells, a report; its state to disk now and then; and again.

Every random draw of an epoch depends on the seed and the epoch alone or is kept in the checkpoint, so a trial that was
killed and goes on ends where an uninterrupted one does, as long as its pixels lie where they lay (in memory, or in the
same shards).
"""

import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import harmonic_mean
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from leukmodels import checkpoint
from leukmodels.cells import Cells, TrainingData
from leukmodels.errors import TrainingDivergedError
from leukmodels.evaluation import predict
from leukmodels.hparams import HyperParams
from leukmodels.metrics import score
from leukmodels.normalisation import SETTLING_IMAGES, Settling, compiled_settling, settle

Report = Callable[[int, dict[str, float]], None]
Step = Callable[[npt.NDArray[np.uint8], npt.NDArray[np.float32], npt.NDArray[np.float32]], Mapping[str, tf.Tensor]]


@dataclass(frozen=True, kw_only=True)
class Budget:
    """How long a trial may train, and what of it may be lost.

    epochs               at most
    patience             epochs without a better validation log loss before it ends
    checkpoint_every_s   a trial that was killed trains this and an epoch again; the state of a short epoch would take
                         up to a tenth of its time to write
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
) -> Fitted:
    """Train a model and leave it with the weights of its best epoch.

    After each epoch report(epoch, numbers) is called, epoch from 1, numbers being those of Metrics on the validation
    cells, loss (of training, penalties included), seconds (of training and validation) and images_per_s (of training).
    Before that the state goes to folder/checkpoint.npz, where that is due. A folder with a checkpoint of this trial
    continues it; its epochs are reported again, as the receiver may have died before it kept the last one; it drops
    those it has. Whatever report raises ends the training and leaves the checkpoint to continue from.

    Raises TrainingDivergedError when the loss or a score is not a finite number.
    """
    compile_model(model, hparams)
    step, settling = _compiled_step(model), compiled_settling(model)
    trial = trial_identity(hparams, data, seed)
    path = folder / checkpoint.FILE_NAME
    fitted, best = _resume(model, path, trial)
    for epoch, numbers in enumerate(fitted.history, start=1):
        report(epoch, dict(numbers))
    kept = time.monotonic()
    while not fitted.is_over(budget):
        epoch = len(fitted.history) + 1
        numbers, scores = _epoch(model, step, settling, data, hparams, seed=seed, epoch=epoch)
        fitted = Fitted(history=(*fitted.history, numbers), scores=fitted.scores)
        if fitted.best_epoch == epoch:
            best, fitted = model.get_weights(), replace(fitted, scores=scores)
        if time.monotonic() - kept >= budget.checkpoint_every_s:
            earlier = [] if fitted.best_epoch == epoch else best
            checkpoint.save(
                path,
                checkpoint.take(model, trial=trial, history=fitted.history, best=earlier, scores=fitted.scores),
            )
            kept = time.monotonic()
        report(epoch, dict(numbers))
    model.set_weights(best)
    return fitted


def trial_identity(hparams: HyperParams, data: TrainingData, seed: int) -> dict[str, Any]:
    """Return what a trial's result depends on besides its budget, so that files of another trial are told apart."""
    return {
        "hparams": hparams.to_dict(),
        "seed": seed,
        "split": data.split_fingerprint,
        "images": [len(data.train), len(data.validation), data.train.image_px],
    }


def compile_model(model: keras.Model, hparams: HyperParams) -> None:
    """Give a model its optimizer and binary cross-entropy. XLA stays off: it halved the speed on a processor.

    The optimizer's variables are made here, not in the first step: TensorFlow traces a function that makes variables
    twice, which cost every trial about a second.
    """
    optimizer = _OPTIMIZERS[hparams.optimizer](hparams)
    optimizer.build(model.trainable_variables)
    model.compile(optimizer=optimizer, loss="binary_crossentropy", jit_compile=False)


def epoch_order(cells: Cells, *, class_balance: str, seed: int, epoch: int) -> npt.NDArray[np.int64]:
    """Return the indices an epoch visits, shape (n,), as they can be read well: a function of seed and epoch.

    A permutation; or with class_balance "patients" n draws with replacement where both classes, then all patients of a
    class, then all images of a patient are equally likely.
    """
    # Drawn from a stream of its own: what an epoch visits does not depend on where the pixels lie.
    reading = np.random.default_rng([seed, epoch, 1])
    return cells.pixels.arrange(_drawn(cells, class_balance, np.random.default_rng([seed, epoch])), reading)


def _drawn(cells: Cells, class_balance: str, rng: np.random.Generator) -> npt.NDArray[np.int64]:
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


def _epoch(
    model: keras.Model,
    step: Step,
    settling: Settling | None,
    data: TrainingData,
    hparams: HyperParams,
    *,
    seed: int,
    epoch: int,
) -> tuple[dict[str, float], npt.NDArray[np.float64]]:
    """Train one epoch and return the numbers to report and the scores of the validation cells."""
    start = time.perf_counter()
    order = epoch_order(data.train, class_balance=hparams.class_balance, seed=seed, epoch=epoch)
    weights = _class_weights(data.train.labels, hparams.class_balance)
    size = hparams.batch_size
    # A last batch that is shorter is not kept: a handful of images would weigh as much as a full one.
    kept: deque[npt.NDArray[np.uint8]] = deque(maxlen=SETTLING_IMAGES // size if settling else 0)
    model.reset_metrics()
    logs: Mapping[str, tf.Tensor] = {}
    with closing(data.train.pixels.batches(order, size)) as batches:
        for first, images in zip(range(0, len(order), size), batches, strict=True):
            labels = data.train.labels[order[first : first + size]]
            logs = step(images, labels.astype(np.float32)[:, None], weights[labels])
            if len(images) == size or not kept:
                kept.append(images)
    loss = float(logs["loss"])
    if settling:
        settle(settling, kept)
    trained_s = time.perf_counter() - start
    scores = predict(model, data.validation.pixels)
    if not (math.isfinite(loss) and np.isfinite(scores).all()):
        raise TrainingDivergedError(
            f"Training diverged in epoch {epoch}: the loss is {loss:g} (learning_rate {hparams.learning_rate:g}, "
            f"optimizer {hparams.optimizer}, normalisation {hparams.normalisation})."
        )
    numbers = {
        **score(data.validation.labels, scores).to_dict(),
        "loss": loss,
        "seconds": time.perf_counter() - start,
        "images_per_s": len(order) / trained_s,
    }
    return numbers, scores


def _compiled_step(model: keras.Model) -> Step:
    """Return the model's training step as one graph for batches of any length.

    In the long run as fast as fit or train_on_batch; but these trace again for the last, shorter batch of an epoch,
    and every trial would pay for it.
    """
    signature = [
        tf.TensorSpec(model.input_shape, tf.uint8),
        tf.TensorSpec((None, 1), tf.float32),
        tf.TensorSpec((None,), tf.float32),
    ]
    step: Step = tf.function(
        lambda images, labels, weights: model.train_step((images, labels, weights)), signature, autograph=False
    )
    return step


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


def _adamw(hparams: HyperParams) -> keras.optimizers.Optimizer:
    optimizer = keras.optimizers.AdamW(hparams.learning_rate, weight_decay=hparams.l2)
    optimizer.exclude_from_weight_decay(var_names=["bias", "beta", "gamma"])
    return optimizer


_OPTIMIZERS: dict[str, Callable[[HyperParams], keras.optimizers.Optimizer]] = {
    "adam": lambda hparams: keras.optimizers.Adam(hparams.learning_rate),
    "adamw": _adamw,
    "sgd": lambda hparams: keras.optimizers.SGD(hparams.learning_rate, momentum=0.9, nesterov=True),
    "rmsprop": lambda hparams: keras.optimizers.RMSprop(hparams.learning_rate),
}
