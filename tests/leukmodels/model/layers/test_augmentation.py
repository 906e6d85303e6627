"""The shares of an augmentation; what it does as a whole is in test_build.py, where the model calls it."""

import keras
import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf

from leukmodels.model.layers import Augmentation
from leukmodels.process import tensorflow_runtime

tensorflow_runtime.start(threads=1)
pytestmark = pytest.mark.keras

NOTHING = {"rotation": 0.0, "brightness": 0.0, "contrast": 0.0, "tint": 0.0}
# One image of medium light, whose corners are told apart, many times.
IMAGES = np.repeat(np.random.default_rng(0).uniform(0.4, 0.6, (1, 6, 6, 3)).astype(np.float32), 300, axis=0)


def augmented(images: npt.NDArray[np.float32], **shares: float) -> npt.NDArray[np.float32]:
    layer = Augmentation(strength=1.0, black_background=False, **{**NOTHING, **shares})
    return np.asarray(layer(images, training=True))


def unflipped(images: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the images turned back to what each was a mirror image of: the pattern of their first colour tells."""
    kinds = [images, images[:, ::-1], images[:, :, ::-1], images[:, ::-1, ::-1]]
    pattern = IMAGES[0, ..., 0] - IMAGES[0, ..., 0].mean()
    alike = [(kind[..., 0] * pattern).sum(axis=(1, 2)) for kind in kinds]
    return np.choose(np.argmax(alike, axis=0)[:, None, None, None], kinds)


def test_without_any_share_images_are_only_mirrored() -> None:
    found = augmented(IMAGES)
    np.testing.assert_array_equal(unflipped(found), IMAGES)
    assert len(np.unique(found, axis=0)) == 4


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_brightness_is_one_factor_an_image(share: float) -> None:
    factors = unflipped(augmented(IMAGES, brightness=share)) / IMAGES
    np.testing.assert_allclose(factors, np.broadcast_to(factors[:, :1, :1, :1], factors.shape), rtol=1e-5)
    assert 0.9 * 0.2 * share < np.abs(factors - 1).max() <= 0.2 * share + 1e-5


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_colour_is_one_factor_a_channel(share: float) -> None:
    factors = unflipped(augmented(IMAGES, tint=share)) / IMAGES
    np.testing.assert_allclose(factors, np.broadcast_to(factors[:, :1, :1], factors.shape), rtol=1e-5)
    assert np.abs(factors[..., 0] - factors[..., 1]).max() > 0.1 * share
    assert 0.9 * 0.1 * share < np.abs(factors - 1).max() <= 0.1 * share + 1e-5


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_contrast_stretches_an_image_about_its_mean(share: float) -> None:
    found = unflipped(augmented(IMAGES, contrast=share))
    np.testing.assert_allclose(found.mean(axis=(1, 2, 3)), IMAGES.mean(axis=(1, 2, 3)), rtol=1e-5)
    stretch = found.std(axis=(1, 2, 3)) / IMAGES.std(axis=(1, 2, 3))
    assert 0.9 * 0.2 * share < np.abs(stretch - 1).max() <= 0.2 * share + 1e-5


@pytest.mark.parametrize(("share", "most"), [(1.0, 90), (0.25, 45)])
def test_rotation_turns_by_no_more_than_its_share_of_180_degrees(share: float, most: float) -> None:
    """A spot to the right of the middle is looked for again; mirrored or not, its angle to that axis is 0 to 90."""
    images = np.zeros((200, 33, 33, 3), np.float32)
    images[:, 15:18, 28:31] = 1
    spots = augmented(images, rotation=share)[..., 0]
    place = np.arange(-16, 17)
    down, right = (spots.sum(axis=axis) @ place for axis in (2, 1))
    angles = np.degrees(np.arctan2(np.abs(down), np.abs(right)))
    assert 0.9 * most < angles.max() <= most + 2
    assert angles.mean() == pytest.approx(most / 2, rel=0.15)


def test_images_are_turned_in_the_layers_own_compute_type() -> None:
    """Whatever the policy of the process is: bfloat16 would leave three digits of each pixel."""
    for dtype, computed in (("float32", tf.float32), ("mixed_bfloat16", tf.bfloat16)):
        layer = Augmentation(strength=1.0, black_background=False, dtype=dtype, **NOTHING | {"rotation": 1.0})
        assert layer(IMAGES[:2], training=True).dtype == computed


def test_what_has_no_share_is_not_in_the_graph() -> None:
    def kinds(**shares: float) -> list[str]:
        layer = Augmentation(strength=1.0, black_background=False, **{**NOTHING, **shares})
        signature = [tf.TensorSpec((None, 8, 8, 3))]
        graph = tf.function(lambda images: layer(images, training=True), signature, autograph=False)
        return [operation.type for operation in graph.get_concrete_function().graph.get_operations()]

    def draws(**shares: float) -> int:
        return sum(kind.startswith("StatelessRandomUniform") for kind in kinds(**shares))

    assert draws() == 2
    assert {share: draws(**{share: 1.0}) for share in NOTHING} == dict.fromkeys(NOTHING, 3)
    assert "ImageProjectiveTransformV3" in kinds(rotation=1.0)
    assert not {"ImageProjectiveTransformV3", "Mean", "ClipByValue", "Maximum"} & {*kinds()}


def test_the_same_seed_draws_what_it_always_drew() -> None:
    """In this order: both flips, then contrast, brightness and colour. A study that is resumed counts on it."""
    images = np.random.default_rng(1).uniform(0, 1, (5, 6, 6, 3)).astype(np.float32)
    layer = Augmentation(strength=0.8, black_background=False, rotation=0.0)
    again = keras.random.SeedGenerator(0)
    again.state.assign(layer.seed_generator.state)
    found = np.asarray(layer(images, training=True))
    flips = [np.asarray(keras.random.uniform((5, 1, 1, 1), seed=again)).ravel() < 0.4 for _ in range(2)]
    ranges = [(1, 0.2), (1, 0.2), (3, 0.1)]
    contrast, brightness, colour = (
        np.asarray(keras.random.uniform((5, 1, 1, channels), 1 - 0.8 * bound, 1 + 0.8 * bound, seed=again))
        for channels, bound in ranges
    )
    for i, image in enumerate(images):
        upright = image[::-1] if flips[0][i] else image
        upright = upright[:, ::-1] if flips[1][i] else upright
        stretched = (upright - upright.mean()) * contrast[i] + upright.mean()
        np.testing.assert_allclose(found[i], np.clip(stretched * brightness[i] * colour[i], 0, 1), atol=1e-5)
    assert not np.allclose(found, np.asarray(layer(images, training=True)))
