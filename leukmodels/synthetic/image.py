"""One image: a white cell of a given type, amid red cells, on a given slide."""

import numpy as np
import numpy.typing as npt

from leukmodels.synthetic.celltypes import CellType
from leukmodels.synthetic.field import PX_PER_UM, SIDE_PX, blank
from leukmodels.synthetic.slide import Slide, develop
from leukmodels.synthetic.smear import paint_smear
from leukmodels.synthetic.whitecell import paint_white_cell

_SMALLEST_UM = 3.6


def draw_image(cell: CellType, slide: Slide, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Return one image (144, 144, 4), RGBA, with a white cell of this type in the middle."""
    field = blank()
    radius = max(_SMALLEST_UM, rng.normal(*cell.radius_um)) * PX_PER_UM
    x, y = rng.normal(SIDE_PX / 2, 2.5, 2).tolist()
    paint_smear(field, slide, rng, x, y, clear_px=radius)
    paint_white_cell(field, cell, rng, x, y, radius)
    return develop(field, slide, rng)
