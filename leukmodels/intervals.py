"""How sure a number is: resampling patients, not cells, because the cells of one patient are alike.

A label is the patient's, so a study of 30 validation patients holds some thirty independent facts, however many
thousand cells it has.
"""

import math
from collections.abc import Mapping
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, stdtrit

DRAWS = 2000
CONFIDENCE = 0.95


def lower_bounds(
    labels: npt.NDArray[np.uint8],
    scores: npt.NDArray[np.float64],
    patients: npt.NDArray[np.int32],
    *,
    threshold: float = 0.5,
) -> Mapping[str, float]:
    """Return recall_low and specificity_low: what recall and specificity exceed with 95 % confidence, one-sided.

    labels 0 or 1, scores in [0, 1] and patients' codes, each (n,). Percentile bootstrap over the patients of each class
    (2,000 draws, always the same), expanded for few of them (Hesterberg 2015, doi:10.1080/00031305.2015.1089789): as it
    is, 95 % would be 88 % with ten patients. Of a single patient nothing follows. Where every patient's cells are
    answered rightly, resampling knows no doubt; the exact bound for as many successes as there are patients (Clopper
    and Pearson 1934) is taken instead. No bound is above it, so that an error never raises one: of ten patients none
    exceeds 0.74, of thirty 0.90.
    """
    right = (scores >= threshold) == (labels == 1)
    bounds = {}
    for name, label in (("recall_low", 1), ("specificity_low", 0)):
        ours = labels == label
        _, codes = np.unique(patients[ours], return_inverse=True)
        cells, hits = np.bincount(codes), np.bincount(codes, weights=right[ours])
        count = len(cells)
        exact = (1 - CONFIDENCE) ** (1 / count)
        if count == 1:
            bounds[name] = 0.0
        elif (hits == cells).all():
            bounds[name] = exact
        else:
            drawn = _draws(count)
            bounds[name] = min(float(np.quantile((drawn @ hits) / (drawn @ cells), _level(count))), exact)
    return bounds


def _level(count: int) -> float:
    """Return the quantile that leaves out as much as a t interval of ``count`` values does."""
    return float(ndtr(math.sqrt(count / (count - 1)) * stdtrit(count - 1, 1 - CONFIDENCE)))


@lru_cache(maxsize=16)
def _draws(count: int) -> npt.NDArray[np.int64]:
    """Return how often each of ``count`` patients is in each resample, shape (2000, count)."""
    return np.random.default_rng(count).multinomial(count, np.full(count, 1 / count), size=DRAWS)
