"""Means and spreads of colours, of whole images and of what surely is background."""

from dataclasses import replace

import numpy as np
import pytest

from drawn_cells import draw_cells
from leukmodels.dataset.pixels import Blocks
from leukmodels.images.segmentation import background_masks, cell_masks
from leukmodels.shortcuts.colours import read_colours
from toy_cells import cells, images_of, stream


@pytest.fixture(scope="module")
def some():
    return draw_cells({0: "lymphocyte", 1: "myeloblast"}, patients=4, cells_each=2, px=40)


def test_colours_are_those_of_plain_numpy(some):
    images = images_of(some)
    colours = read_colours(some, black_background=False)
    around = background_masks(cell_masks(images, black_background=False))
    for row, image in enumerate(images):
        for found, values in (
            (colours.whole[row], image.reshape(-1, 3)),
            (colours.background[row], image[around[row]]),
        ):
            np.testing.assert_allclose(found[:3], values.mean(axis=0), rtol=1e-5)
            np.testing.assert_allclose(found[3:], values.std(axis=0), rtol=1e-4)


def test_the_cell_itself_changes_nothing_in_the_background(some):
    images = images_of(some).copy()
    masks = cell_masks(images, black_background=False)
    images[masks] = np.minimum(images[masks].astype(int) + 10, 255)
    before = read_colours(some, black_background=False)
    after = read_colours(replace(some, pixels=Blocks.of(images)), black_background=False)
    assert (after.whole != before.whole).any(axis=1).all()
    np.testing.assert_allclose(after.background, before.background, rtol=0.01)


def test_a_black_background_has_no_colours():
    assert read_colours(cells(), black_background=True).background is None


def test_images_on_a_disk_have_the_same_colours_in_the_cells_order(tmp_path):
    memory = cells(n=300)
    pixels = stream(tmp_path, images_of(memory), rows_a_shard=16, window_shards=3)
    disk = replace(memory, pixels=pixels)
    told = []
    expected = read_colours(memory, black_background=False)
    found = read_colours(disk, black_background=False, progress=lambda *at: told.append(at))
    np.testing.assert_array_equal(found.whole, expected.whole)
    np.testing.assert_array_equal(found.background, expected.background)
    assert told[-1] == (300, 300)
