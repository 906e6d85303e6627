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
