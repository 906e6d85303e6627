"""Smaller images inside the model."""

import keras
import numpy as np
import numpy.typing as npt
from keras import ops


@keras.saving.register_keras_serializable(package="leukmodels")
class AreaResizing(keras.layers.Layer):
    """Makes images (n, h, w, c) smaller: (n, side, side, c), each pixel the mean of the area that it covers.

    Two products of matrices, which every device has. (Keras' Resizing with antialias is a tent filter, which blurs
    more, and TensorFlow computes it on processors only: a GPU would wait for each batch.)
    """

    def __init__(self, *, side: int, **kwargs: object) -> None:
        super().__init__(**kwargs)
        if side < 1:
            raise ValueError(f"side is {side!r}; allowed: 1 or more, in px.")
        self.side = side

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Lay out what each pixel takes of a column and of a row."""
        self.shares = [_shares(int(before or 0), self.side) for before in shape[1:3]]

    def call(self, images: keras.KerasTensor) -> keras.KerasTensor:
        """Return the smaller images."""
        columns, rows = (ops.convert_to_tensor(shares, self.compute_dtype) for shares in self.shares)
        return ops.einsum("yh,nhwc,xw->nyxc", columns, images, rows)

    def get_config(self) -> dict[str, object]:
        """Return what rebuilds the layer."""
        return {**super().get_config(), "side": self.side}


def _shares(before: int, after: int) -> npt.NDArray[np.float32]:
    """Return how much of each of the pixels of a row goes into each of the new ones, (after, before); rows sum to 1."""
    edges = np.arange(after + 1) * before / after
    pixels = np.arange(before)
    covered = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    return np.asarray(np.clip(covered, 0, 1) * after / before, dtype=np.float32)
