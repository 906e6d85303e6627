"""The layers of a model, and the blocks of a body: what can be loaded, frozen, or trained more slowly."""

import math
import re
from collections.abc import Iterator, Mapping

import keras

from leukmodels.hparams import MOST_BLOCKS, HyperParams

_NAMED = re.compile(r"block(\d+)_")


def block_of(body: keras.Model) -> Mapping[str, int]:
    """Return layer name -> its block, from 1.

    A layer of a body from scratch says it in its name; what comes before the first block is of the first. In a
    pre-trained network a block ends where the map is halved, MOST_BLOCKS at the most: five halvings make 224 px 7.
    """
    ours = any(_NAMED.match(layer.name) for layer in body.layers)
    blocks, block = {}, 1
    for layer in body.layers:
        if ours:
            named = _NAMED.match(layer.name)
            block = int(named[1]) if named else block
        elif (side := _side(layer)) > 1:  # squeeze-and-excitation looks at one value a channel, and is of the block
            block = max(block, min(round(math.log2(body.input_shape[1] / side)), MOST_BLOCKS))
        blocks[layer.name] = block
    return blocks


def count_blocks(body: keras.Model) -> int:
    """Return how many blocks a body has."""
    return max(block_of(body).values())


def freeze(body: keras.Model, hparams: HyperParams) -> None:
    """Keep the first hparams.frozen_blocks blocks, of those that were loaded, as they are."""
    last = min(hparams.frozen_blocks, _loaded(hparams))
    blocks = block_of(body)
    for layer in body.layers:
        layer.trainable = blocks[layer.name] > last


def slowed(body: keras.Model, hparams: HyperParams) -> list[keras.Variable]:
    """Return the variables that train at hparams.loaded_rate: those of loaded blocks that are not frozen."""
    if hparams.backbone == "cnn" or hparams.loaded_rate == 1:
        return []
    blocks = block_of(body)
    return [
        variable
        for layer in body.layers
        if blocks[layer.name] <= _loaded(hparams)
        for variable in layer.trainable_variables
    ]


def every_layer(model: keras.Model) -> Iterator[keras.layers.Layer]:
    """Yield the layers of a model and of the models inside it."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from every_layer(layer)
        else:
            yield layer


def _loaded(hparams: HyperParams) -> int:
    """Return how many blocks were loaded: none from scratch, of a pre-trained network all."""
    return {"cnn": 0, "base": hparams.loaded_blocks}.get(hparams.backbone, MOST_BLOCKS)


def _side(layer: keras.layers.Layer) -> int:
    shape = layer.output.shape
    return int(shape[1]) if len(shape) == 4 and shape[1] is not None else 1
