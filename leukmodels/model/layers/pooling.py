"""Pooling that Keras does not have."""

import keras
import numpy as np
from keras import ops

_BINOMIAL = np.outer([1, 2, 1], [1, 2, 1]) / 16


@keras.saving.register_keras_serializable(package="leukmodels")
class BlurPool2D(keras.layers.Layer):
    """Halves maps (n, h, w, c) to (n, ceil(h/2), ceil(w/2), c), each channel blurred first; h and w are 2 or more.

    The binomial 3x3 filter in steps of 2, the frame mirrored: every second pixel alone would take fine texture for
    coarse, and the answer would change as the cell moves by a pixel (Zhang 2019, arXiv:1904.11486).
    """

    def build(self, shape: tuple[int | None, int | None, int | None, int]) -> None:
        """Lay out the fixed filter for each channel."""
        self.kernel = np.tile(_BINOMIAL[:, :, None, None], (1, 1, shape[-1], 1))

    def call(self, maps: keras.KerasTensor) -> keras.KerasTensor:
        """Return the maps at half their side."""
        framed = ops.pad(maps, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect")
        return ops.depthwise_conv(framed, ops.convert_to_tensor(self.kernel, self.compute_dtype), strides=2)
