"""Lower bounds over patients."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leukmodels.intervals import lower_bounds


def cohort(rng, patients, cells, found):
    """Return labels, scores and patients; each patient's share of right answers varies around ``found``."""
    labels = np.repeat(np.arange(patients) % 2, cells).astype(np.uint8)
    share = rng.beta(8 * found, 8 * (1 - found), size=patients).repeat(cells)
    right = rng.random(len(labels)) < share
    return labels, np.where(right, labels, 1 - labels).astype(float), np.repeat(np.arange(patients), cells)


@given(seed=st.integers(0, 10_000), patients=st.integers(4, 40), found=st.floats(0.5, 0.95))
def test_a_bound_is_no_higher_than_the_estimate_and_the_same_every_time(seed, patients, found):
    labels, scores, codes = cohort(np.random.default_rng(seed), patients, 20, found)
    bounds = lower_bounds(labels, scores, codes)
    assert bounds == lower_bounds(labels, scores, codes)
    for name, label in (("recall_low", 1), ("specificity_low", 0)):
        right = (scores >= 0.5) == (labels == 1)
        assert 0 <= bounds[name] <= right[labels == label].mean()


@pytest.mark.parametrize("patients", [20, 60])  # of both classes
def test_the_bound_holds_as_often_as_it_says(patients):
    rng = np.random.default_rng(1)
    held = [lower_bounds(*cohort(rng, patients, 40, 0.8))["recall_low"] <= 0.8 for _ in range(600)]
    assert np.mean(held) >= 0.92


def test_a_cell_that_is_answered_wrongly_raises_no_bound():
    labels = np.repeat([0, 1], 600).astype(np.uint8)
    patients = np.arange(1200) // 40
    perfect = lower_bounds(labels, labels.astype(float), patients)
    once_wrong = np.where(np.arange(1200) == 900, 0.0, labels)
    assert lower_bounds(labels, once_wrong, patients)["recall_low"] <= perfect["recall_low"]


def test_of_one_patient_nothing_follows():
    labels = np.repeat([0, 1], 50).astype(np.uint8)
    assert lower_bounds(labels, labels.astype(float), labels.astype(int)) == {"recall_low": 0, "specificity_low": 0}


def test_more_cells_of_the_same_patients_make_nothing_surer():
    few = cohort(np.random.default_rng(0), 20, 10, 0.7)
    many = tuple(np.repeat(part, 50) for part in few)
    assert lower_bounds(*many) == pytest.approx(lower_bounds(*few))


def test_perfect_answers_leave_the_doubt_of_so_few_patients():
    labels = np.repeat([0, 1], 50).astype(np.uint8)
    bounds = lower_bounds(labels, labels.astype(float), np.arange(100) // 5)
    assert bounds["recall_low"] == pytest.approx(0.05 ** (1 / 10))
