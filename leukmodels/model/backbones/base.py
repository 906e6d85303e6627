"""The body of a model that was trained before, on another leukemia perhaps: its architecture, and some of its weights.

Its image filters come along; its augmentation and head do not.
"""

from dataclasses import replace

import keras

import leukmodels.model.layers  # noqa: F401  registers what the model may hold
from leukmodels.errors import ConfigError
from leukmodels.model.backbones.blocks import block_of
from leukmodels.model.backbones.cnn import cnn
from leukmodels.model.backbones.pretrained import pretrained
from leukmodels.model.weights import Weights
from leukmodels.space.hyperparameters import HyperParams


def base(weights: Weights, hparams: HyperParams, *, image_px: int, black_background: bool) -> keras.Model:
    """Return the base model's body for images of image_px, with its weights in the first hparams.loaded_blocks blocks.

    The other blocks are drawn anew. Kernels are penalised as hparams say. ConfigError for a file that holds no model of
    this software, or another one than its hyperparameters say.
    """
    own = HyperParams.from_dict(weights.hyperparameters)
    if own.backbone == "cnn":
        own = replace(own, l1=hparams.l1, l2=hparams.l2, optimizer=hparams.optimizer)
        body = cnn(own, image_px=image_px, black_background=black_background)
    else:
        body = pretrained(own.backbone, Weights(path=None, sha256=""), image_px=image_px)
    blocks = block_of(body)
    # By their order: Keras numbers the layers of a pre-trained network anew in every process.
    layers = [layer for layer in body.layers if layer.weights]
    trained = [layer.get_weights() for layer in _trained(weights).layers if layer.weights]
    try:
        for layer, values in zip(layers, trained, strict=True):
            if blocks[layer.name] <= hparams.loaded_blocks:
                layer.set_weights(values)
    except ValueError as error:  # another number of layers, or other shapes
        raise ConfigError(f"{weights.path} holds another model than its hyperparameters say:", [str(error)]) from error
    return body


def _trained(weights: Weights) -> keras.Model:
    """Return the trained body in the file."""
    path = weights.checked()
    try:
        body: keras.Model = keras.saving.load_model(path, compile=False, safe_mode=True).get_layer("body")
    except Exception as error:  # Keras raises anything from OSError to KeyError on damaged files
        raise ConfigError(f"{path} is no model of this software:", [str(error).partition("\n")[0]]) from error
    return body
