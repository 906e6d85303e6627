"""Where the white cell is: on drawn smears whose truth is known, on black, and where nothing is."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from drawn_cells import with_truth
from leukmodels.images.decoding import decode
from leukmodels.images.segmentation import background_masks, cell_masks
from leukmodels.synthetic.celltypes import TYPES

# The pink cytoplasm of these has the colour of red cells: only the nucleus is found.
PINK = "pelger_neutrophil"


def drawn(px: int, each: int):
    rng = np.random.default_rng(0)
    pairs = [with_truth(name, rng, px) for name in TYPES for _ in range(each)]
    images, truth = (np.stack(part) for part in zip(*pairs, strict=True))
    return images, truth, np.repeat(list(TYPES), each)


@pytest.mark.parametrize("px", [24, 64, 144])
def test_cells_of_all_types_are_found_amid_red_cells(px):
    images, truth, names = drawn(px, each=3)
    masks = cell_masks(images, black_background=False)
    both, either = (masks & truth).sum(axis=(1, 2)), (masks | truth).sum(axis=(1, 2))
    overlap = both / either
    covered = both / truth.sum(axis=(1, 2))
    for name in TYPES:
        assert np.median(overlap[names == name]) > (0.2 if name == PINK else 0.8), name
        assert np.median(covered[names == name]) > (0.2 if name == PINK else 0.8), name


@pytest.mark.parametrize("px", [24, 64, 144])
def test_the_background_holds_no_cell_and_much_of_the_rest(px):
    images, truth, _ = drawn(px, each=3)
    around = background_masks(cell_masks(images, black_background=False))
    assert (around & truth).sum() < 0.001 * truth.sum()
    assert (around.mean(axis=(1, 2)) > 0.3).all()


def test_on_black_the_cell_is_what_is_not_black_in_the_middle_without_holes():
    axis = np.arange(40)
    far = np.hypot(axis[:, None] - 20, axis - 18)
    images = np.zeros((2, 40, 40, 3), np.uint8)
    images[:, far < 10] = (90, 40, 120)
    images[1, far < 3] = 0
    images[1, 1:4, 1:4] = 200  # debris
    images[1, 30:, 30:] = 4  # black after a JPEG
    masks = cell_masks(images, black_background=True)
    np.testing.assert_array_equal(masks, [far < 10] * 2)


def test_real_cells_on_black_are_found_to_the_pixel(shared_data: Path):
    paths = sorted((shared_data / "c-nmc-2019" / "C-NMC_training_data").rglob("*.bmp"))
    images = np.stack([decode(path.read_bytes(), image_px=64, crop_px=450) for path in paths])
    masks = cell_masks(images, black_background=True)
    shares = masks.mean(axis=(1, 2))
    assert ((shares > 0.05) & (shares < 0.4)).all()
    assert masks[:, 32, 32].mean() > 0.95
    assert (~masks & (images.max(axis=-1) > 8)).mean() < 0.001  # nothing but debris is left out
    for mask in masks:
        assert ndimage.label(mask, np.ones((3, 3)))[1] == 1


def test_real_cells_on_smears_are_found_by_their_nucleus(shared_data: Path):
    paths = sorted((shared_data / "aml-lmu").rglob("*.tiff"))
    images = np.stack([decode(path.read_bytes(), image_px=64, crop_px=None) for path in paths])
    masks = cell_masks(images, black_background=False)
    light = images.astype(int)
    nucleus = (light[..., 1] < 90) & (light[..., 2] > light[..., 1] + 40)
    nucleus[:, :12] = nucleus[:, -12:] = nucleus[:, :, :12] = nucleus[:, :, -12:] = False  # of neighbours
    assert (masks & nucleus).sum() > 0.97 * nucleus.sum()
    red = (light[..., 1] > 130) & (light[..., 1] < 200) & (light[..., 0] > light[..., 1] + 20)
    red &= light[..., 0] > light[..., 2] + 5
    assert (masks & red).sum() < 0.1 * red.sum()


@pytest.mark.parametrize("black_background", [False, True])
@pytest.mark.parametrize("value", [0, 128, 255])
def test_where_nothing_is_found_a_disc_in_the_middle_stands_for_the_cell(value, black_background):
    images = np.full((1, 50, 50, 3), value, np.uint8)
    (mask,) = cell_masks(images, black_background=black_background)
    assert mask[25, 25]
    assert not mask[0].any()
    assert mask.mean() == pytest.approx(np.pi * 0.36**2, abs=0.02)
    assert background_masks(mask[None]).any()


def test_an_image_full_of_cell_has_its_corners_for_a_background():
    (around,) = background_masks(np.ones((1, 30, 30), bool))
    assert around[0, 0]
    assert not around[15, 15]
    assert around.mean() == pytest.approx(1 - np.pi * 0.36**2, abs=0.02)


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1), st.sampled_from([16, 33, 64]), st.booleans())
def test_an_image_is_looked_at_by_itself_and_from_any_side(seed, px, black_background):
    rng = np.random.default_rng(seed)
    images = np.stack([with_truth("monocyte", rng, px)[0], with_truth("myeloblast", rng, px)[0]])
    if black_background:
        images[images.min(axis=-1) > 170] = 0
    masks = cell_masks(images, black_background=black_background)
    alone = np.concatenate([cell_masks(image[None], black_background=black_background) for image in images])
    np.testing.assert_array_equal(masks, alone)
    turned = cell_masks(np.rot90(images, axes=(1, 2))[:, ::-1], black_background=black_background)
    assert (np.rot90(masks, axes=(1, 2))[:, ::-1] != turned).mean() < 0.01  # blur rounds otherwise from another side


def on_black(px: int, where: np.ndarray, value: int = 200) -> np.ndarray:
    """Return the mask of an image that is black but for these pixels."""
    images = np.zeros((1, px, px, 3), np.uint8)
    images[0, where] = value
    return cell_masks(images, black_background=True)[0]


def rectangle(px: int, rows: slice, columns: slice) -> np.ndarray:
    inside = np.zeros((px, px), bool)
    inside[rows, columns] = True
    return inside


@pytest.mark.parametrize(("value", "found"), [(9, True), (8, False)])
def test_what_is_brighter_than_8_is_not_black(value, found):
    square = rectangle(40, slice(14, 26), slice(14, 26))
    assert (on_black(40, square, value) == square).all() == found


@pytest.mark.parametrize(
    ("height", "width", "is_cell"), [(10, 10, True), (9, 11, False), (75, 100, True), (76, 100, False)]
)
def test_a_cell_is_from_a_hundredth_to_three_quarters_of_the_image(height, width, is_cell):
    """Of 100 x 100 px: 100 to 7,500; else the disc of radius 36 px stands for it."""
    top, left = (100 - height) // 2, (100 - width) // 2
    shape = rectangle(100, slice(top, top + height), slice(left, left + width))
    mask = on_black(100, shape)
    assert (mask == shape).all() == is_cell
    if not is_cell:
        assert np.flatnonzero(mask[50])[[0, -1]].tolist() == [14, 85]  # 49.5 - 36 = 13.5 to 49.5 + 36 = 85.5


def test_pixels_that_touch_at_corners_are_one_cell_and_close_it():
    """A rhombus one pixel wide, 20 px, whose inside has 41: connected, it is a cell, and nothing leaks out of it."""
    axis = np.abs(np.arange(20) - 10)
    far = axis[:, None] + axis
    np.testing.assert_array_equal(on_black(20, far == 5), far <= 5)


@pytest.mark.parametrize(("px", "first", "last"), [(127, 45, 84), (128, 46, 85)])
def test_masks_of_128_px_and_more_are_found_on_every_second_pixel(px, first, last):
    """Rows 45 to 84 are the cell; of even ones 46 to 84, each of which stands for the next as well."""
    mask = on_black(px, rectangle(px, slice(45, 85), slice(45, 85)))
    np.testing.assert_array_equal(mask, rectangle(px, slice(first, last + 1), slice(first, last + 1)))


@pytest.mark.parametrize(("px", "margin"), [(30, 2), (50, 2), (60, 3)])
def test_the_margin_around_a_cell_is_a_twenty_fifth_of_the_side_rounded_up(px, margin):
    """1.2, 2 and 2.4 px; in the first row, which the disc in the middle does not reach."""
    (around,) = background_masks(rectangle(px, slice(None), slice(0, px // 2))[None])
    assert np.flatnonzero(around[0]).tolist() == list(range(px // 2 + margin, px))


@pytest.mark.parametrize(
    ("green", "blue", "found"),
    [
        (185, 199, True),  # of glass at 200, one is added to all light: ln(200 / 186) = 0.073, above 0.06
        (190, 199, False),  # ln(200 / 191) = 0.046
        (147, 166, False),  # 0.301 - 1.5 * ln(200 / 167) = 0.301 - 0.270 = 0.031, as of a red cell
        (147, 177, True),  # 0.301 - 1.5 * 0.117 = 0.126
    ],
)
def test_a_cell_takes_more_green_than_one_and_a_half_times_the_blue(green, blue, found):
    axis = np.arange(64) - 31.5
    disc = np.hypot(axis[:, None], axis) < 12
    images = np.full((1, 64, 64, 3), 199, np.uint8)
    images[0, disc] = (199, green, blue)
    (mask,) = cell_masks(images, black_background=False)
    # A cell is found with its rim, 1 px; otherwise the disc of radius 23 px stands for it.
    assert (mask.sum() < 1.4 * disc.sum()) == found
