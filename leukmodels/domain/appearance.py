"""What an image of a cell looks like in numbers that need no model: colours, what surrounds the cell, grain, layout.

Every number has a scale on which about a tenth is a difference that can be seen: colours are in steps of 20 grey
levels, all that is spread, size or grain in natural logarithms. Groups of them have a name each, for a sentence that
says in what an image is unlike others.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from leukmodels.images.segmentation import BLACK, Images, Masks, background_masks, cell_masks, colours_within

Numbers = npt.NDArray[np.float32]

# Counts the changes of the numbers below: a domain that another version described is not used.
VERSION = 1

CELL, BACKGROUND, GRAIN, LAYOUT = "cell", "background", "grain", "layout"

_STEP = 20.0  # grey levels
# Spreads below these say nothing: a JPEG's noise on black, a rounding.
_SPREAD, _GRAIN = 4.0, 0.5
_SCALES, _RINGS = 4, 6
_AT_ONCE = 64
_SMALLEST_PX = 6  # of a coarser grid whose grain is measured


def describe(images: Images, *, black_background: bool) -> dict[str, Numbers]:
    """Return the groups of numbers, each (n, k), of images (n, px, px, 3), 0..255; k depends on px alone.

    cell         colours within the cell and how they vary together, and its share of the image
    background   the same of what surely is not the cell; not there where the background is black and says nothing
    grain        how rough brightness and colour differences are, pixel by pixel and on three coarser grids
    layout       colours and spread in rings around the middle: how large the cell is, and where
    """
    parts = [
        _described(images[first : first + _AT_ONCE], black_background) for first in range(0, len(images), _AT_ONCE)
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def has_black_background(images: Images) -> npt.NDArray[np.bool_]:
    """Return of each image (n, px, px, 3) whether most of its outermost pixels are black, (n,)."""
    dark = images.max(axis=-1) <= BLACK
    edge = np.concatenate([dark[:, 0], dark[:, -1], dark[:, 1:-1, 0], dark[:, 1:-1, -1]], axis=1)
    most: npt.NDArray[np.bool_] = edge.mean(axis=1) > 0.5
    return most


def _described(images: Images, black_background: bool) -> dict[str, Numbers]:
    masks = cell_masks(images, black_background=black_background)
    grey, red, green, blue = _planes(images)
    found = {CELL: np.column_stack([_colours(images, masks), np.log(masks.mean(axis=(1, 2)))])}
    if not black_background:
        found[BACKGROUND] = _colours(images, background_masks(masks))
    found[GRAIN] = np.column_stack([number for plane in (grey, red - blue, green - blue) for number in _grain(plane)])
    found[LAYOUT] = np.column_stack([*_rings(images, grey)])
    return {name: numbers.astype(np.float32) for name, numbers in found.items()}


def _planes(images: Images) -> tuple[Numbers, Numbers, Numbers, Numbers]:
    """Return grey, red, green and blue of images, each (n, px, px)."""
    red, green, blue = (images[..., channel].astype(np.float32) for channel in range(3))
    return (red + green + blue) / np.float32(3), red, green, blue


def _colours(images: Images, masks: Masks) -> Numbers:
    """Return means, spreads and correlations (Fisher's z) of red, green and blue within masks: (n, 9)."""
    weights, means, values = colours_within(images, masks)
    covariances = (values * weights.transpose(0, 2, 1)).transpose(0, 2, 1) @ values
    spreads = np.sqrt(np.maximum(np.einsum("naa->na", covariances), 0)) + _SPREAD
    correlations = np.stack(
        [covariances[:, a, b] / (spreads[:, a] * spreads[:, b]) for a, b in ((0, 1), (1, 2), (0, 2))], axis=-1
    )
    return np.concatenate([means[:, 0] / _STEP, np.log(spreads), np.arctanh(np.clip(correlations, -0.99, 0.99))], -1)


def _grain(plane: Numbers) -> Iterator[Numbers]:
    """Yield of a plane (n, px, px) how much it differs from its own 3 x 3 means, and how unevenly, scale by scale."""
    for _ in range(_SCALES):
        rest = plane - ndimage.uniform_filter(plane, (0, 3, 3))
        strength = np.sqrt((rest * rest).mean(axis=(1, 2))) + _GRAIN
        yield np.log(strength)
        yield np.log((np.abs(rest).mean(axis=(1, 2)) + _GRAIN) / strength)
        half = plane.shape[1] // 2
        if half < _SMALLEST_PX:
            return
        plane = plane[:, : 2 * half, : 2 * half].reshape(len(plane), half, 2, half, 2).mean(axis=(2, 4))


def _rings(images: Images, grey: Numbers) -> Iterator[Numbers]:
    """Yield colours (n, 3) and spread (n,) of rings from the middle to the corners."""
    px = images.shape[1]
    axis = (np.arange(px) - (px - 1) / 2) / (px / 2)
    radius = np.sqrt(axis[:, None] ** 2 + axis**2)
    count = max(1, min(_RINGS, px // 4))
    number = np.minimum((radius * count).astype(int), count)  # the last: the corners
    for ring in range(count + 1):
        inside = number == ring
        yield images[:, inside].mean(axis=1, dtype=np.float32) / _STEP
        yield np.log(grey[:, inside].std(axis=1) + _SPREAD)
