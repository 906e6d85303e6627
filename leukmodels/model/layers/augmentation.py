"""Turns, mirror images and other light: what changes a picture of a cell, but not what the cell is."""

import math

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="leukmodels")
class Augmentation(keras.layers.Layer):
    """Turns, flips and relights each image, anew at every call in training; otherwise passes images through.

    Images are (n, h, w, 3) in [0, 1]. Flips and any rotation are label-safe for a cell; its size is diagnostic, so
    nothing zooms. At strength 1 an image is mirrored along either axis half of the time, turned by up to 180 degrees
    either way and relit by up to 20 % in brightness, 20 % in contrast and 10 % per colour channel; below, all of these
    are in proportion (Keras' RandomFlip always mirrors half). rotation, brightness, contrast and tint are shares of
    the strength; what has a share of 0 is left out of the graph. A gain per channel stands in for Keras' hue and
    saturation layers: lamp and stain differ like that between slides, and it needs no trip to HSV and back.
    With black_background, corners that a rotation uncovers are black and black pixels stay exactly black; without it
    corners are filled by reflection.

    Keras' own random layers augment whenever nobody says training=False; wrapped here, a plain model(images) does not.
    """

    BRIGHTNESS, CONTRAST, COLOUR = 0.2, 0.2, 0.1

    def __init__(
        self,
        *,
        strength: float,
        black_background: bool,
        rotation: float = 1.0,
        brightness: float = 1.0,
        contrast: float = 1.0,
        tint: float = 1.0,
        **kwargs: object,
    ) -> None:
        super().__init__(**kwargs)
        self.strength, self.black_background = strength, black_background
        self.shares = {"rotation": rotation, "brightness": brightness, "contrast": contrast, "tint": tint}
        self.turn = self._rotation() if rotation else None
        self.seed_generator = keras.random.SeedGenerator()

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Build the layer inside, as Keras asks of a layer that holds another."""
        if self.turn:
            self.turn.build(shape)

    def call(self, images: keras.KerasTensor, training: bool | None = None) -> keras.KerasTensor:
        """Return images of the same shape in [0, 1]."""
        if not training:
            return images
        images = self._flip(images)
        if self.turn:
            images = self.turn(images, training=True)
        return self._relight(images)

    def get_config(self) -> dict[str, object]:
        """Return what rebuilds the layer."""
        own = {"strength": self.strength, "black_background": self.black_background}
        return {**super().get_config(), **own, **self.shares}

    def _rotation(self) -> keras.layers.Layer:
        return keras.layers.RandomRotation(
            0.5 * self.strength * self.shares["rotation"],
            fill_mode="constant" if self.black_background else "reflect",
            fill_value=0.0,
            dtype=self.dtype_policy,
        )

    def _flip(self, images: keras.KerasTensor) -> keras.KerasTensor:
        for axis in (1, 2):
            coin = keras.random.uniform((ops.shape(images)[0], 1, 1, 1), seed=self.seed_generator)
            images = ops.where(coin < 0.5 * self.strength, ops.flip(images, axis), images)
        return images

    def _relight(self, images: keras.KerasTensor) -> keras.KerasTensor:
        relit = images
        if self.shares["contrast"]:
            mean = ops.mean(images, axis=(1, 2, 3), keepdims=True)
            relit = (images - mean) * self._factor(images, 1, self.CONTRAST * self.shares["contrast"]) + mean
        gains = [
            self._factor(images, channels, bound * share)
            for channels, bound, share in (
                (1, self.BRIGHTNESS, self.shares["brightness"]),
                (3, self.COLOUR, self.shares["tint"]),
            )
            if share
        ]
        if gains:
            relit = relit * math.prod(gains)
        if relit is images:
            return images
        relit = ops.clip(relit, 0.0, 1.0)
        return ops.where(ops.any(images > 0, axis=-1, keepdims=True), relit, images) if self.black_background else relit

    def _factor(self, images: keras.KerasTensor, channels: int, bound: float) -> keras.KerasTensor:
        limit = bound * self.strength
        shape = (ops.shape(images)[0], 1, 1, channels)
        return keras.random.uniform(shape, 1 - limit, 1 + limit, dtype=images.dtype, seed=self.seed_generator)
