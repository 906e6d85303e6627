"""How a graph computes what a model says: in which numbers, and by which operations, settled while it is traced.

The model stays plain Keras in float32: its weights, its validation, the file that is saved. Graphs that are traced
inside ``computing`` alone differ, so nothing of it can be seen from outside but the speed.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf

from leukmodels.model.backbones.blocks import every_layer
from leukmodels.model.layers import AreaResizing, Augmentation, ColourMode, EdgeFilter
from leukmodels.training.precision import Precision

# Pixels 0..255 just fit into bfloat16; what is done to them before the first convolution does not.
_EXACT = (
    keras.layers.InputLayer,
    keras.layers.Rescaling,
    keras.layers.Normalization,  # of EfficientNetV2B0
    AreaResizing,
    Augmentation,
    EdgeFilter,
    ColourMode,
)


@contextmanager
def computing(model: keras.Model, precision: Precision) -> Iterator[None]:
    """Have graphs of the model's training that are traced meanwhile compute in ``precision``, and fused.

    With bfloat16 the layers between what is done to pixels and the probability take and return 16-bit maps: these two
    are float32, as are statistics, gradients of weights and their updates. The model is afterwards as it was.
    """
    layers = list(every_layer(model))
    policies = [layer.dtype_policy for layer in layers]
    normalisations = [layer for layer in layers if _can_be_fused(layer)]
    try:
        for layer in layers[:-1] if precision == "bfloat16" else ():
            if not isinstance(layer, _EXACT):
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
    """Return whether a layer normalises by the batch in training: one that is frozen goes by what it knows."""
    return isinstance(layer, keras.layers.BatchNormalization) and layer.trainable and layer.input_spec.ndim == 4


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
