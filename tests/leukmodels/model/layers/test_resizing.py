"""Smaller images inside the model."""

from pathlib import Path

import keras
import numpy as np
import pytest

from leukmodels.model.layers import AreaResizing
from leukmodels.process import tensorflow_runtime

tensorflow_runtime.start(threads=1)
pytestmark = pytest.mark.keras

IMAGES = np.random.default_rng(0).uniform(0, 1, (2, 12, 12, 3)).astype(np.float32)


@pytest.mark.parametrize("side", [12, 6, 4, 3, 1])
def test_whole_factors_are_plain_means(side: int) -> None:
    step = 12 // side
    expected = IMAGES.reshape(2, side, step, side, step, 3).mean(axis=(2, 4))
    np.testing.assert_allclose(np.asarray(AreaResizing(side=side)(IMAGES)), expected, rtol=1e-5)


@pytest.mark.parametrize("side", [9, 7, 5])
def test_other_factors_are_the_mean_of_the_area_that_a_pixel_covers(side: int) -> None:
    """Each pixel repeated side times either way, then plain means over 12 of them."""
    fine = IMAGES.repeat(side, axis=1).repeat(side, axis=2)
    expected = fine.reshape(2, side, 12, side, 12, 3).mean(axis=(2, 4))
    np.testing.assert_allclose(np.asarray(AreaResizing(side=side)(IMAGES)), expected, rtol=1e-5)


def test_it_comes_back_from_its_file(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((12, 12, 3)), AreaResizing(side=9)])
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(np.asarray(loaded(IMAGES)), np.asarray(model(IMAGES)))


def test_a_side_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="side is 0"):
        AreaResizing(side=0)
