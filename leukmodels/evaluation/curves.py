"""Every threshold at once: ROC and precision-recall curves, their areas, and recall at a specificity."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from leukmodels.evaluation.interval import Floats
from leukmodels.evaluation.resampling import Basis, Measure
from leukmodels.evaluation.scored import Scored

SPECIFICITIES = (0.90, 0.95)

_BASIS: Mapping[str, Basis] = {
    "auroc": "both",
    "pr_auc": "both",
    **{f"recall_at_specificity_{specificity:.2f}": "both" for specificity in SPECIFICITIES},
}
_ROUNDING = 1e-9  # of weights that add up to whole patients


@dataclass(frozen=True, kw_only=True)
class Point:
    """What a threshold does to the rows it is measured on."""

    threshold: float
    recall: float
    specificity: float
    accuracy: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Curve:
    """What every threshold does, from calling nothing leukemic to calling everything so.

    thresholds   float64 (points,), falling, each halfway between two neighbouring scores: no score is on one, so a
                 device that rounds otherwise answers the same
    found        leukemic rows that reach it, (points,)
    alarms       healthy rows that reach it, (points,)
    """

    thresholds: Floats
    true_positives: npt.NDArray[np.int64]
    false_positives: npt.NDArray[np.int64]

    @property
    def recall(self) -> Floats:
        """Leukemic rows found; the precision-recall curve's abscissa and the ROC curve's ordinate."""
        return np.asarray(self.true_positives / self.true_positives[-1])

    @property
    def specificity(self) -> Floats:
        """Healthy rows left alone; 1 - specificity is the ROC curve's abscissa."""
        return np.asarray(1 - self.false_positives / self.false_positives[-1])

    @property
    def accuracy(self) -> Floats:
        """Rows answered rightly."""
        return np.asarray(
            (self.true_positives + self.false_positives[-1] - self.false_positives)
            / (self.true_positives[-1] + self.false_positives[-1])
        )

    @property
    def precision(self) -> Floats:
        """Leukemic rows among those called so; 1 where none is, as is usual for a curve."""
        called = self.true_positives + self.false_positives
        return np.asarray(np.divide(self.true_positives, called, out=np.ones(len(called)), where=called > 0))

    def point(self, place: int) -> Point:
        """Return one point."""
        return Point(
            threshold=float(self.thresholds[place]),
            recall=float(self.recall[place]),
            specificity=float(self.specificity[place]),
            accuracy=float(self.accuracy[place]),
        )

    def at_specificity(self, specificity: float) -> Point:
        """Return the point of the highest recall with at least this specificity, the most specific of equals."""
        last = np.flatnonzero(self.specificity >= specificity - _ROUNDING)[-1]
        return self.point(int(np.searchsorted(self.true_positives, self.true_positives[last])))


def curve(labels: npt.NDArray[np.uint8], scores: Floats) -> Curve:
    """Return the curve of rows with these labels, 0 or 1, both present, and scores in [0, 1], each (n,)."""
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    distinct = scores[order][ends]
    above, below = np.append(1.0, distinct), np.append(distinct, 0.0)
    thresholds = (above + below) / 2
    # Between neighbours of the last bit, and above a score of 1, the middle would be the lower one.
    thresholds[:-1] = np.maximum(thresholds[:-1], np.nextafter(distinct, np.inf))
    leukemic = (labels == 1)[order]
    found, alarms = (np.append(0, each.cumsum()[ends]) for each in (leukemic, ~leukemic))
    return Curve(thresholds=thresholds, true_positives=found, false_positives=alarms)


def curve_of(scored: Scored) -> Curve:
    """Return the curve of scores."""
    return curve(scored.labels, scored.scores)


def auroc(labels: npt.NDArray[np.uint8], scores: Floats) -> float:
    """Return the chance that a leukemic row outscores a healthy one, ties counted half; arguments as for ``curve``."""
    order = _Order.of(labels, scores)
    leukemic, healthy = np.ones((1, len(order.leukemic))), np.ones((1, len(order.healthy)))
    return float(_area(order, leukemic, _cumulated(healthy))[0])


def ranking_metrics(scored: Scored) -> Measure:
    """Return what the order of the scores is worth as a measure.

    auroc                    chance that a leukemic row outscores a healthy one, ties counted half
    pr_auc                   average precision: mean over leukemic rows of the precision where each is found
    recall_at_specificity_   highest recall with at least this specificity
    """
    order = _Order.of(scored.labels, scored.scores)
    of_leukemic, of_healthy = scored.groups.of_row[order.leukemic], scored.groups.of_row[order.healthy]

    def of(weights: Floats) -> Floats:
        leukemic = weights[:, of_leukemic]
        found, alarms = _cumulated(leukemic), _cumulated(weights[:, of_healthy])
        found_with, alarms_with = found[:, order.true_positives], alarms[:, order.false_positives]
        all_found, all_alarms = found[:, -1:], alarms[:, -1:]
        called = np.maximum(found_with + alarms_with, _ROUNDING)  # 0 before the first patient who was drawn
        precision = (leukemic * found_with / called).sum(axis=1) / all_found[:, 0]
        columns = [_area(order, leukemic, alarms), precision]
        for specificity in SPECIFICITIES:
            reached = (alarms_with <= (1 - specificity) * all_alarms + _ROUNDING).sum(axis=1, keepdims=True)
            columns.append((np.take_along_axis(found, reached, axis=1) / all_found)[:, 0])
        return np.stack(columns, axis=-1)

    return Measure(groups=scored.groups, basis=_BASIS, of=of)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Order:
    """The rows by falling score, and for each leukemic one how many others come with it or before it.

    leukemic, healthy   rows of each class
    found               leukemic rows that score at least as much as each leukemic one
    alarms              healthy rows that score at least as much as it
    alarms_before       healthy rows that score more
    """

    leukemic: npt.NDArray[np.intp]
    healthy: npt.NDArray[np.intp]
    true_positives: npt.NDArray[np.intp]
    false_positives: npt.NDArray[np.intp]
    false_positives_before: npt.NDArray[np.intp]

    @classmethod
    def of(cls, labels: npt.NDArray[np.uint8], scores: Floats) -> "_Order":
        order = np.argsort(-scores, kind="stable")
        leukemic, healthy = (order[labels[order] == label] for label in (1, 0))
        falling, others = -scores[leukemic], -scores[healthy]
        return cls(
            leukemic=leukemic,
            healthy=healthy,
            true_positives=np.searchsorted(falling, falling, side="right"),
            false_positives=np.searchsorted(others, falling, side="right"),
            false_positives_before=np.searchsorted(others, falling, side="left"),
        )


def _area(order: _Order, leukemic: Floats, alarms: Floats) -> Floats:
    """Return the area under the ROC curve, (draws,), of weights of the leukemic rows and cumulated ones of the others.

    The Mann-Whitney statistic over its maximum.
    """
    outscored_by = (alarms[:, order.false_positives] + alarms[:, order.false_positives_before]) / 2
    return np.asarray(1 - (leukemic * outscored_by).sum(axis=1) / (leukemic.sum(axis=1) * alarms[:, -1]))


def _cumulated(weights: Floats) -> Floats:
    """Return the weights of the first 0, 1, ... rows, (draws, rows + 1)."""
    return np.concatenate([np.zeros((len(weights), 1)), weights.cumsum(axis=1)], axis=1)
