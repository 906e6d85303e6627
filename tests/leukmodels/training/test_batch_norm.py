"""Batch normalisation's statistics after an epoch."""

import keras
import numpy as np
import pytest

from leukmodels.model.backbones.blocks import every_layer
from leukmodels.model.build import build
from leukmodels.process import tensorflow_runtime
from leukmodels.training import batch_norm
from toy_cells import cells, images_of, tiny

tensorflow_runtime.start(threads=1)
pytestmark = pytest.mark.keras


def test_settled_statistics_are_plain_means_over_the_batches_under_frozen_weights() -> None:
    model = build(tiny(), image_px=8, black_background=False)
    first, second = (layer for layer in every_layer(model) if isinstance(layer, keras.layers.BatchNormalization))
    statistics = [first.moving_mean, first.moving_variance, second.moving_mean, second.moving_variance]
    for variable in statistics:
        variable.assign(keras.ops.full(variable.shape, 1e3))  # nothing of what was there before may stay
    frozen = [variable.numpy() for variable in model.trainable_variables]
    images = images_of(cells(n=37))
    batches = [images[start : start + 16] for start in (0, 16, 32)]
    settling = batch_norm.compiled_settling(model)
    assert settling
    batch_norm.recalibrate(settling, batches)
    into = keras.Model(model.get_layer("body").input, first.input)
    maps = [np.asarray(into(batch / np.float32(255))) for batch in batches]
    means = [batch.mean(axis=(0, 1, 2)) for batch in maps]
    variances = [batch.var(axis=(0, 1, 2)) for batch in maps]
    np.testing.assert_allclose(first.moving_mean.numpy(), np.mean(means, axis=0), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(first.moving_variance.numpy(), np.mean(variances, axis=0), rtol=1e-4, atol=1e-6)
    assert np.abs(second.moving_mean.numpy()).max() < 100
    assert [first.momentum, second.momentum] == [0.9, 0.9]
    assert all((a == b.numpy()).all() for a, b in zip(frozen, model.trainable_variables, strict=True))


def test_a_model_without_batch_normalisation_has_nothing_to_settle() -> None:
    model = build(tiny(normalisation="layer"), image_px=8, black_background=False)
    assert batch_norm.compiled_settling(model) is None


def test_statistics_of_frozen_layers_stay_as_they_are() -> None:
    model = build(tiny(), image_px=8, black_background=False)
    first, second = (layer for layer in every_layer(model) if isinstance(layer, keras.layers.BatchNormalization))
    first.trainable = False
    images = images_of(cells(n=16))
    settling = batch_norm.compiled_settling(model)
    assert settling
    batch_norm.recalibrate(settling, [images])
    assert np.abs(first.moving_mean.numpy()).max() == 0
    assert np.abs(second.moving_mean.numpy()).max() > 0
