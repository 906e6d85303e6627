"""How far from the training cells a cell, or the cells of one patient, may lie: limits from patients of the study.

Distances are compared by their logarithms. A *cell* is unlike beyond a distance that one in ten thousand cells of the
study would exceed, by the tail of their distances: what lies above the ninth decile falls off exponentially there (the
generalised Pareto distribution of peaks over a threshold, Pickands 1975, with shape 0). A *set* of n cells is unlike
where its mean is beyond the prediction limit of one more patient: patients differ from one another, and so do the cells
of one (a one-way random-effects model).
"""

import math
from typing import Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field
from scipy.special import ndtri, stdtrit

Logs = npt.NDArray[np.float64]

CELL_RATE, SET_RATE = 1e-4, 0.01  # of the study's own that are called unlike
_DECILE, _TAIL = 0.9, 0.1
# Patients surely differ by a tenth and cells by a little, whatever a few of them say.
_BETWEEN, _FALL = 0.1, 0.03
_FEWEST_DF = 3  # two patients alone would allow anything


class Limits(BaseModel):
    """Limits of distances, in natural logarithms.

    cell      of one cell
    mean      of patients' means;  between, within   standard deviations of patients, and of the cells of one
    factor    how many standard deviations a set may lie above the mean;  patients  how many it was learnt from
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    cell: float
    mean: float
    between: float = Field(ge=0)
    within: float = Field(ge=0)
    factor: float = Field(ge=0)
    patients: int = Field(ge=1)

    @classmethod
    def learn(cls, logs: Logs, patients: npt.NDArray[np.int64]) -> Self:
        """Return the limits from cells that the cloud was not fitted to: their distances (n,), and whose each is (n,).

        ``patients`` are numbers from 0; where none stands twice, all that differs may differ by the patient.
        """
        _, patients, counts = np.unique(patients, return_inverse=True, return_counts=True)
        means = np.bincount(patients, logs) / counts
        k, rest = len(counts), logs - means[patients]
        variance = float((rest**2).sum() / max(len(logs) - k, 1))
        between = (float(means.var(ddof=1)) if k > 1 else 0.0) - variance * float((1 / counts).mean())
        decile = float(np.quantile(logs, _DECILE))
        beyond = logs[logs > decile] - decile
        return cls(
            cell=decile + max(_FALL, float(beyond.mean()) if len(beyond) else 0.0) * math.log(_TAIL / CELL_RATE),
            mean=float(means.mean()),
            between=math.sqrt(max(between, _BETWEEN**2)),
            # Skewed to the right, as distances are, they need more room above the mean than their variance says.
            within=max(math.sqrt(variance), float(np.quantile(rest, 1 - SET_RATE) / ndtri(1 - SET_RATE))),
            factor=float(stdtrit(max(k - 1, _FEWEST_DF), 1 - SET_RATE)),
            patients=k,
        )

    def of_set(self, n: int) -> float:
        """Return what the mean of n cells may be at the most."""
        return self.mean + self.factor * math.sqrt(self.between**2 * (1 + 1 / self.patients) + self.within**2 / n)
