import numpy as np
import pytest

from leukmodels.model.layers import ColourMode
from leukmodels.process import tensorflow_runtime

tensorflow_runtime.start(threads=1)
pytestmark = pytest.mark.keras

IMAGES = np.random.default_rng(0).uniform(size=(2, 3, 4, 3)).astype(np.float32)


def test_gray_is_the_luma_of_bt_601() -> None:
    expected = [0.299 * r + 0.587 * g + 0.114 * b for r, g, b in IMAGES.reshape(-1, 3)]
    np.testing.assert_allclose(np.ravel(ColourMode(mode="gray")(IMAGES)), expected, atol=2e-4)


def test_green_is_the_second_channel() -> None:
    np.testing.assert_array_equal(ColourMode(mode="green")(IMAGES), IMAGES[..., [1]])


@pytest.mark.parametrize("mode", ["gray", "green"])
def test_one_channel_is_left_and_black_stays_black(mode: str) -> None:
    found = np.asarray(ColourMode(mode=mode)(np.zeros((2, 3, 4, 3), np.float32)))
    np.testing.assert_array_equal(found, np.zeros((2, 3, 4, 1)))


def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(ValueError, match="mode is 'sepia'; allowed: gray, green"):
        ColourMode(mode="sepia")


@pytest.mark.parametrize("mode", ["gray", "green"])
def test_an_image_and_its_edges_lose_their_colours_each_by_itself(mode: str) -> None:
    six = np.random.default_rng(0).uniform(0, 1, (2, 4, 4, 6)).astype(np.float32)
    both = np.asarray(ColourMode(mode=mode)(six))
    apart = [np.asarray(ColourMode(mode=mode)(six[..., at : at + 3])) for at in (0, 3)]
    np.testing.assert_array_equal(both, np.concatenate(apart, axis=-1))
