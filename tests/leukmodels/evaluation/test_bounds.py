"""Lower bounds over patients."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leukmodels.evaluation.bounds import lower_bounds
from leukmodels.evaluation.resampling import intervals
from leukmodels.evaluation.tables import classification_rates
from toy_scores import scored


def cohort(rng, patients, cells, found):
    """Return scores of patients of both classes; each patient's share of right answers varies around ``found``."""
    labels = np.repeat(np.arange(patients) % 2, cells).astype(np.uint8)
    share = rng.beta(8 * found, 8 * (1 - found), size=patients).repeat(cells)
    right = rng.random(len(labels)) < share
    return scored(labels, np.where(right, labels, 1 - labels), np.repeat(np.arange(patients), cells))


@settings(max_examples=50)
@given(seed=st.integers(0, 10_000), patients=st.integers(4, 40), found=st.floats(0.5, 0.95))
def test_a_bound_is_no_higher_than_the_estimate_and_the_same_every_time(seed, patients, found):
    part = cohort(np.random.default_rng(seed), patients, 20, found)
    bounds = lower_bounds(part)
    assert bounds == lower_bounds(part)
    for name, label in (("recall_low", 1), ("specificity_low", 0)):
        right = (part.scores >= 0.5) == (part.labels == 1)
        assert 0 <= bounds[name] <= right[part.labels == label].mean()


@pytest.mark.parametrize("patients", [20, 60])  # of both classes
def test_the_bound_holds_as_often_as_it_says(patients):
    rng = np.random.default_rng(1)
    held = [lower_bounds(cohort(rng, patients, 40, 0.8))["recall_low"] <= 0.8 for _ in range(300)]
    assert np.mean(held) >= 0.93


def test_an_error_raises_no_bound():
    labels = np.repeat([0, 1], 600)
    patients = np.arange(1200) // 40
    perfect = lower_bounds(scored(labels, labels, patients))
    assert perfect["recall_low"] == pytest.approx(0.05 ** (1 / 15))
    for wrong in ([900], [900, 940], np.arange(600, 1200, 40)):
        scores = labels.astype(float)
        scores[wrong] = 0
        assert lower_bounds(scored(labels, scores, patients))["recall_low"] <= perfect["recall_low"]


def test_of_one_patient_nothing_follows():
    labels = np.repeat([0, 1], 50)
    assert lower_bounds(scored(labels, labels, labels)) == {"recall_low": 0, "specificity_low": 0}


def test_a_bound_is_one_end_of_an_interval_that_is_wrong_at_both():
    part = cohort(np.random.default_rng(2), 30, 20, 0.7)
    assert lower_bounds(part)["recall_low"] == intervals(classification_rates(part), confidence=0.9)["recall"].low
