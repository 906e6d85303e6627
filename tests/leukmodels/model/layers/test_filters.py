import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from gradients import finite_differences, gradient
from leukmodels.images.decoding import decode
from leukmodels.model.layers import EdgeFilter
from leukmodels.model.layers.filters import RIM_PX, SHARPENING
from leukmodels.process import tensorflow_runtime

tensorflow_runtime.start(threads=1)
pytestmark = pytest.mark.keras

Images = npt.NDArray[np.float32]
Plane = npt.NDArray[np.float64]

FILTERS = {
    name: EdgeFilter(use="append", black_background=False, **choice)
    for name, choice in {
        "laplacian": {"kind": "laplacian"},
        "log": {"kind": "log", "sigma": 1.0},
        "fine log": {"kind": "log", "sigma": 0.3},
        "sobel": {"kind": "sobel"},
    }.items()
}
MASKED = {name: EdgeFilter.from_config({**f.get_config(), "black_background": True}) for name, f in FILTERS.items()}
WINDOWS = {"laplacian": 3, "log": 7, "fine log": 3, "sobel": 3}
PIXELS = hnp.arrays(np.uint8, (1, 6, 9, 3)).map(lambda pixels: (pixels / 255).astype(np.float32))
PICTURES = np.random.default_rng(0).uniform(0.1, 0.9, (2, 6, 9, 3)).astype(np.float32)
by_any_filter = pytest.mark.parametrize("name", FILTERS)
by_masked_filters = pytest.mark.parametrize("name", ["laplacian", "log", "sobel"])


def response(name: str, images: Images) -> Images:
    return np.asarray(FILTERS[name](images))[..., 3:]


def by_windows(plane: npt.NDArray[np.float32], value: Callable[[Plane], float]) -> Plane:
    """Return ``value`` of each pixel's window of 3x3, row by row, the frame mirrored."""
    return ndimage.generic_filter(plane.astype(np.float64), value, size=3, mode="mirror")


def laplacian(window: Plane) -> float:
    return np.delete(window, 4).mean() - window[4]


def slope(window: Plane) -> float:
    (a, b, c), (d, _, f), (g, h, i) = window.reshape(3, 3)
    return math.hypot((c - a) + 2 * (f - d) + (i - g), (g - a) + 2 * (h - b) + (i - c)) / 8


@pytest.mark.parametrize(("name", "value", "atol"), [("laplacian", laplacian, 1e-6), ("sobel", slope, 2**-10)])
def test_responses_are_what_the_neighbours_say(name: str, value: Any, atol: float) -> None:
    for image, found in zip(PICTURES, response(name, PICTURES), strict=True):
        for channel in range(3):
            np.testing.assert_allclose(found[..., channel], by_windows(image[..., channel], value), atol=atol)


@pytest.mark.parametrize("sigma", [0.3, 0.5, 1.0, 1.3])
def test_log_is_the_laplacian_of_the_smoothed_image_at_its_scale(sigma: float) -> None:
    """The smoothed image is scipy's; its Laplacian is 8/3 of what the mean of the neighbours has over the pixel."""
    layer = EdgeFilter(kind="log", use="append", sigma=sigma, black_background=False)
    plane = PICTURES[0, ..., 0].astype(np.float64)
    smooth = ndimage.gaussian_filter(plane, sigma, mode="mirror", radius=int(np.ceil(3 * sigma)) - 1)
    expected = sigma**2 * 8 / 3 * by_windows(smooth, laplacian)
    np.testing.assert_allclose(np.asarray(layer(PICTURES))[0, ..., 3], expected, atol=5e-5)


def test_log_is_near_scipys_from_the_formula() -> None:
    image = np.zeros((1, 41, 41, 3), np.float32)
    image[:, 15:24, 12:30] = 1
    layer = EdgeFilter(kind="log", use="append", sigma=2.0, black_background=False)
    expected = 4 * ndimage.gaussian_laplace(image[0, ..., 0].astype(np.float64), 2.0, mode="mirror")
    np.testing.assert_allclose(np.asarray(layer(image))[0, ..., 3], expected, atol=0.08 * np.abs(expected).max())


@pytest.mark.parametrize("sigma", [0.4, 1.0, 2.5])
def test_log_of_a_parabola_is_four_times_sigma_squared(sigma: float) -> None:
    y, x = np.indices((31, 31)) - 15
    bowl = np.repeat(((x**2 + y**2) / 450)[None, ..., None], 3, axis=-1).astype(np.float32)
    layer = EdgeFilter(kind="log", use="append", sigma=sigma, black_background=False)
    assert float(layer(bowl)[0, 15, 15, 3]) == pytest.approx(4 * sigma**2 / 450, rel=2e-3)


@pytest.mark.parametrize("sigma", [0.2, 0.7, 1.0, 1.9, 4.0])
@pytest.mark.parametrize("kind", ["laplacian", "log", "sobel"])
def test_filters_sum_to_exactly_zero(kind: str, sigma: float) -> None:
    kernels = EdgeFilter(kind=kind, use="append", sigma=sigma, black_background=False)._kernels
    assert (kernels.sum(axis=(0, 1)) == 0).all()
    assert kernels.shape[0] == (2 * np.ceil(3 * sigma) + 1 if kind == "log" else 3)
    assert (np.abs(kernels).sum(axis=(0, 1)) <= 2).all()


@by_any_filter
@given(level=st.floats(0, 1, width=32))
@settings(max_examples=20)
def test_constant_images_give_no_response(name: str, level: float) -> None:
    np.testing.assert_allclose(response(name, np.full((1, 8, 8, 3), level, np.float32)), 0, atol=5e-7)


@by_any_filter
@given(images=PIXELS, turns=st.integers(1, 3), mirror=st.booleans())
@settings(max_examples=20)
def test_turning_and_mirroring_commute_with_filters(name: str, images: Images, turns: int, mirror: bool) -> None:
    def moved(some: Images) -> Images:
        turned = np.rot90(some, turns, axes=(1, 2))
        return turned[:, ::-1] if mirror else turned

    np.testing.assert_allclose(response(name, moved(images)), moved(response(name, images)), atol=1e-6)


def test_appended_images_come_first_and_unchanged() -> None:
    np.testing.assert_array_equal(np.asarray(FILTERS["laplacian"](PICTURES))[..., :3], PICTURES)


@pytest.mark.parametrize("kind", ["laplacian", "log"])
@pytest.mark.parametrize("use", ["subtract", "subtract_learned"])
def test_sharpening_takes_the_response_from_the_image(kind: str, use: str) -> None:
    layer = EdgeFilter(kind=kind, use=use, black_background=False)
    expected = PICTURES - SHARPENING * response(kind, PICTURES)
    np.testing.assert_allclose(layer(PICTURES), expected, atol=1e-6)
    assert np.abs(expected - expected.mean()).mean() > 1.2 * np.abs(PICTURES - PICTURES.mean()).mean()


def test_the_learned_sharpening_has_the_gradient_of_its_response() -> None:
    layer = EdgeFilter(kind="laplacian", use="subtract_learned", black_background=False)
    weights = np.random.default_rng(1).normal(size=PICTURES.shape).astype(np.float32)
    with tf.GradientTape() as tape:
        value = tf.reduce_sum(layer(PICTURES) * weights)
    (sharpening,) = layer.trainable_weights
    assert sharpening.shape == ()
    expected = -(weights * response("laplacian", PICTURES)).sum()
    np.testing.assert_allclose(tape.gradient(value, sharpening.value), expected, rtol=1e-4)
    sharpening.assign(0.0)
    np.testing.assert_array_equal(layer(PICTURES), PICTURES)


@by_any_filter
def test_bfloat16_rounds_the_answer_only(name: str) -> None:
    layer = EdgeFilter.from_config({**FILTERS[name].get_config(), "dtype": "mixed_bfloat16"})
    np.testing.assert_array_equal(layer(PICTURES), tf.cast(FILTERS[name](PICTURES), tf.bfloat16))


@by_any_filter
def test_gradients_are_those_of_finite_differences(name: str) -> None:
    images = PICTURES[:1, :5, :5]
    weights = np.random.default_rng(1).normal(size=(1, 5, 5, 6)).astype(np.float32)

    def value(some: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(tf.cast(FILTERS[name](some) * weights, tf.float64))

    np.testing.assert_allclose(gradient(value, images), finite_differences(value, images, 1e-3), atol=5e-3)


def test_the_gradient_of_a_slope_is_finite_where_there_is_none() -> None:
    flat = np.full((1, 6, 6, 3), 0.5, np.float32)
    found = gradient(lambda images: tf.reduce_sum(FILTERS["sobel"](images)[..., 3:]), flat)
    np.testing.assert_array_equal(found, 0)


@st.composite
def outlines(draw: st.DrawFn) -> npt.NDArray[np.bool_]:
    """Return which pixels of a picture are cell: not the first columns, nor a hole."""
    lit = np.ones((8, 16), dtype=np.bool_)
    lit[:, : draw(st.integers(0, 6))] = False
    for place in draw(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 15)), max_size=1)):
        lit[place] = False
    return lit


def far_from_black(lit: npt.NDArray[np.bool_], reach: int) -> npt.NDArray[np.bool_]:
    """Return for each pixel whether no black one lies within ``reach`` of it, down or right."""
    return ndimage.minimum_filter(lit, size=2 * reach + 1, mode="nearest")


@by_masked_filters
@given(pixels=hnp.arrays(np.uint8, (1, 8, 16, 3)), lit=outlines())
@settings(max_examples=25)
def test_near_black_there_is_no_response_and_elsewhere_the_same(
    name: str, pixels: npt.NDArray[np.uint8], lit: npt.NDArray[np.bool_]
) -> None:
    images = np.where(lit[..., None], np.maximum(pixels, 1) / np.float32(255), np.float32(0))
    found = np.asarray(MASKED[name](images))[..., 3:]
    far = far_from_black(lit, WINDOWS[name] // 2 + RIM_PX)
    np.testing.assert_array_equal(found, np.where(far[..., None], response(name, images), 0))


@by_masked_filters
@given(lit=outlines(), fade=hnp.arrays(np.float32, (8, 16), elements=st.floats(2**-6, 0.5, width=32)))
@settings(max_examples=25)
def test_the_faded_rim_of_an_even_cell_gives_no_response(
    name: str, lit: npt.NDArray[np.bool_], fade: npt.NDArray[np.float32]
) -> None:
    even = np.where(far_from_black(lit, RIM_PX), np.float32(0.6), fade)
    images = np.where(lit, even, 0)[None, ..., None].repeat(3, axis=-1)
    np.testing.assert_allclose(np.asarray(MASKED[name](images))[..., 3:], 0, atol=5e-7)
    assert lit.all() or np.abs(response(name, images)).max() > 0.05


def test_the_rim_of_real_cells_is_no_stronger_than_what_is_in_them(shared_data: Path) -> None:
    files = sorted((shared_data / "c-nmc-2019").rglob("UID_*.bmp"))[:6]
    images = np.stack([decode(file.read_bytes(), image_px=144, crop_px=450) for file in files]) / np.float32(255)
    off_black = np.stack([ndimage.distance_transform_cdt(image.any(axis=-1), "chessboard") for image in images])
    whole = np.abs(response("laplacian", images)).mean(axis=-1)
    masked = np.abs(np.asarray(MASKED["laplacian"](images))[..., 3:]).mean(axis=-1)
    rim, within = (off_black > 0) & (off_black < 6), off_black > 12
    assert whole[rim].mean() > 5 * whole[within].mean()
    assert 0 < masked[rim].mean() < masked[within].mean()


def test_one_black_channel_is_no_black_pixel() -> None:
    images = PICTURES.copy()
    images[..., 0] = 0
    np.testing.assert_array_equal(np.asarray(MASKED["laplacian"](images))[..., 3:], response("laplacian", images))


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"kind": "canny"}, "kind is 'canny'; allowed: laplacian, log, sobel"),
        ({"use": "add"}, "use is 'add'; allowed: append, subtract, subtract_learned"),
        ({"kind": "sobel", "use": "subtract"}, "use is 'subtract'; .* append it"),
        ({"kind": "sobel", "use": "subtract_learned"}, "use is 'subtract_learned'"),
        ({"kind": "log", "sigma": 0.0}, "sigma is 0.0; allowed: above 0"),
        ({"kind": "log", "sigma": float("nan")}, "sigma is nan"),
    ],
)
def test_what_makes_no_sense_is_refused(choice: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        EdgeFilter(**({"kind": "laplacian", "use": "append", "black_background": False} | choice))


@pytest.mark.parametrize(("name", "reach"), [("laplacian", 3), ("sobel", 3), ("log", 5)])
def test_no_response_lies_within_two_pixels_of_where_black_can_reach_the_window(name: str, reach: int) -> None:
    """Windows of side 3 and 7, so black at 1 and 3 px is seen, and the rim is 2 px wide."""
    images = np.random.default_rng(0).uniform(0.1, 0.9, (1, 5, 20, 3)).astype(np.float32)
    images[:, :, 0] = 0
    responding = np.asarray(MASKED[name](images))[0, 2, :, 3:].any(axis=-1)
    assert responding.tolist() == [False] * (reach + 1) + [True] * (19 - reach)
