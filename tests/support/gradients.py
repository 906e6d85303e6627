"""Gradients as TensorFlow finds them, against finite differences."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

Function = Callable[[tf.Tensor], tf.Tensor]


def gradient(function: Function, at: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the gradient of a function to a scalar, of the shape and type of ``at``."""
    point = tf.constant(at)
    with tf.GradientTape() as tape:
        tape.watch(point)
        value = function(point)
    return tape.gradient(value, point).numpy()


def finite_differences(function: Function, at: npt.NDArray[Any], step: float) -> npt.NDArray[np.float64]:
    """Return the same by two values of the function for each entry of ``at``."""
    found = np.zeros(at.shape)
    for index in np.ndindex(at.shape):
        shift = np.zeros_like(at)
        shift[index] = step
        found[index] = (float(function(tf.constant(at + shift))) - float(function(tf.constant(at - shift)))) / (
            2 * step
        )
    return found
