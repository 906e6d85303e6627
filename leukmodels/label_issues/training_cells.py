"""The cells of the training patients, and of nobody else."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from leukmodels.dataset.cells import Cells
from leukmodels.dataset.split import Split
from leukmodels.process.words import Terms


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainingCells:
    """The n cells of the training patients, and what has to be said about them.

    cells         their pixels in memory
    contents      of the files, see ``leukmodels.dataset.contents``
    class_names   str (n,), the class that the collection gives each cell
    terms         of the study that the cells would train for
    notes         sentences that the user should read
    """

    cells: Cells
    contents: tuple[str, ...]
    class_names: npt.NDArray[np.str_]
    split: Split
    crop_px: int | None
    black_background: bool
    terms: Terms
    notes: tuple[str, ...]

    def __post_init__(self) -> None:
        """Refuse cells of patients who do not train."""
        assert self.cells.present_patients <= set(self.split.patients("train"))
        assert len(self.contents) == len(self.class_names) == len(self.cells)
