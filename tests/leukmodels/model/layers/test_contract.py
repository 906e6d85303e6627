"""What every layer of the package keeps to: its file, its compute type, any number of images."""

import inspect
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from leukmodels.model import layers
from leukmodels.process import tensorflow_runtime

tensorflow_runtime.start(threads=1)
pytestmark = pytest.mark.keras

CONFIGS = [
    {"class": "AreaResizing", "side": 6},
    {"class": "Augmentation", "strength": 0.7, "black_background": True, "rotation": 0.5, "tint": 0.25},
    {"class": "Augmentation", "strength": 1.0, "black_background": False, "rotation": 0.0, "contrast": 0.0},
    {"class": "BlurPool2D"},
    {"class": "ColourMode", "mode": "gray"},
    {"class": "ColourMode", "mode": "green"},
    {"class": "EdgeFilter", "kind": "laplacian", "use": "subtract_learned", "black_background": True},
    {"class": "EdgeFilter", "kind": "log", "use": "subtract", "sigma": 1.3, "black_background": False},
    {"class": "EdgeFilter", "kind": "sobel", "use": "append", "black_background": True},
]
IMAGES = np.random.default_rng(0).uniform(0.05, 0.95, (3, 11, 12, 3)).astype(np.float32)
IMAGES[0, :4] = 0


@pytest.fixture(params=CONFIGS, ids=lambda config: "-".join(str(value) for value in config.values()))
def config(request: pytest.FixtureRequest) -> dict[str, object]:
    return request.param


@pytest.fixture
def bfloat16() -> Iterator[None]:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    yield
    keras.config.set_dtype_policy(before)


def made(config: dict[str, object]) -> keras.layers.Layer:
    return getattr(layers, str(config["class"]))(**{name: value for name, value in config.items() if name != "class"})


def model_of(config: dict[str, object]) -> keras.Model:
    images = keras.Input(IMAGES.shape[1:])
    return keras.Model(images, made(config)(images))


def test_the_package_registers_every_layer_it_names() -> None:
    assert {str(config["class"]) for config in CONFIGS} == {*layers.__all__}
    for name in layers.__all__:
        assert keras.saving.get_registered_object(f"leukmodels>{name}") is getattr(layers, name)


def test_the_config_has_every_argument_and_makes_the_same_layer(config: dict[str, object]) -> None:
    layer = made(config)
    found = layer.get_config()
    arguments = inspect.signature(type(layer).__init__).parameters.values()
    assert {argument.name for argument in arguments if argument.kind is inspect.Parameter.KEYWORD_ONLY} <= {*found}
    assert {**config, **found} == {**found, **config}
    assert type(layer).from_config(found).get_config() == found


def test_a_saved_model_loads_in_safe_mode_and_answers_the_same(config: dict[str, object], tmp_path: Path) -> None:
    model = model_of(config)
    model.set_weights([weight + 0.25 for weight in model.get_weights()])
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(loaded(IMAGES, training=False), model(IMAGES, training=False))
    assert loaded(IMAGES, training=True).shape == model(IMAGES, training=True).shape


@pytest.mark.parametrize("training", [False, True])
def test_one_graph_serves_any_number_of_images(config: dict[str, object], training: bool) -> None:
    model = model_of(config)
    graph = tf.function(
        lambda images: model(images, training=training), [tf.TensorSpec((None, *IMAGES.shape[1:]))], autograph=False
    )
    shapes = [graph(IMAGES[:n]).shape for n in (3, 1)]
    assert shapes == [(n, *model.output_shape[1:]) for n in (3, 1)]
    if not training:
        np.testing.assert_allclose(graph(IMAGES), model(IMAGES), atol=1e-6)


@pytest.mark.usefixtures("bfloat16")
def test_bfloat16_gives_the_same_to_its_three_digits(config: dict[str, object]) -> None:
    model = model_of(config)
    found = model(IMAGES, training=False)
    assert found.dtype == tf.bfloat16
    expected = made({**config, "dtype": "float32"})(IMAGES, training=False)
    np.testing.assert_allclose(tf.cast(found, tf.float32), expected, atol=2**-7)
    trained = tf.cast(model(IMAGES, training=True), tf.float32).numpy()
    assert trained.shape == expected.shape
    assert np.isfinite(trained).all()


def test_only_a_learned_sharpening_is_trained(config: dict[str, object]) -> None:
    assert len(model_of(config).trainable_weights) == (config.get("use") == "subtract_learned")
