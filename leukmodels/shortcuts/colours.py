"""The plainest that can be seen of images: mean and spread of their colours, with and without the cell."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from leukmodels.dataset.cells import Cells
from leukmodels.images.segmentation import Images, Masks, background_masks, cell_masks, colours_within

_BATCH = 256

Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True, eq=False)
class Colours:
    """Of n images the means and then the standard deviations of red, green and blue, 0..255: float64 (n, 6).

    whole        over the whole image
    background   over what surely is not the cell; None where the background is black and says nothing
    """

    whole: npt.NDArray[np.float64]
    background: npt.NDArray[np.float64] | None


def read_colours(cells: Cells, *, black_background: bool, progress: Progress | None = None) -> Colours:
    """Return the colours of all cells, in their order; ``progress`` is told (images read, images in all).

    The pixels are read batch by batch, in an order in which they can be read well, and none is kept.
    """
    order = cells.pixels.arrange(np.arange(len(cells)), np.random.default_rng(0))
    whole = np.empty((len(cells), 6))
    background = None if black_background else np.empty((len(cells), 6))
    with closing(cells.pixels.batches(order, _BATCH)) as batches:
        for first, images in zip(range(0, len(order), _BATCH), batches, strict=True):
            rows = order[first : first + _BATCH]
            whole[rows] = _means_and_spreads(images, np.ones(images.shape[:3], bool))
            if background is not None:
                around = background_masks(cell_masks(images, black_background=False))
                background[rows] = _means_and_spreads(images, around)
            if progress is not None:
                progress(first + len(rows), len(order))
    return Colours(whole=whole, background=background)


def _means_and_spreads(images: Images, masks: Masks) -> npt.NDArray[np.float64]:
    """Return the means and standard deviations (n, 6) of the channels of images (n, px, px, 3) within masks."""
    weights, means, values = colours_within(images, masks)
    values *= values
    return np.concatenate([means, np.sqrt(weights @ values)], axis=-1, dtype=np.float64)[:, 0]
