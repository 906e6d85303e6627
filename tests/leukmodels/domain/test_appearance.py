import numpy as np
import pytest

from drawn_cells import draw_cells
from leukmodels.domain.appearance import BACKGROUND, CELL, GRAIN, LAYOUT, describe, has_black_background


def drawn(px: int, n: int = 6) -> np.ndarray:
    cells = draw_cells({0: "lymphocyte", 1: "myeloblast"}, patients=2, cells_each=n // 2, px=px)
    return next(cells.pixels.batches(np.arange(n), n))


@pytest.mark.parametrize("px", [4, 8, 16, 65])
@pytest.mark.parametrize("black", [False, True])
def test_every_number_of_any_image_is_finite(px: int, black: bool) -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (5, px, px, 3), dtype=np.uint8)
    images[0], images[1] = 0, 255
    images[2, :, : px // 2] = 0
    groups = describe(images, black_background=black)
    assert [*groups] == [CELL, *([] if black else [BACKGROUND]), GRAIN, LAYOUT]
    assert all(np.isfinite(numbers).all() and len(numbers) == 5 for numbers in groups.values())


def test_an_image_says_the_same_in_any_company() -> None:
    images = np.concatenate([drawn(16)] * 12)
    together, alone = (describe(each, black_background=False) for each in (images, images[70:71]))
    for name, numbers in alone.items():
        np.testing.assert_allclose(numbers[0], together[name][70], rtol=1e-5, atol=1e-6)


def test_a_turned_image_looks_the_same() -> None:
    images = drawn(64)
    turned = describe(np.rot90(images, axes=(1, 2)), black_background=False)
    for name, numbers in describe(images, black_background=False).items():
        if name not in (CELL, BACKGROUND):  # masks of larger images are found on every second pixel
            np.testing.assert_allclose(turned[name], numbers, atol=0.02)


def test_what_is_changed_shows_where_it_was_changed() -> None:
    """Two columns of a colour, of a bright half and a dark one: colours by hand."""
    image = np.full((1, 32, 32, 3), 40, np.uint8)
    image[:, :, 16:] = 80
    layout = describe(image, black_background=True)[LAYOUT][0]
    # A ring is half 40, half 80: mean 60 of three colours, in steps of 20, and spread by 20, above 4 that say nothing.
    np.testing.assert_allclose(layout[:4], [3, 3, 3, np.log(24)], atol=1e-5)


def test_noise_makes_grain_and_nothing_else_makes_much() -> None:
    images = drawn(64)
    noisy = np.clip(images + np.random.default_rng(0).normal(0, 25, images.shape), 0, 255).astype(np.uint8)
    before, after = (describe(each, black_background=False) for each in (images, noisy))
    off = {name: np.abs(after[name] - numbers).mean() for name, numbers in before.items()}
    assert max(off, key=lambda name: off[name]) == GRAIN


def test_black_is_told_from_the_edge() -> None:
    images = np.full((3, 8, 8, 3), 230, np.uint8)
    images[0, [0, -1]] = images[0, :, [0, -1]] = 8  # as black as a JPEG of it is
    images[1, [0, -1]] = images[1, :, [0, -1]] = 9
    images[2, 1:-1, 1:-1] = 0
    assert has_black_background(images).tolist() == [True, False, False]
