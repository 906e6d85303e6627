"""A model made ready to train: its optimizer and loss, and what TensorFlow compiles of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from leukmodels.evaluation import Scoring, scoring
from leukmodels.hparams import HyperParams
from leukmodels.normalisation import Settling, compiled_settling
from leukmodels.numerics import Precision, computing

Step = Callable[[npt.NDArray[np.uint8], npt.NDArray[np.float32], npt.NDArray[np.float32]], Mapping[str, tf.Tensor]]


@dataclass(frozen=True, kw_only=True)
class Graphs:
    """What TensorFlow has compiled of a model: a training step, a look for batch normalisation, the scores."""

    step: Step
    settling: Settling | None
    scoring: Scoring

    @classmethod
    def of(cls, model: keras.Model, precision: Precision = "float32") -> "Graphs":
        """Compile a model that has its optimizer and loss.

        Scores are float32 whatever the precision of training: those of the model that is saved, to the last digits.
        """
        with computing(model, precision):
            step, settling = _compiled_step(model), compiled_settling(model)
        return cls(step=step, settling=settling, scoring=scoring(model))


def compile_model(model: keras.Model, hparams: HyperParams) -> None:
    """Give a model its optimizer and binary cross-entropy. XLA stays off: it halved the speed on a processor.

    The optimizer's variables are made here, not in the first step: TensorFlow traces a function that makes variables
    twice, which cost every trial about a second.
    """
    optimizer = _OPTIMIZERS[hparams.optimizer](hparams)
    optimizer.build(model.trainable_variables)
    model.compile(optimizer=optimizer, loss="binary_crossentropy", jit_compile=False)


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
    step = tf.function(
        lambda images, labels, weights: model.train_step((images, labels, weights)), signature, autograph=False
    )
    step.get_concrete_function()  # traced here and now, see numerics.computing
    compiled: Step = step
    return compiled


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
