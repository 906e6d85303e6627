"""How sure the curves are: at each specificity the recall, at each recall the precision, with intervals by patients."""

from dataclasses import dataclass

import numpy as np

from leukmodels.evaluation.interval import Floats
from leukmodels.evaluation.resampling import Measure, intervals
from leukmodels.evaluation.scored import Scored

_PLACES = np.linspace(0, 1, 51)[1:]  # at 0 there is nothing to be unsure of
_ROUNDING = 1e-9  # of weights that add up to whole patients


@dataclass(frozen=True, kw_only=True, eq=False)
class Band:
    """What lies at ``place``, from ``low`` to ``high`` with 95 % confidence at each place by itself; (places,) each."""

    place: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True, kw_only=True, eq=False)
class Bands:
    """The recall at each specificity (of the ROC curve), and the precision at each recall."""

    recall: Band
    precision: Band


def bands(scored: Scored) -> Bands:
    """Return the bands of the curves of scores."""
    order = np.argsort(-scored.scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scored.scores[order])), len(scored) - 1)  # rows of one score come together
    of_row, leukemic = scored.groups.of_row[order], (scored.labels == 1)[order].astype(np.float64)

    def of(weights: Floats) -> Floats:
        rows = weights[:, of_row]
        found = np.cumsum(rows * leukemic, axis=1)[:, ends]
        alarms = np.cumsum(rows, axis=1)[:, ends] - found
        return np.stack([_at(*draw) for draw in zip(found, alarms, strict=True)])

    names = [f"{figure} {place:.2f}" for figure in ("recall", "precision") for place in _PLACES]
    found = list(intervals(Measure(groups=scored.groups, basis=dict.fromkeys(names, "both"), of=of)).values())
    low, high = np.array([each.low for each in found]), np.array([each.high for each in found])
    half = len(_PLACES)
    return Bands(
        recall=Band(place=_PLACES, low=low[:half], high=high[:half]),
        precision=Band(place=_PLACES, low=low[half:], high=high[half:]),
    )


def _at(found: Floats, alarms: Floats) -> Floats:
    """Return the recall at each specificity, then the precision at each recall; (2 * places,).

    Of rows found and alarms raised at each score, falling, (points,).
    """
    last = np.searchsorted(alarms, (1 - _PLACES) * alarms[-1] + _ROUNDING)
    first = np.searchsorted(found, _PLACES * found[-1] - _ROUNDING)
    recall = np.append(0.0, found)[last] / found[-1]
    return np.concatenate([recall, found[first] / (found[first] + alarms[first])])
