"""The layers of a model, and the blocks of a body: what can be loaded, frozen, or trained more slowly."""

import re
from collections.abc import Iterator, Mapping

import keras

from leukmodels.space.hyperparameters import BASE, MOST_BLOCKS, HyperParams

_NAMED = re.compile(r"block(\d+)_")


def block_of(body: keras.Model) -> Mapping[str, int]:
    """Return layer name -> its block, from 1.

    A layer of a body from scratch says it in its name; what comes before the first block is of the first. In a
    pre-trained network a block ends where the map is halved for the next time, MOST_BLOCKS at the most.
    """
    blocks: dict[str, int] = {}
    for operation in body.operations:  # layers, and what is added or multiplied between them
        before = max((blocks[name] for name in _parents(operation)), default=0)
        named = _NAMED.match(operation.name)
        blocks[operation.name] = int(named[1]) if named else before + _halves(operation)
    return {name: min(max(block, 1), MOST_BLOCKS) for name, block in blocks.items()}


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
    return {"cnn": 0, BASE: hparams.loaded_blocks}.get(hparams.backbone, MOST_BLOCKS)


def _parents(operation: keras.Operation) -> list[str]:
    """Return the operations whose output one takes."""
    if isinstance(operation, keras.layers.InputLayer):
        return []
    taken = operation.input if isinstance(operation.input, list) else [operation.input]
    return [tensor._keras_history.operation.name for tensor in taken]


def _halves(operation: keras.Operation) -> bool:
    return max(getattr(operation, "strides", (1,))) > 1
