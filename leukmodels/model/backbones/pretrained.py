"""Bodies that are networks of keras.applications, given their weights from a file on this machine."""

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt
from keras import applications, layers

from leukmodels.errors import ConfigError
from leukmodels.model.weights import Weights

# From [0, 1] to what each network was trained on: those with a preprocessing of their own take 0..255.
_BYTES, _SIGNED = (255.0, 0.0), (2.0, -1.0)
_NETWORKS: Mapping[str, tuple[Callable[..., keras.Model], tuple[float, float]]] = {
    "mobilenet_v3_small": (applications.MobileNetV3Small, _BYTES),
    "mobilenet_v3_large": (applications.MobileNetV3Large, _BYTES),
    "efficientnet_v2_b0": (applications.EfficientNetV2B0, _BYTES),
    "efficientnet_v2_s": (applications.EfficientNetV2S, _BYTES),
    "resnet50_v2": (applications.ResNet50V2, _SIGNED),
}


def pretrained(name: str, weights: Weights, *, image_px: int) -> keras.Model:
    """Return the body of this name, for images of weights.SMALLEST_PX or more; ConfigError for a file of another."""
    network, (scale, offset) = _NETWORKS[name]
    images = keras.Input((image_px, image_px, 3), name="pixels")
    prepared = layers.Rescaling(scale, offset, name="preprocessing")(images)
    made = network(include_top=False, weights=None, input_tensor=prepared)
    if path := weights.checked():
        made.set_weights(_values(name, path, image_px))
    return keras.Model(images, made.output, name="body")  # some networks find their parts by a name of their own


def _values(name: str, path: Path, image_px: int) -> list[npt.NDArray[np.float32]]:
    """Return the weights in a file, as the network alone takes them: in a model with more layers it may skip some."""
    alone = _NETWORKS[name][0](include_top=False, weights=None, input_shape=(image_px, image_px, 3))
    try:
        with warnings.catch_warnings(action="error", category=UserWarning):  # that is how Keras says what it skips
            alone.load_weights(path)
    except (ValueError, KeyError, OSError, UserWarning) as error:  # not HDF5, or of other layers
        raise ConfigError(f"{path} does not hold weights of {name}:", [str(error).partition("\n")[0]]) from error
    values: list[npt.NDArray[np.float32]] = alone.get_weights()
    return values
