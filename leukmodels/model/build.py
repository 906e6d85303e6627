"""HyperParams to keras.Model: from pixels 0..255 to the probability of leukemia.

    images -> rescaling -> augmentation -> resizing -> body (leukmodels.model.backbones) -> head -> probability

All of it lies inside the model, so that training and serving cannot differ and every batch is augmented anew;
augmentation layers pass images through outside training. The default has the layers of the published CNN; only its
batch normalisation differs, with a momentum of 0.9 and statistics that are estimated again after each epoch
(normalisation.settle).
"""

import math
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import keras
from keras import layers

from leukmodels.errors import ConfigError
from leukmodels.model.backbones.base import base
from leukmodels.model.backbones.blocks import freeze
from leukmodels.model.backbones.cnn import Tensor, cnn, halved, penalty
from leukmodels.model.backbones.pretrained import pretrained
from leukmodels.model.layers import AreaResizing, Augmentation
from leukmodels.model.weights import SMALLEST_PX, Weights, where_from
from leukmodels.space.hyperparameters import BASE, PRETRAINED, HyperParams

# Two wide blocks leave a map of 331,776 values of 144 px: 85 million weights to a dense layer of 256. The default's map
# (41,472 at 144 px) is far from the cap, and with it no dense layer has more than 17 million weights there.
MAX_FLATTENED = 65_536

NO_WEIGHTS: Mapping[str, Weights] = MappingProxyType({})


def load(path: Path) -> keras.Model:
    """Return a saved model, in Keras' safe mode: nothing in the file can run code."""
    model: keras.Model = keras.saving.load_model(path, compile=False, safe_mode=True)
    return model


def build(
    hparams: HyperParams, *, image_px: int, black_background: bool, weights: Mapping[str, Weights] = NO_WEIGHTS
) -> keras.Model:
    """Return the uncompiled model of one configuration.

    Input (n, image_px, image_px, 3), uint8 or float, 0..255; output (n, 1), float32 probability of leukemia.
    What is not in ``weights`` (of the base model and of pre-trained backbones, by name) draws from Keras' global seed
    (runtime.seed_everything), augmentation too. ConfigError where the weights cannot be used.
    """
    images = keras.Input((image_px, image_px, 3), name="images")
    x = layers.Rescaling(1 / 255, name="rescaling")(images)
    if hparams.augmentation > 0:
        x = Augmentation(
            strength=hparams.augmentation,
            rotation=hparams.rotation,
            brightness=hparams.brightness,
            contrast=hparams.contrast,
            tint=hparams.tint,
            black_background=black_background,
            name="augmentation",
        )(x)
    if (side := working_px(hparams, image_px, weights)) != image_px:
        x = AreaResizing(side=side, name="resizing")(x)
    x = _body(hparams, side, black_background, weights)(x)
    if hparams.head == "flatten":
        while math.prod(x.shape[1:]) > MAX_FLATTENED:
            x = halved(x, hparams.pooling)
    x = _vector(x, hparams.head)
    x = layers.Dense(
        hparams.dense_units, activation=hparams.activation, kernel_regularizer=penalty(hparams), name="dense"
    )(x)
    if hparams.dropout > 0:
        x = layers.Dropout(hparams.dropout, name="dropout")(x)
    # float32 whatever the compute type: a bfloat16 probability has three digits.
    probability = layers.Dense(1, activation="sigmoid", dtype="float32", name="leukemia")(x)
    return keras.Model(images, probability, name="leukemia")


def working_px(hparams: HyperParams, image_px: int, weights: Mapping[str, Weights] = NO_WEIGHTS) -> int:
    """Return the side of the images that the body gets, in pixels; pre-trained networks need SMALLEST_PX."""
    made = weights[BASE].hyperparameters.get("backbone") if hparams.backbone == BASE and BASE in weights else None
    network = {hparams.backbone, made} & {*PRETRAINED}
    return max(round(hparams.resolution * image_px), min(image_px, SMALLEST_PX) if network else 1)


def _body(hparams: HyperParams, px: int, black_background: bool, weights: Mapping[str, Weights]) -> keras.Model:
    if hparams.backbone == "cnn":
        return cnn(hparams, image_px=px, black_background=black_background)
    if hparams.backbone not in weights:
        what = "Give the base model." if hparams.backbone == BASE else where_from(hparams.backbone)
        raise ConfigError(f"There are no weights for the backbone {hparams.backbone}:", [what])
    given = weights[hparams.backbone]
    if hparams.backbone == BASE:
        body = base(given, hparams, image_px=px, black_background=black_background)
    else:
        body = pretrained(hparams.backbone, given, image_px=px)
    freeze(body, hparams)
    return body


def _vector(x: Tensor, head: str) -> Tensor:
    """Return a feature map as a vector an image."""
    match head:
        case "flatten":
            return layers.Flatten(name="flatten")(x)
        case "gap":
            return layers.GlobalAveragePooling2D(name="average")(x)
        case "gmp":
            return layers.GlobalMaxPooling2D(name="maximum")(x)
    both = [layers.GlobalAveragePooling2D(name="average")(x), layers.GlobalMaxPooling2D(name="maximum")(x)]
    return layers.Concatenate(name="both")(both)
