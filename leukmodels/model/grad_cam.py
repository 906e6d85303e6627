"""Where a model looks: Grad-CAM, and how much of it lies within the cell.

Selvaraju et al. 2017, "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization",
doi:10.1109/ICCV.2017.74. It shows where a model finds what speaks for leukemia, as coarsely as its body's feature map,
and where the head is flattened without what the head makes of each place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

Heat = npt.NDArray[np.float32]

_BATCH = 64


def grad_cam(model: keras.Model, images: npt.NDArray[np.uint8]) -> Heat:
    """Return where a model of model.build finds what speaks for leukemia: (n, px, px) of images (n, px, px, 3).

    Each channel of the body's feature map is weighed by the mean gradient of the logit (equation 1; the probability's
    own gradient vanishes where the model is sure), and of the sum what is above 0 is kept (equation 2). Scaled up to
    the images bilinearly. The highest value of an image is 1; where nothing speaks for leukemia, all of it is 0.
    """
    import tensorflow as tf

    parts = _parts(model)
    signature = [tf.TensorSpec(model.input_shape, tf.uint8)]
    graph = tf.function(lambda batch: _heat(*parts, batch), signature, autograph=False)
    heat = np.empty(images.shape[:3], np.float32)
    for first in range(0, len(images), _BATCH):
        heat[first : first + _BATCH] = graph(images[first : first + _BATCH]).numpy()
    return heat


def heat_inside(heat: Heat, masks: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Return the share of each image's heat that lies in its mask, (n,); both are (n, px, px).

    Heat that is the same everywhere has the mask's share of the area. NaN where there is no heat at all.
    """
    total = heat.sum(axis=(1, 2), dtype=np.float64)
    inside = (heat * masks).sum(axis=(1, 2), dtype=np.float64)
    shares: npt.NDArray[np.float64] = np.divide(inside, total, out=np.full(len(heat), np.nan), where=total > 0)
    return shares


def _parts(model: keras.Model) -> tuple[keras.Model, keras.Model, keras.Variable]:
    """Return what makes the feature map of images, what makes the last layer's input of the map, and its kernel.

    The map is named as what the layer after the body takes: `body.output` belongs to another graph, the body's own.
    """
    import keras

    body, last = model.get_layer("body"), model.get_layer("leukemia")
    features = model.layers[model.layers.index(body) + 1].input
    return keras.Model(model.input, features), keras.Model(features, last.input), last.kernel


def _heat(features: keras.Model, head: keras.Model, kernel: keras.Variable, images: tf.Tensor) -> tf.Tensor:
    import tensorflow as tf

    maps = features(images, training=False)
    with tf.GradientTape() as tape:
        tape.watch(maps)
        logits = tf.matmul(head(maps, training=False), kernel)  # but for the bias, which has no gradient
    weights = tf.reduce_mean(tape.gradient(logits, maps), axis=(1, 2), keepdims=True)
    heat = tf.nn.relu(tf.reduce_sum(weights * maps, axis=-1, keepdims=True))
    heat = tf.image.resize(heat, images.shape[1:3])[..., 0]
    return tf.math.divide_no_nan(heat, tf.reduce_max(heat, axis=(1, 2), keepdims=True))
