"""How a graph computes what a model says: in which numbers, and by which operations, settled while it is traced.

The model stays plain Keras in float32: its weights, its validation, the file that is saved. Graphs that are traced
inside ``computing`` alone differ, so nothing of it can be seen from outside but the speed.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal, TypeAlias

import keras
import tensorflow as tf

Precision: TypeAlias = Literal["float32", "bfloat16"]


@contextmanager
def computing(model: keras.Model, precision: Precision) -> Iterator[None]:
    """Have graphs of the model's training that are traced meanwhile compute in ``precision``, and fused.

    With bfloat16 the layers from the first that learns to the last but one take and return 16-bit maps: what is done to
    pixels before, and the probability, are float32, as are statistics, gradients of weights and their updates. The
    model is afterwards as it was.
    """
    layers, policies = model.layers, [layer.dtype_policy for layer in model.layers]
    normalisations = [layer for layer in layers if _can_be_fused(layer)]
    first = next(place for place, layer in enumerate(layers) if layer.trainable_weights)
    try:
        for layer in layers[first:-1] if precision == "bfloat16" else ():
            layer.dtype_policy = "mixed_bfloat16"
        for layer in normalisations:
            layer.call = _fused(layer)
        yield
    finally:
        for layer in normalisations:
            del layer.call
        for layer, policy in zip(layers, policies, strict=True):
            layer.dtype_policy = policy


def _can_be_fused(layer: keras.layers.Layer) -> bool:
    return isinstance(layer, keras.layers.BatchNormalization) and layer.input_spec.ndim == 4


def _fused(layer: keras.layers.BatchNormalization) -> Callable[..., Any]:
    """Return batch normalisation in training as one operation.

    Keras 3 writes it as a dozen, each of which walks through the whole map in float32, and TensorFlow as many again for
    its gradient: a quarter of a step's time in float32, and almost half of one in bfloat16.
    """

    def call(maps: tf.Tensor, training: bool | None = None, mask: None = None) -> tf.Tensor:
        assert training, "evaluation goes by the layer's own call"
        normalised, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            maps, layer.gamma, layer.beta, epsilon=layer.epsilon, is_training=True
        )
        values = tf.cast(tf.size(maps) // tf.shape(maps)[-1], tf.float32)
        biased = variance * (values - 1) / values  # as Keras and the normalisation itself take it
        for moving, now in ((layer.moving_mean, mean), (layer.moving_variance, biased)):
            moving.assign(moving * layer.momentum + now * (1 - layer.momentum))
        return normalised

    return call
