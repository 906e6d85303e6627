"""A model's scores of one part of the split, judged: every number of the page that is made of scores."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from scipy.special import ndtri

from leukmodels.evaluation.calibration import (
    fit_temperature,
    predictive_values,
    probability_metrics,
    reliability,
    temper,
)
from leukmodels.evaluation.curves import SPECIFICITIES, curve_of, ranking_metrics
from leukmodels.evaluation.interval import CONFIDENCE, Interval
from leukmodels.evaluation.resampling import differences, intervals
from leukmodels.evaluation.scored import Scored, by_patient, cells_of
from leukmodels.evaluation.tables import classification_rates, outcomes, table
from leukmodels.process.words import Terms
from search.report.facts import AtSpecificity, Calibration, Judged, Level, OfPatient, Predictive

_LEVEL = 1 - CONFIDENCE


def judge(
    part: str,
    scored: Scored,
    validation: Scored,
    threshold: float,
    prevalences: Sequence[float],
    *,
    terms: Terms,
) -> Judged:
    """Return a model's scores of a part, judged; thresholds and temperature are settled on those of ``validation``.

    Predictive values are stated for ``prevalences``, where it is known whose the cells are.
    """
    whole = not terms.are_images and _of_one_class(scored) and _of_one_class(validation)
    patients = by_patient(scored) if whole else None
    level = _level(terms.unit, patients, by_patient(validation), threshold) if patients else None
    return Judged(
        part=part,
        scored=scored,
        independent=len(np.unique(scored.patients)),
        positives=len(scored.groups.members(1)),
        negatives=len(scored.groups.members(0)),
        cells=_level("cell", scored, validation, threshold),
        patients=level,
        calibration=_calibration(scored, fit_temperature(validation)),
        predictive=tuple(_predictive(level, share) for share in prevalences) if level else (),
        by_patient=_by_patient(scored, patients, threshold) if patients else (),
    )


def minus(ours: Scored, threshold: float, reference: Scored, its_threshold: float) -> Mapping[str, Interval]:
    """Return a model's figures minus those of another on the same cells, with intervals from the same draws."""
    pairs = (
        (classification_rates(reference, its_threshold), classification_rates(ours, threshold)),
        (ranking_metrics(reference), ranking_metrics(ours)),
        (probability_metrics(reference), probability_metrics(ours)),
    )
    return {name: found for pair in pairs for name, found in differences(*pair).items()}


def gap(promise: Level, test: Level) -> Mapping[str, Interval]:
    """Return figures of the test minus those of validation, with 95 % intervals.

    The patients are others, so the two are independent, and the distances of their bounds add up as standard errors do
    (Zou and Donner 2008, doi:10.1002/sim.3095).
    """
    return {name: _apart(test.figures[name], before) for name, before in promise.figures.items()}


def beyond_luck(gap: Interval, figures: int) -> bool:
    """Say whether a test fell short by more than its patients explain, were it the worst of so many figures.

    Of a level of 5 % each figure gets its share (Bonferroni), the interval stretched as a normal one.
    """
    stretch = ndtri(_LEVEL / (2 * figures)) / ndtri(_LEVEL / 2)
    return bool(gap.estimate + stretch * (gap.high - gap.estimate) < 0)


def _apart(one: Interval, other: Interval) -> Interval:
    estimate = one.estimate - other.estimate
    return Interval(
        estimate=estimate,
        low=estimate - math.hypot(one.estimate - one.low, other.high - other.estimate),
        high=estimate + math.hypot(one.high - one.estimate, other.estimate - other.low),
    )


def _of_one_class(scored: Scored) -> bool:
    """Say whether nobody has cells of both classes."""
    return len(scored.groups) == len(np.unique(scored.patients))


def _level(unit: str, scored: Scored, validation: Scored, threshold: float) -> Level:
    return Level(
        unit=unit,
        count=len(scored),
        table=table(scored, threshold),
        confusion=np.bincount(outcomes(scored.labels, scored.scores >= threshold), minlength=4).reshape(2, 2),
        figures=intervals(
            classification_rates(scored, threshold), ranking_metrics(scored), probability_metrics(scored)
        ),
        at_specificity=tuple(_at(scored, validation, specificity) for specificity in SPECIFICITIES),
    )


def _at(scored: Scored, validation: Scored, specificity: float) -> AtSpecificity:
    threshold = curve_of(validation).at_specificity(specificity).threshold
    found = intervals(classification_rates(scored, threshold))
    return AtSpecificity(
        wanted=specificity, threshold=threshold, recall=found["recall"], specificity=found["specificity"]
    )


def _calibration(scored: Scored, temperature: float) -> Calibration:
    tempered = temper(scored, temperature)
    return Calibration(
        temperature=None if math.isnan(temperature) else temperature,
        before=intervals(probability_metrics(scored))["ece"],
        after=intervals(probability_metrics(tempered))["ece"],
        bins_before=reliability(scored),
        bins_after=reliability(tempered),
    )


def _predictive(level: Level, prevalence: float) -> Predictive:
    positive, negative = predictive_values(level.figures["recall"], level.figures["specificity"], prevalence)
    return Predictive(prevalence=prevalence, positive=positive, negative=negative)


def _by_patient(scored: Scored, patients: Scored, threshold: float) -> tuple[OfPatient, ...]:
    shares = by_patient(scored, threshold)
    return tuple(
        OfPatient(
            name=patients.patient_names[row],
            label=int(patients.labels[row]),
            cells=int(cells),
            score=float(patients.scores[row]),
            share=float(shares.scores[row]),
            right=bool((patients.scores[row] >= threshold) == (patients.labels[row] == 1)),
        )
        for row, cells in enumerate(cells_of(scored))
    )
