"""The body from scratch: what is seen of an image, then convolution blocks.

Layers are named after their block (``block1_...``), which is how a base model's blocks are told apart.
"""

import math
from collections.abc import Callable
from typing import TypeAlias

import keras
from keras import layers

from leukmodels.model.layers import BlurPool2D, ColourMode, EdgeFilter
from leukmodels.space.hyperparameters import HyperParams

MAX_FILTERS = 512
SMALLEST_HALVED_PX = 4

# The usual 0.99 forgets the first batches only after several hundred steps, a whole epoch here: until then evaluation
# runs on wrong statistics, and validation recall was seen to jump between 0 and 1 for eight epochs.
BATCH_NORM_MOMENTUM = 0.9

Tensor: TypeAlias = keras.KerasTensor


def cnn(hparams: HyperParams, *, image_px: int, black_background: bool) -> keras.Model:
    """Return the body of one configuration, its weights drawn from Keras' global seed."""
    images = keras.Input((image_px, image_px, 3), name="pixels")
    x = images
    if hparams.edges != "none":
        x = EdgeFilter(
            kind=hparams.edges,
            use="append" if hparams.edges == "sobel" else hparams.edges_use,
            sigma=min(hparams.edges_sigma, (image_px - 1) / 3),  # its window reaches three times as far
            black_background=black_background,
            name="edges",
        )(x)
    if hparams.colour != "rgb":  # after the edges, which must see all colours to know what is black
        x = ColourMode(mode=hparams.colour, name="colour")(x)
    for block, channels in enumerate(channels_per_block(hparams)):
        x = _block(x, block, channels, hparams)
    return keras.Model(images, x, name="body")


def channels_per_block(hparams: HyperParams) -> list[int]:
    """Return the number of filters of each block, at most MAX_FILTERS."""
    blocks = range(hparams.blocks)
    doublings = {
        "none": [0 for _ in blocks],
        "last": [int(block == hparams.blocks - 1) for block in blocks],
        "each": blocks,
    }
    return [min(hparams.filters * 2**times, MAX_FILTERS) for times in doublings[hparams.widen]]


def penalty(hparams: HyperParams) -> keras.regularizers.Regularizer | None:
    """Return the penalty of a kernel; adamw decays weights in its own step instead of L2 (optimizers.optimizer)."""
    l1, l2 = hparams.l1, 0.0 if hparams.optimizer == "adamw" else hparams.l2
    return keras.regularizers.L1L2(l1=l1, l2=l2) if l1 or l2 else None


def halved(x: Tensor, pooling: str, name: str | None = None) -> Tensor:
    """Return a feature map of half the side, pooled as blocks pool (by averages where their strides halve it)."""
    if pooling == "blur":
        return BlurPool2D(name=name)(layers.MaxPooling2D(2, strides=1, padding="same")(x))
    return _POOLING.get(pooling, layers.AveragePooling2D)(2, name=name)(x)


def _block(x: Tensor, block: int, channels: int, hparams: HyperParams) -> Tensor:
    """Convolution, normalisation, pooling; a map under SMALLEST_HALVED_PX keeps its size, so any depth builds."""
    name = f"block{block + 1}"
    halve = x.shape[1] >= SMALLEST_HALVED_PX
    strides = 2 if halve and hparams.pooling == "stride" else 1
    y = _convolution(channels, strides, hparams, separable=block > 0, name=f"{name}_convolution")(x)
    if normalisation := _normalisation(hparams.normalisation, channels, f"{name}_normalisation"):
        y = normalisation(y)
    if hparams.spatial_dropout > 0:
        y = layers.SpatialDropout2D(hparams.spatial_dropout, name=f"{name}_spatial_dropout")(y)
    if hparams.residual == "yes" and block > 0:
        if hparams.stochastic_depth > 0:
            y = layers.Dropout(hparams.stochastic_depth, noise_shape=(None, 1, 1, 1), name=f"{name}_stochastic_depth")(
                y
            )
        y = layers.Add(name=f"{name}_sum")([y, _shortcut(x, strides, channels, hparams, name)])
    return halved(y, hparams.pooling, f"{name}_pooling") if halve and hparams.pooling != "stride" else y


def _shortcut(x: Tensor, strides: int, channels: int, hparams: HyperParams, name: str) -> Tensor:
    """Return what a block gets, of the shape of what it makes."""
    if strides > 1:
        x = layers.AveragePooling2D(strides, padding="same", name=f"{name}_shortcut_pooling")(x)
    if x.shape[-1] != channels:
        x = layers.Conv2D(channels, 1, kernel_regularizer=penalty(hparams), name=f"{name}_shortcut")(x)
    return x


def _convolution(channels: int, strides: int, hparams: HyperParams, *, separable: bool, name: str) -> layers.Layer:
    common = {"strides": strides, "padding": "same", "activation": hparams.activation, "name": name}
    if separable and hparams.convolution == "separable":
        return layers.SeparableConv2D(channels, hparams.kernel, pointwise_regularizer=penalty(hparams), **common)
    return layers.Conv2D(channels, hparams.kernel, kernel_regularizer=penalty(hparams), **common)


def _normalisation(name: str, channels: int, layer_name: str) -> layers.Layer | None:
    match name:
        case "batch":
            return layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM, name=layer_name)
        case "layer":
            return layers.LayerNormalization(name=layer_name)
        case "group":
            return layers.GroupNormalization(groups=math.gcd(channels, 8), name=layer_name)
    return None


_POOLING: dict[str, Callable[..., layers.Layer]] = {
    "max": layers.MaxPooling2D,
    "average": layers.AveragePooling2D,
}
