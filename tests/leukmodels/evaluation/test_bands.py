"""The bands of curves against scikit-learn, and what they must keep."""

import numpy as np
import pytest
from sklearn import metrics

from leukmodels.evaluation.bands import _at, bands
from leukmodels.evaluation.scored import Scored


def scores(patients=24, cells=12, seed=0):
    rng = np.random.default_rng(seed)
    who = np.repeat(np.arange(patients), cells)
    logits = 1.4 * (who % 2) + rng.normal(0, 0.8, patients)[who] + rng.normal(0, 1, len(who))
    return Scored(
        labels=(who % 2).astype(np.uint8),
        scores=np.round(1 / (1 + np.exp(-logits)), 2),  # with ties
        patients=who.astype(np.int32),
        patient_names=tuple(map(str, range(patients))),
        images=who.astype(str),
    )


def test_the_roc_band_holds_the_curve():
    scored = scores()
    band = bands(scored).recall
    alarms, recall, _ = metrics.roc_curve(scored.labels, scored.scores, drop_intermediate=False)
    reached = np.array([recall[alarms <= 1 - place + 1e-9].max() for place in band.place])
    assert np.all(band.low <= reached)
    assert np.all(reached <= band.high)
    assert np.mean(band.high - band.low) > 0.1  # 24 patients say little
    assert band.high[0] == 1


def test_the_precision_recall_band_holds_the_curve():
    scored = scores()
    band = bands(scored).precision
    precision, recall, _ = metrics.precision_recall_curve(scored.labels, scored.scores)
    for place, low, high in zip(band.place, band.low, band.high, strict=True):
        first = np.flatnonzero(recall >= place - 1e-9)[-1]  # the highest threshold that finds so many
        assert low <= precision[first] <= high


def test_more_patients_are_surer():
    few, many = (bands(scores(patients)).recall for patients in (12, 96))
    assert np.mean(many.high - many.low) < 0.6 * np.mean(few.high - few.low)


def test_the_recall_at_a_specificity_is_that_of_the_lowest_threshold_which_has_it():
    """Of 50 healthy cells 0, 0, 1 and 50 were alarms, as 1, 2, 3 and 4 of 4 leukemic ones were found."""
    at = _at(np.array([1.0, 2.0, 3.0, 4.0]), np.array([0.0, 0.0, 1.0, 50.0]))
    recall, precision = at[:50], at[50:]  # at 0.02, 0.04, ... 1
    assert recall.tolist() == [0.75] * 49 + [0.5]
    assert precision.tolist() == [1.0] * 25 + [0.75] * 12 + [4 / 54] * 13


def test_the_precision_at_a_recall_is_where_just_so_many_are_found_however_it_rounds():
    """With k of 50 found there are k² alarms. 0.14 * 50 is 7.000000000000001: 7 are enough all the same."""
    count = np.arange(1.0, 51.0)
    assert _at(count, count**2)[50:] == pytest.approx(1 / (1 + count))
