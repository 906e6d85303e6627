"""A model made ready to train: its optimizer and loss, and what TensorFlow compiles of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from leukmodels.model.backbones.blocks import slowed
from leukmodels.model.losses import Bootstrapped, GeneralisedCrossEntropy, OfBags
from leukmodels.model.optimizers import optimizer
from leukmodels.space.hyperparameters import HyperParams
from leukmodels.training.batch_norm import Settling, compiled_settling
from leukmodels.training.mixed_precision import computing
from leukmodels.training.precision import Precision
from leukmodels.training.scoring import Scoring, scoring

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


def compile_model(model: keras.Model, hparams: HyperParams, *, steps: int, bag: int = 1) -> None:
    """Give a model its loss, of bags of so many cells, and its optimizer for so many steps.

    XLA stays off: it halved the speed on a processor.
    """
    slow = slowed(model.get_layer("body"), hparams)
    chosen = optimizer(hparams, model.trainable_variables, steps=steps, slowed=slow)
    model.compile(optimizer=chosen, loss=_loss(hparams, bag), jit_compile=False)


def _loss(hparams: HyperParams, bag: int) -> keras.losses.Loss:
    match hparams.loss:
        case "generalised":
            loss: keras.losses.Loss = GeneralisedCrossEntropy(q=hparams.generalised_q)
        case "bootstrapped":
            loss = Bootstrapped(beta=hparams.bootstrapped_beta)
        case _:
            loss = keras.losses.BinaryCrossentropy(label_smoothing=hparams.label_smoothing)
    if bag == 1:
        return loss
    return OfBags(loss=loss, bag=bag, pooling=hparams.instances, top_share=hparams.top_share)


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
