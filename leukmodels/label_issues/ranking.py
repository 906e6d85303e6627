"""Whose label is disputed most: confident learning on out-of-fold probabilities.

Northcutt, Jiang and Chuang 2021, "Confident Learning: Estimating Uncertainty in Dataset Labels",
doi:10.1613/jair.1.12125.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_ROUNDING = 1e-6  # of a mean, as in cleanlab: cells that all have one probability are as sure as usual


@dataclass(frozen=True, kw_only=True, eq=False)
class Ranking:
    """What models say of the labels of n cells.

    usual                mean self-confidence (probability of the given label) of the cells labelled 0 and 1, shape (2,)
    label_issue_score    float64 (n,): 1 - self-confidence / what is usual for its label. 1: no model believes the
                         label; 0: as well believed as the average; below 0: better
    disputed             bool (n,): the cell is counted for the other label by confident learning: the models are as
                         sure of the other label as they usually are of cells that bear it, and are not of the given one
    order                int64 (n,): rows, the highest score first; of equals the first row
    """

    usual: npt.NDArray[np.float64]
    label_issue_score: npt.NDArray[np.float64]
    disputed: npt.NDArray[np.bool_]
    order: npt.NDArray[np.int64]

    @property
    def place(self) -> npt.NDArray[np.int64]:
        """The place of each row in the order, from 1; shape (n,)."""
        place = np.empty(len(self.order), dtype=np.int64)
        place[self.order] = np.arange(1, len(self.order) + 1)
        return place

    def listed(self, among: npt.NDArray[np.bool_], *, at_most: int) -> npt.NDArray[np.int64]:
        """Return the first rows in order of those that are disputed and ``among`` these, and not more than that."""
        return self.order[(self.disputed & among)[self.order]][:at_most]


def rank(labels: npt.NDArray[np.uint8], probabilities: npt.NDArray[np.float64]) -> Ranking:
    """Return the ranking of cells with these labels, 0 or 1, both present, and probabilities of label 1.

    The score divides by the mean of the label where the paper's ranking subtracts it: a difference would put every cell
    of the label that models find easier before the worst of the other.
    """
    ours = np.stack([1 - probabilities, probabilities])
    rows = np.arange(len(labels))
    given, other = ours[labels, rows], ours[1 - labels, rows]
    usual = np.array([given[labels == label].mean() for label in (0, 1)])
    score = 1 - given / np.maximum(usual, np.finfo(np.float64).tiny)[labels]  # a label that nobody believes at all
    sure = usual - _ROUNDING
    disputed = (other >= sure[1 - labels]) & ((given < sure[labels]) | (other > given))
    return Ranking(usual=usual, label_issue_score=score, disputed=disputed, order=np.argsort(-score, kind="stable"))
