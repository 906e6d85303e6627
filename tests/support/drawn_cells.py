"""Drawn cells in memory, with the truth of where the white cell is, for several test modules."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from PIL import Image

from leukmodels.dataset.cells import Cells
from leukmodels.dataset.pixels import Blocks
from leukmodels.synthetic.celltypes import TYPES
from leukmodels.synthetic.field import PX_PER_UM, SIDE_PX, blank
from leukmodels.synthetic.image import draw_image
from leukmodels.synthetic.slide import develop, draw_slide
from leukmodels.synthetic.smear import paint_smear
from leukmodels.synthetic.whitecell import paint_white_cell


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


def draw_cells(
    types: Mapping[int, str], *, patients: int, cells_each: int, px: int, shortcut: float = 0.0, seed: int = 0
) -> Cells:
    """Return cells of patients of both classes in turn, of the cell type of their class, each on a slide of its own."""
    rng = np.random.default_rng(seed)
    of_patient = np.arange(patients) % 2
    images = []
    for label in of_patient.tolist():
        slide = draw_slide(rng, shortcut=shortcut * label)
        images += [_resized(draw_image(TYPES[types[label]], slide, rng), px) for _ in range(cells_each)]
    codes = np.arange(patients).repeat(cells_each)
    return Cells(
        pixels=Blocks.of(np.stack(images)),
        labels=of_patient[codes].astype(np.uint8),
        patients=codes.astype(np.int32),
        patient_names=tuple(f"P{code}" for code in range(patients)),
        image_ids=np.array([f"{number}.tif" for number in range(len(codes))]),
    )


def _resized(image: npt.NDArray[np.uint8], px: int) -> npt.NDArray[np.uint8]:
    return np.asarray(Image.fromarray(image[..., :3]).resize((px, px), Image.Resampling.HAMMING))
