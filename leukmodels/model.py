"""HyperParams to keras.Model: from pixels 0..255 to the probability of leukemia.

Rescaling and augmentation are layers of the model, so that training and serving cannot differ and every batch is
augmented anew; augmentation layers pass images through outside training. The default has the layers of the published
CNN; only its batch normalisation differs, with a momentum of 0.9 and statistics that are estimated again after each
epoch (normalisation.settle).
"""

import math
from collections.abc import Callable
from typing import TypeAlias

import keras
from keras import layers

from leukmodels.hparams import HyperParams
from leukmodels.layers import Augmentation

MAX_FILTERS = 512
SMALLEST_HALVED_PX = 4
# Two wide blocks leave a map of 331,776 values of 144 px: 85 million weights to a dense layer of 256. The default's map
# (41,472 at 144 px) is far from the cap, and with it no model has more than 17 million weights there.
MAX_FLATTENED = 65_536

# The usual 0.99 forgets the first batches only after several hundred steps, a whole epoch here: until then evaluation
# runs on wrong statistics, and validation recall was seen to jump between 0 and 1 for eight epochs.
BATCH_NORM_MOMENTUM = 0.9

Tensor: TypeAlias = keras.KerasTensor


def build(hparams: HyperParams, *, image_px: int, black_background: bool) -> keras.Model:
    """Return the uncompiled model of one configuration.

    Input (n, image_px, image_px, 3), uint8 or float, 0..255; output (n, 1), float32 probability of leukemia.
    Weights and augmentation draw from Keras' global seed (runtime.seed_everything).
    """
    images = keras.Input((image_px, image_px, 3), name="images")
    x = layers.Rescaling(1 / 255, name="rescaling")(images)
    if hparams.augmentation > 0:
        x = Augmentation(strength=hparams.augmentation, black_background=black_background, name="augmentation")(x)
    for channels in channels_per_block(hparams):
        x = _block(x, channels, hparams)
    if hparams.head == "flatten":
        while math.prod(x.shape[1:]) > MAX_FLATTENED:
            x = _halved(x, hparams)
    x = _HEADS[hparams.head]()(x)
    x = layers.Dense(
        hparams.dense_units, activation=hparams.activation, kernel_regularizer=_penalty(hparams), name="dense"
    )(x)
    if hparams.dropout > 0:
        x = layers.Dropout(hparams.dropout, name="dropout")(x)
    # float32 whatever the compute type: a bfloat16 probability has three digits.
    probability = layers.Dense(1, activation="sigmoid", dtype="float32", name="leukemia")(x)
    return keras.Model(images, probability, name="leukemia_cnn")


def channels_per_block(hparams: HyperParams) -> list[int]:
    """Return the number of filters of each block, at most MAX_FILTERS."""
    blocks = range(hparams.blocks)
    doublings = {
        "none": [0 for _ in blocks],
        "last": [int(block == hparams.blocks - 1) for block in blocks],
        "each": blocks,
    }
    return [min(hparams.filters * 2**times, MAX_FILTERS) for times in doublings[hparams.widen]]


def _block(x: Tensor, channels: int, hparams: HyperParams) -> Tensor:
    """Convolution, normalisation, pooling; a map under SMALLEST_HALVED_PX keeps its size, so any depth builds."""
    halve = x.shape[1] >= SMALLEST_HALVED_PX
    x = layers.Conv2D(
        channels,
        hparams.kernel,
        strides=2 if halve and hparams.pooling == "stride" else 1,
        padding="same",
        activation=hparams.activation,
        kernel_regularizer=_penalty(hparams),
    )(x)
    if normalisation := _normalisation(hparams.normalisation, channels):
        x = normalisation(x)
    return _POOLING[hparams.pooling](2)(x) if halve and hparams.pooling in _POOLING else x


def _halved(x: Tensor, hparams: HyperParams) -> Tensor:
    """Return a feature map of half the side, pooled as the blocks pool (by averages where their strides halve it)."""
    return _POOLING.get(hparams.pooling, layers.AveragePooling2D)(2)(x)


def _normalisation(name: str, channels: int) -> layers.Layer | None:
    match name:
        case "batch":
            return layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM)
        case "layer":
            return layers.LayerNormalization()
        case "group":
            return layers.GroupNormalization(groups=math.gcd(channels, 8))
    return None


def _penalty(hparams: HyperParams) -> keras.regularizers.Regularizer | None:
    """Return the L2 penalty of a kernel; adamw decays weights in its own step instead (training.compile_model)."""
    return keras.regularizers.L2(hparams.l2) if hparams.l2 > 0 and hparams.optimizer != "adamw" else None


_HEADS: dict[str, Callable[[], layers.Layer]] = {
    "flatten": layers.Flatten,
    "gap": layers.GlobalAveragePooling2D,
    "gmp": layers.GlobalMaxPooling2D,
}
_POOLING: dict[str, Callable[[int], layers.Layer]] = {
    "max": layers.MaxPooling2D,
    "average": layers.AveragePooling2D,
}
