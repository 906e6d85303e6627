import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from gradients import finite_differences, gradient
from leukmodels.model.layers import BlurPool2D
from leukmodels.process import tensorflow_runtime

tensorflow_runtime.start(threads=1)
pytestmark = pytest.mark.keras

Maps = npt.NDArray[np.float32]


def maps(h: int, w: int, channels: int = 2) -> Maps:
    return np.random.default_rng([h, w, channels]).normal(size=(2, h, w, channels)).astype(np.float32)


def pooled(some: Maps) -> Maps:
    return np.asarray(BlurPool2D()(some))


@given(h=st.integers(2, 7), w=st.integers(2, 7), channels=st.integers(1, 3))
@settings(max_examples=20)
def test_every_second_pixel_is_a_binomial_mean_of_its_neighbours(h: int, w: int, channels: int) -> None:
    some = maps(h, w, channels)
    found = pooled(some)
    assert found.shape == (2, -(-h // 2), -(-w // 2), channels)
    for n, y, x, c in np.ndindex(found.shape):
        total = 0.0
        for down, a in ((-1, 1), (0, 2), (1, 1)):
            for right, b in ((-1, 1), (0, 2), (1, 1)):
                row, column = abs(2 * y + down), abs(2 * x + right)
                row, column = min(row, 2 * (h - 1) - row), min(column, 2 * (w - 1) - column)
                total += a * b * float(some[n, row, column, c])
        assert found[n, y, x, c] == pytest.approx(total / 16, abs=1e-5)


def test_the_finest_texture_does_not_alias() -> None:
    """A chessboard is grey from afar; every second pixel of it alone is white."""
    y, x = np.indices((8, 8))
    chessboard = ((y + x) % 2 == 0).astype(np.float32)[None, ..., None]
    assert (chessboard[:, ::2, ::2] == 1).all()
    np.testing.assert_array_equal(pooled(chessboard), 0.5)


def test_gradients_are_those_of_finite_differences() -> None:
    layer, some = BlurPool2D(), maps(5, 4)[:1]
    weights = maps(3, 2)[:1]

    def value(at: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(tf.cast(layer(at) * weights, tf.float64))

    np.testing.assert_allclose(gradient(value, some), finite_differences(value, some, 0.5), atol=1e-5)
