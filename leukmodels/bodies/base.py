"""The body of a model that was trained before, on another leukemia perhaps: its architecture, and some of its weights.

Its image filters come along; its augmentation and head do not.
"""

from typing import Any

import keras

import leukmodels.layers  # noqa: F401  registers what the model may hold
from leukmodels.bodies.blocks import block_of
from leukmodels.bodies.cnn import penalty
from leukmodels.errors import ConfigError
from leukmodels.hparams import HyperParams
from leukmodels.weights import Weights


def base(weights: Weights, hparams: HyperParams, *, image_px: int) -> keras.Model:
    """Return the base model's body for images of image_px, with its weights in the first hparams.loaded_blocks blocks.

    The other blocks are drawn anew. ConfigError for a file that holds no model of this software.
    """
    trained = read_body(weights)
    blocks = block_of(trained)
    body = keras.Model.from_config(_adapted(trained.get_config(), hparams, image_px))
    for layer in body.layers:
        if blocks[layer.name] <= hparams.loaded_blocks:
            layer.set_weights(trained.get_layer(layer.name).get_weights())
    return body


def read_body(weights: Weights) -> keras.Model:
    """Return the trained body in a file; ConfigError where there is none."""
    path = weights.checked()
    try:
        body: keras.Model = keras.saving.load_model(path, compile=False, safe_mode=True).get_layer("body")
    except Exception as error:  # Keras raises anything from OSError to KeyError on damaged files
        raise ConfigError(f"{path} is no model of this software:", [str(error).partition("\n")[0]]) from error
    return body


def _adapted(config: dict[str, Any], hparams: HyperParams, image_px: int) -> dict[str, Any]:
    """Return a body's configuration for images of another side, with the penalty of these hyperparameters."""
    penalised = keras.regularizers.serialize(penalty(hparams)) if penalty(hparams) else None
    for layer in config["layers"]:
        told = layer["config"]
        if layer["class_name"] == "InputLayer":
            told["batch_shape"] = (None, image_px, image_px, 3)
        # Kernels are penalised where they were: biases and depthwise filters are not, here as in a body from scratch.
        for name in {"Conv2D": ("kernel_regularizer",), "SeparableConv2D": ("pointwise_regularizer",)}.get(
            layer["class_name"], ()
        ):
            told[name] = penalised
    return config
