"""Grad-CAM of models all over the space, and how much of the heat lies in the cell."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import layers
from scipy import ndimage

from leukmodels.model.backbones.cnn import cnn
from leukmodels.model.build import build
from leukmodels.model.grad_cam import grad_cam, heat_inside
from leukmodels.model.weights import Weights
from leukmodels.process import tensorflow_runtime
from leukmodels.space.hyperparameters import HyperParams
from toy_cells import TINY, cells, images_of, tiny

tensorflow_runtime.start(threads=1)
pytestmark = pytest.mark.keras

PX = 16


@pytest.fixture(autouse=True)
def same_weights():
    """Draw the same weights in every run: of others, nothing may speak for leukemia."""
    tensorflow_runtime.seed_everything(0)


def scaled_up(heat, px):
    """Return maps (n, h, h) as (n, px, px), as bilinear as SciPy has it, the highest value 1."""
    at = (np.arange(px) + 0.5) * heat.shape[1] / px - 0.5
    rows, columns = np.meshgrid(at, at, indexing="ij")
    large = np.stack([ndimage.map_coordinates(each, [rows, columns], order=1, mode="nearest") for each in heat])
    return large / large.max(axis=(1, 2), keepdims=True)


def slopes(of, maps, step=0.02):
    """Return the mean slope of a function of feature maps (n, h, w, c) with each channel, (n, c), without a gradient.

    A channel is raised everywhere alike: its slope is the sum of its values' slopes.
    """
    places = maps.shape[1] * maps.shape[2]
    raised = [step * np.eye(maps.shape[-1])[channel] for channel in range(maps.shape[-1])]
    return np.stack([(of(maps + each) - of(maps - each)) / (2 * step * places) for each in raised], axis=1)


def test_of_a_linear_head_after_global_average_the_weights_are_the_heads_own():
    """Grad-CAM then is CAM (Zhou et al. 2016), as section 3.1 of the paper derives."""
    body = cnn(tiny(), image_px=PX, black_background=False)
    images = keras.Input((PX, PX, 3))
    x = layers.GlobalAveragePooling2D(name="average")(body(layers.Rescaling(1 / 255)(images)))
    last = layers.Dense(1, activation="sigmoid", name="leukemia")
    model = keras.Model(images, last(x))
    some = images_of(cells(n=5, image_px=PX))
    own = last.kernel.numpy()[:, 0]
    expected = np.maximum(np.asarray(body(some / np.float32(255))) @ own, 0)
    np.testing.assert_allclose(grad_cam(model, some), scaled_up(expected, PX), atol=1e-4)


@pytest.mark.parametrize("head", ["gap", "gmp", "both", "flatten"])
def test_the_weights_are_the_slopes_of_the_logit(head):
    """Against differences: the logit of the answer when a channel of the feature map is raised a little."""
    model = build(tiny(head=head, activation="silu"), image_px=PX, black_background=False)
    for name in ("dense", "leukemia"):  # made to find something in every image
        layer = model.get_layer(name)
        layer.set_weights([np.abs(each) for each in layer.get_weights()])
    body, some = model.get_layer("body"), images_of(cells(n=3, image_px=PX))
    maps = np.asarray(body(some / np.float32(255)))
    first = model.layers.index(body) + 1
    rest = keras.Model(model.layers[first].input, model.output)

    def logit(values):
        answer = np.asarray(rest(values.astype(np.float32)), np.float64)[:, 0]
        return np.log(answer / (1 - answer))

    expected = np.maximum(np.einsum("nhwc,nc->nhw", maps, slopes(logit, maps.astype(np.float64))), 0)
    assert expected.max(axis=(1, 2)).min() > 1e-4
    np.testing.assert_allclose(grad_cam(model, some), scaled_up(expected, PX), atol=0.01)


@pytest.mark.parametrize(
    ("choice", "px"),
    [
        ({"head": "flatten", "filters": 128, "blocks": 2}, 96),  # halved on before it is flattened
        ({"head": "both", "residual": "yes", "pooling": "blur", "augmentation": 1.0, "resolution": 0.5}, 24),
        ({"head": "gmp", "edges": "log", "colour": "green", "normalisation": "group", "convolution": "separable"}, PX),
    ],
)
def test_any_model_can_be_asked_and_answers_the_same_after_it_was_saved(choice, px, tmp_path):
    model = build(HyperParams.from_dict(TINY | choice), image_px=px, black_background=True)
    some = images_of(cells(n=3, image_px=px))
    heat = grad_cam(model, some)
    check(heat, px)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False, safe_mode=True)
    np.testing.assert_allclose(grad_cam(loaded, some), heat, atol=1e-4)


def test_a_pretrained_network_can_be_asked_frozen():
    keras.utils.clear_session()
    hparams = HyperParams(backbone="mobilenet_v3_small", head="gap", frozen_blocks=5)
    weights = {"mobilenet_v3_small": Weights(path=None, sha256="")}
    model = build(hparams, image_px=32, black_background=False, weights=weights)
    check(grad_cam(model, images_of(cells(n=2, image_px=32))), 32)


def test_a_base_model_can_be_asked(tmp_path):
    own = tiny()
    build(own, image_px=PX, black_background=False).save(tmp_path / "base.keras")
    weights = {"base": Weights.of(tmp_path / "base.keras", own.to_dict())}
    model = build(tiny(backbone="base", head="gap"), image_px=24, black_background=False, weights=weights)
    check(grad_cam(model, images_of(cells(n=2, image_px=24))), 24)


def check(heat, px):
    assert heat.shape[1:] == (px, px)
    assert heat.dtype == np.float32
    assert heat.min() >= 0
    assert set(np.round(heat.max(axis=(1, 2)), 6)) <= {0, 1}


def test_a_sure_model_is_hot_where_it_finds_what_it_looks_for_and_cold_without():
    """A body that passes on redness, and a probability that is 1 to the last digit: its own gradient would be 0."""
    body = keras.Sequential([keras.Input((PX, PX, 3)), layers.Conv2D(1, 1, name="redness")], name="body")
    body.layers[0].set_weights([np.array([1.0, -0.5, -0.5]).reshape(1, 1, 3, 1), np.zeros(1)])
    images = keras.Input((PX, PX, 3))
    x = layers.GlobalMaxPooling2D()(body(layers.Rescaling(1 / 255)(images)))
    last = layers.Dense(1, activation="sigmoid", name="leukemia")
    model = keras.Model(images, last(x))
    last.set_weights([np.full((1, 1), 200.0), np.zeros(1)])
    some = np.zeros((2, PX, PX, 3), np.uint8)
    some[0, 3:6, 8:12] = (255, 0, 0)
    assert float(model(some)[0, 0]) == 1
    heat = grad_cam(model, some)
    np.testing.assert_array_equal(heat[0] > 0, some[0, ..., 0] > 0)
    np.testing.assert_array_equal(heat[1], 0)


def test_any_number_of_images_is_answered_image_by_image():
    model = build(tiny(head="gap"), image_px=8, black_background=False)
    some = images_of(cells(n=70))
    heat = grad_cam(model, some)
    np.testing.assert_allclose(heat[65:], grad_cam(model, some[65:]), atol=1e-5)
    assert grad_cam(model, some[:0]).shape == (0, 8, 8)


def test_the_share_of_heat_inside():
    heat = np.zeros((3, 4, 4), np.float32)
    heat[0, 0] = 1
    heat[1] = 0.5
    masks = np.zeros((3, 4, 4), bool)
    masks[:, 0, :3] = True
    np.testing.assert_allclose(heat_inside(heat, masks), [0.75, masks[1].mean(), np.nan])


@given(st.integers(0, 2**32 - 1))
def test_heat_inside_and_outside_are_all_of_it(seed):
    rng = np.random.default_rng(seed)
    heat = rng.random((3, 5, 5), dtype=np.float32)
    masks = rng.random((3, 5, 5)) < 0.5
    np.testing.assert_allclose(heat_inside(heat, masks) + heat_inside(heat, ~masks), 1)
