"""A model made ready to train."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from leukmodels.model.backbones.blocks import every_layer
from leukmodels.model.build import build
from leukmodels.process import tensorflow_runtime
from leukmodels.training import compiled
from toy_cells import cells, images_of, tiny

tensorflow_runtime.start(threads=1)
pytestmark = pytest.mark.keras


def test_each_step_trains_on_pixels_that_are_augmented_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins a fault of earlier work: augmentation drawn once, while a graph was traced, and frozen in it."""
    model = build(tiny(augmentation=1.0), image_px=8, black_background=False)
    compiled.compile_model(model, tiny(), steps=1)
    first = next(layer for layer in every_layer(model) if isinstance(layer, keras.layers.Conv2D))
    convolve, seen = first.call, []

    def spy(pixels: Any) -> Any:
        tf.numpy_function(lambda found: seen.append(found.copy()), [pixels], [])
        return convolve(pixels)

    monkeypatch.setattr(first, "call", spy)
    step = compiled._compiled_step(model)
    batch = np.repeat(images_of(cells(n=1)), 16, axis=0)
    for _ in range(3):
        step(batch, np.ones((16, 1), np.float32), np.ones(16, np.float32))
    assert [pixels.shape for pixels in seen] == [(16, 8, 8, 3)] * 3
    assert all(np.abs(seen[i] - seen[j]).mean() > 0.02 for i in range(3) for j in range(i))


def test_weight_decay_spares_biases_and_normalisation() -> None:
    model = build(tiny(optimizer="adamw", l2=1e-2), image_px=8, black_background=False)
    compiled.compile_model(model, tiny(optimizer="adamw", l2=1e-2), steps=1)
    decayed = {v.name for v in model.trainable_variables if model.optimizer._use_weight_decay(v)}
    assert model.optimizer.weight_decay == pytest.approx(1e-2)
    assert decayed == {"kernel"}
