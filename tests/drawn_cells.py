"""Drawn cells, and the truth of where the white cell is."""

import numpy as np
import numpy.typing as npt
from PIL import Image

from leukmodels.cohort.celltypes import TYPES
from leukmodels.cohort.field import PX_PER_UM, SIDE_PX, blank
from leukmodels.cohort.slide import develop, draw_slide
from leukmodels.cohort.smear import paint_smear
from leukmodels.cohort.whitecell import paint_white_cell


def with_truth(name: str, rng: np.random.Generator, px: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
    """Return an image (px, px, 3) of a cell type, and where painting the white cell changed its field."""
    cell, slide, field = TYPES[name], draw_slide(rng), blank()
    radius = rng.normal(*cell.radius_um) * PX_PER_UM
    x, y = rng.normal(SIDE_PX / 2, 2.5, 2).tolist()
    paint_smear(field, slide, rng, x, y, clear_px=radius)
    before = field.copy()
    paint_white_cell(field, cell, rng, x, y, radius)
    changed = np.abs(field - before).max(axis=0) > 0.02
    truth = Image.fromarray(changed.astype(np.uint8) * 255).resize((px, px), Image.Resampling.BOX)
    return _resized(develop(field, slide, rng), px), np.asarray(truth) > 127


def _resized(image: npt.NDArray[np.uint8], px: int) -> npt.NDArray[np.uint8]:
    return np.asarray(Image.fromarray(image[..., :3]).resize((px, px), Image.Resampling.HAMMING))
