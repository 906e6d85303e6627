import io

import numpy as np
import pytest
from PIL import Image

from leukmodels.errors import BadImageError
from leukmodels.images.colourless import colourless, few_colours
from leukmodels.images.decoding import decode

RNG = np.random.default_rng(0)


def painted(*colours: tuple[int, int, int], side: int = 80) -> Image.Image:
    """Return rings of these colours around the middle, as a mask has cytoplasm and nucleus."""
    row, column = np.indices((side, side)) - side // 2
    ring = np.minimum(np.hypot(row, column) * len(colours) / side * 2, len(colours) - 1).astype(int)
    return Image.fromarray(np.array(colours, dtype=np.uint8)[ring])


RAINBOW = [(25 * step, 255 - 25 * step, 90) for step in range(9)]


@pytest.mark.parametrize(
    ("image", "found"),
    [
        (painted((0, 0, 0), (255, 255, 255)), 2),
        (painted((255, 0, 0), (0, 255, 0), (0, 0, 0)), 3),
        (painted(*RAINBOW[:8]), 8),
        (painted(*RAINBOW), 0),
        (painted((9, 9, 9)), 0),  # of one colour, which has a reason of its own
        (painted(*RAINBOW[:8], side=20), 8),
        (Image.fromarray(RNG.integers(0, 256, (80, 80, 3), dtype=np.uint8)), 0),
    ],
    ids=["binary", "nucleus and cytoplasm", "eight", "nine", "one", "small", "noise"],
)
def test_as_few_colours_as_a_mask_has_are_counted(image: Image.Image, found: int) -> None:
    assert few_colours(image) == found


def test_a_cell_on_plain_black_is_no_mask() -> None:
    cell = np.zeros((450, 450, 3), dtype=np.uint8)
    cell[200:210, 200:210] = RNG.integers(0, 256, (10, 10, 3), dtype=np.uint8)
    assert few_colours(Image.fromarray(cell)) == 0
    off_the_middle = np.roll(cell, 150, axis=0)
    assert few_colours(Image.fromarray(off_the_middle)) == 0


@pytest.mark.parametrize("kind", ["BMP", "PNG", "TIFF"])
@pytest.mark.parametrize("mode", ["RGB", "L", "P"])
def test_a_mask_is_refused_in_any_format(kind: str, mode: str) -> None:
    file = io.BytesIO()
    painted((0, 0, 0), (102, 102, 102), (255, 255, 255)).convert(mode).save(file, kind)
    with pytest.raises(BadImageError, match="it has 3 colours, as a mask or a drawing has"):
        decode(file.getvalue(), image_px=64, crop_px=None)


def test_images_without_colours_are_told_from_coloured_ones() -> None:
    coloured = RNG.integers(0, 256, (4, 4, 3), dtype=np.uint8)
    grey = np.repeat(coloured[..., :1], 3, axis=2)
    tinted = np.clip(grey.astype(int) + np.array([0, 0, 3]), 0, 255).astype(np.uint8)  # as JPEG rounds
    pale = np.full((4, 4, 3), (200, 200, 204), dtype=np.uint8)
    spot = grey.copy()
    spot[0, 0] = (120, 0, 120)  # a grey middle is not all
    images = np.stack([coloured, grey, tinted, pale, spot])
    assert colourless(images).tolist() == [False, True, True, False, False]
    assert colourless(images[:0]).tolist() == []
