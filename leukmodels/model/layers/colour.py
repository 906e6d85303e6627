"""Images without their colours."""

import keras
from keras import ops

MODES = ("gray", "green")


@keras.saving.register_keras_serializable(package="leukmodels")
class ColourMode(keras.layers.Layer):
    """One channel of each three: images (n, h, w, 3 k) to (n, h, w, k), such as an image and its edges.

    "gray" is the luma of ITU-R BT.601, 0.299 R + 0.587 G + 0.114 B, with Keras' weights, which sum to 0.9999. "green"
    is the channel in which a stained nucleus is darkest and stands out best: 11 of 255 over the nuclei of myeloblasts
    of AML-Cytomorphology_LMU, against 109 in red and 183 in blue.
    """

    def __init__(self, *, mode: str, **kwargs: object) -> None:
        super().__init__(**kwargs)
        if mode not in MODES:
            raise ValueError(f"mode is {mode!r}; allowed: {', '.join(MODES)}.")
        self.mode = mode

    def call(self, images: keras.KerasTensor) -> keras.KerasTensor:
        """Return the one channel, in the range of the images."""
        if self.mode == "green":
            return images[..., 1::3]
        threes = range(0, images.shape[-1], 3)
        return ops.concatenate([ops.image.rgb_to_grayscale(images[..., at : at + 3]) for at in threes], axis=-1)

    def get_config(self) -> dict[str, object]:
        """Return what rebuilds the layer."""
        return {**super().get_config(), "mode": self.mode}
