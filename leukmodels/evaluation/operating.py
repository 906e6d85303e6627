"""Operating points: which models and thresholds there are to choose from, and what can be promised of one."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import floor, sqrt

import numpy as np
import numpy.typing as npt

from leukmodels.errors import StudyError
from leukmodels.evaluation.curves import Curve, Point, curve_of
from leukmodels.evaluation.interval import Floats, limits
from leukmodels.evaluation.resampling import spread
from leukmodels.evaluation.scored import Groups, Scored
from leukmodels.process.words import USUAL, Terms

RISK = 0.05
_TRIED = 200  # thresholds of a model, about, that a promise is computed for


@dataclass(frozen=True, kw_only=True, eq=False)
class Front:
    """Points of several models of which no other has as much of recall and accuracy and more of one; each (points,).

    Recall rises and accuracy falls; ``models`` are their numbers.
    """

    models: npt.NDArray[np.int64]
    thresholds: Floats
    recall: Floats
    accuracy: Floats
    specificity: Floats


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A model and a threshold.

    point      what it does on the rows that it was chosen on
    promised   what the recall of other patients exceeds with 95 % confidence; None where no promise was asked for
    """

    model: int
    point: Point
    promised: float | None


def operating_front(curves: Mapping[int, Curve], *, min_specificity: float) -> Front:
    """Return the front of recall and accuracy over all thresholds of all models that keep a specificity.

    Of equal points one is kept, the first model's.
    """
    rows = [
        np.stack([np.full(len(each.thresholds), model), each.thresholds, each.recall, each.accuracy, each.specificity])
        for model, each in curves.items()
    ]
    points = np.concatenate(rows, axis=1)
    points = points[:, points[4] >= min_specificity]
    points = points[:, np.lexsort((-points[3], -points[2]))]
    highest_before = np.maximum.accumulate(np.append(-1.0, points[3]))[:-1]
    models, thresholds, recall, accuracy, specificity = points[:, points[3] > highest_before][:, ::-1]
    return Front(
        models=models.astype(np.int64),
        thresholds=thresholds,
        recall=recall,
        accuracy=accuracy,
        specificity=specificity,
    )


def choose(
    models: Mapping[int, Scored],
    *,
    min_recall: float,
    min_specificity: float,
    sure: bool = True,
    kind: str = "model",
    terms: Terms = USUAL,
) -> Choice:
    """Return the model and threshold with the highest accuracy of those with this recall and specificity.

    ``models`` are validation scores of the same patients by number of model, of the few that are to be chosen from. The
    specificity is what was measured. The recall is what other patients, about as many, will exceed with 95 % confidence
    (``promised_recall``), at most ``most_promised``; unless ``sure``, it too is what was measured. Of equals the one
    with the higher recall is taken, and the first model. The confidence counts these models alone: if they are the
    luckiest of many on the same patients, a promise is broken more often (results/benchmarks/coverage.md).

    Raises StudyError, with the most that there is, and of how many patients, where nothing has this recall; ``kind`` is
    what numbers count there, ``terms`` what it calls whom they are of.
    """
    risk = RISK / len(models) if sure else None  # the luckiest model is chosen, so they share the risk (Bonferroni)
    offers = [_Offer.of(model, scored, min_recall, min_specificity, risk) for model, scored in models.items()]
    able = [offer for offer in offers if offer.highest >= min_recall]
    if not able:
        offers = [_Offer.of(model, scored, 0.0, min_specificity, risk) for model, scored in models.items()]
        most = max(offers, key=lambda offer: offer.highest)
        raise StudyError(
            _too_much(min_recall, min_specificity, most, _leukemic_patients(models[most.model]), kind, terms)
        )
    return max(
        (offer.best(min_recall) for offer in able), key=lambda choice: (choice.point.accuracy, choice.point.recall)
    )


def most_promised(patients: int, *, risk: float) -> float:
    """Return the highest recall that so many leukemic patients can promise but for this risk, if none is missed.

    The exact lower bound (Clopper and Pearson 1934): of 6 patients 0.61, of 12 0.78, of 26 0.89, of 59 0.95 at a risk
    of 0.05. A kind of patient that a model misses may be absent by chance, one in ten among twelve with 28 %, and these
    patients cannot say so. Which kind that is may differ between models, and the one that is chosen is the one whose
    kind is absent: so models share this risk as well.
    """
    return float(risk ** (1 / patients))


def promised_recall(scored: Scored, thresholds: Floats, *, risk: float) -> Floats:
    """Return what the recall of as many other patients exceeds but for this risk, at falling thresholds; (thresholds,).

    Their recall differs from the one measured here by the chance of both samples, so its standard error is the root of
    two times ours: ``limits`` as if of half as many patients. Nothing is added for trying many thresholds. Recall
    falls as the threshold rises, so a promise that fails at the threshold that was taken also fails at the one where
    the others' recall just meets it: a single threshold, given the others, and settled without us (Bates et al. 2021,
    arXiv:2101.02703). For the same reason a threshold is good for whatever a higher one is.

    That is what resampling tells of the kinds of patients who are among these; for the kinds that are not, nothing
    above ``most_promised`` is promised.
    """
    leukemic = scored.labels == 1
    groups = Groups.of(scored.labels[leukemic], scored.patients[leukemic])
    first_reached = np.searchsorted(-thresholds, -scored.scores[leukemic])
    reached = groups.sums(first_reached, len(thresholds) + 1).cumsum(axis=1)
    found, rows = reached[:, :-1], reached[:, -1:]
    recall, drawn = spread(groups, lambda weights: weights @ found / (weights @ rows))
    patients = np.full(len(thresholds), len(groups))
    both = replace(drawn, error=sqrt(2) * drawn.error)
    low, _ = limits(recall, both, patients=patients, trials=patients / 2, tail=risk)
    return np.minimum(np.maximum.accumulate(low), most_promised(len(groups), risk=risk))


@dataclass(frozen=True, kw_only=True, eq=False)
class _Offer:
    """Points of a model's curve that keep a specificity, by falling threshold, and the recall of each; both (k,).

    The recall is a promise, but for ``risk``, or without one what was measured.
    """

    model: int
    curve: Curve
    places: npt.NDArray[np.intp]
    recall: Floats
    risk: float | None

    @classmethod
    def of(cls, model: int, scored: Scored, min_recall: float, min_specificity: float, risk: float | None) -> "_Offer":
        """Return the points where at least this recall was measured; of many, about 200 evenly for a promise."""
        curve = curve_of(scored)
        places = np.flatnonzero((curve.recall >= min_recall) & (curve.specificity >= min_specificity))
        if risk is None:
            return cls(model=model, curve=curve, places=places, recall=curve.recall[places], risk=None)
        places = places[:: -max(1, len(places) // _TRIED)][::-1]
        recall = promised_recall(scored, curve.thresholds[places], risk=risk)
        return cls(model=model, curve=curve, places=places, recall=recall, risk=risk)

    @property
    def highest(self) -> float:
        """The highest recall, 0 where there is no point."""
        return float(self.recall.max(initial=0.0))

    def best(self, min_recall: float) -> Choice:
        """Return the point with the highest accuracy of those with this recall, the lowest threshold of equals."""
        fit = np.flatnonzero(self.recall >= min_recall)[::-1]
        at = fit[np.argmax(self.curve.accuracy[self.places[fit]])]
        point = self.curve.point(int(self.places[at]))
        return Choice(model=self.model, point=point, promised=None if self.risk is None else float(self.recall[at]))


def _leukemic_patients(scored: Scored) -> int:
    return len(scored.groups.members(1))


def _too_much(min_recall: float, min_specificity: float, most: _Offer, patients: int, kind: str, terms: Terms) -> str:
    point = most.curve.point(int(most.places[most.recall.argmax()]))
    where = f"{kind} {most.model} at threshold {point.threshold:.3f}"
    wish = f"a recall of {min_recall:g} with a specificity of at least {min_specificity:g}"
    highest = floor(100 * most.highest) / 100
    if most.risk is None:
        return (
            f"No {kind} has {wish}; the highest recall is {highest:.2f}, of {where}. Ask for less, or resume the study."
        )
    return (
        f"Nothing can promise {wish} for other {terms.units}; the most is {highest:.2f}, of {where}, whose recall is "
        f"{point.recall:.3f} on validation. That has {patients:,} {terms.positive} {terms.units}; so many can promise "
        f"{floor(100 * most_promised(patients, risk=most.risk)) / 100:.2f} at the most, were none of them missed. Ask "
        f"for less, or for the measured recall (--no-recall-guarantee), or validate on more {terms.units}."
    )
