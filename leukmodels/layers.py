"""Registered Keras layers, so that a saved model loads in safe mode."""

from typing import TypeAlias

import keras
from keras import ops

Tensor: TypeAlias = keras.KerasTensor


@keras.saving.register_keras_serializable(package="leukmodels")
class Augmentation(keras.layers.Layer):
    """Turns, flips and relights each image, anew at every call in training; otherwise passes images through.

    Images are (n, h, w, 3) in [0, 1]. Flips and any rotation are label-safe for a cell; its size is diagnostic, so
    nothing zooms. At strength 1 an image is mirrored along either axis half of the time, turned by up to 180 degrees
    either way and relit by up to 20 % in brightness, 20 % in contrast and 10 % per colour channel; below, all of these
    are in proportion (Keras' RandomFlip always mirrors half). A gain per channel stands in for Keras' hue and
    saturation layers: lamp and stain differ like that between slides, and it needs no trip to HSV and back.
    With black_background, corners that a rotation uncovers are black and black pixels stay exactly black; without it
    corners are filled by reflection.

    Keras' own random layers augment whenever nobody says training=False; wrapped here, a plain model(images) does not.
    """

    BRIGHTNESS, CONTRAST, COLOUR = 0.2, 0.2, 0.1

    def __init__(self, *, strength: float, black_background: bool, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.strength, self.black_background = strength, black_background
        self.rotation = keras.layers.RandomRotation(
            0.5 * strength, fill_mode="constant" if black_background else "reflect", fill_value=0.0
        )
        self.seed_generator = keras.random.SeedGenerator()

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Build the layer inside, as Keras asks of a layer that holds another."""
        self.rotation.build(shape)

    def call(self, images: Tensor, training: bool | None = None) -> Tensor:
        """Return images of the same shape in [0, 1]."""
        return self._relight(self.rotation(self._flip(images), training=True)) if training else images

    def get_config(self) -> dict[str, object]:
        """Return what rebuilds the layer."""
        return {**super().get_config(), "strength": self.strength, "black_background": self.black_background}

    def _flip(self, images: Tensor) -> Tensor:
        for axis in (1, 2):
            coin = keras.random.uniform((ops.shape(images)[0], 1, 1, 1), seed=self.seed_generator)
            images = ops.where(coin < 0.5 * self.strength, ops.flip(images, axis), images)
        return images

    def _relight(self, images: Tensor) -> Tensor:
        mean = ops.mean(images, axis=(1, 2, 3), keepdims=True)
        stretched = (images - mean) * self._factor(images, 1, self.CONTRAST) + mean
        gain = self._factor(images, 1, self.BRIGHTNESS) * self._factor(images, 3, self.COLOUR)
        relit = ops.clip(stretched * gain, 0.0, 1.0)
        return ops.where(ops.any(images > 0, axis=-1, keepdims=True), relit, images) if self.black_background else relit

    def _factor(self, images: Tensor, channels: int, bound: float) -> Tensor:
        limit = bound * self.strength
        shape = (ops.shape(images)[0], 1, 1, channels)
        return keras.random.uniform(shape, 1 - limit, 1 + limit, dtype=images.dtype, seed=self.seed_generator)
