"""The table of a classifier, held against scikit-learn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle

from leukmodels.evaluation.resampling import intervals
from leukmodels.evaluation.scored import by_patient
from leukmodels.evaluation.tables import classification_rates, table
from toy_scores import Cohort, scored


@st.composite
def parts(draw):
    """Scores of patients with ties, both classes, and a threshold that may equal a score."""
    labels = [0, 1, *draw(st.lists(st.integers(0, 1), max_size=30))]
    grid = st.sampled_from([0.0, 0.2, 0.5, 0.7, 1.0])
    scores = draw(st.lists(grid, min_size=len(labels), max_size=len(labels)))
    patients = draw(st.lists(st.integers(0, 6), min_size=len(labels), max_size=len(labels)))
    return scored(labels, scores, patients), draw(grid)


@settings(max_examples=50)
@given(parts())
def test_the_table_is_that_of_scikit_learn(case):
    part, threshold = case
    called = part.scores >= threshold
    report = oracle.classification_report(part.labels, called, output_dict=True, zero_division=0)
    found = table(part, threshold)
    assert found.accuracy.estimate == pytest.approx(report["accuracy"])
    rows = {"0": found.control, "1": found.leukemia, "macro avg": found.macro, "weighted avg": found.weighted}
    for name, row in rows.items():
        theirs = report[name]
        ours = (row.precision.estimate, row.recall.estimate, row.f1.estimate, row.support)
        assert ours == pytest.approx((theirs["precision"], theirs["recall"], theirs["f1-score"], theirs["support"]))


@settings(max_examples=50)
@given(parts(), st.integers(0, 1000))
def test_weights_are_those_of_scikit_learn(case, seed):
    part, threshold = case
    measure = classification_rates(part, threshold)
    weights = np.random.default_rng(seed).integers(1, 4, len(part.groups)).astype(float)
    of_row, called = weights[part.groups.of_row], part.scores >= threshold
    found = dict(zip(measure.basis, measure.of(weights[None])[0], strict=True))
    for average in ("macro", "weighted"):
        precision, _, f1, _ = oracle.precision_recall_fscore_support(
            part.labels, called, average=average, sample_weight=of_row, zero_division=0
        )
        assert (found[f"{average}_precision"], found[f"{average}_f1"]) == pytest.approx((precision, f1))
    assert found["accuracy"] == pytest.approx(oracle.accuracy_score(part.labels, called, sample_weight=of_row))
    assert found["recall"] == pytest.approx(oracle.recall_score(part.labels, called, sample_weight=of_row))
    specificity = oracle.recall_score(part.labels, called, pos_label=0, sample_weight=of_row)
    assert found["specificity"] == pytest.approx(specificity)
    assert found["balanced_accuracy"] == pytest.approx((found["recall"] + found["specificity"]) / 2)


def test_cells_and_patients_have_tables_alike():
    (cells,) = Cohort(leukemic=9, healthy=7).draw(np.random.default_rng(0))
    found = table(by_patient(cells))
    assert (found.leukemia.support, found.control.support, found.macro.support) == (9, 7, 16)
    assert found.leukemia.recall == intervals(classification_rates(by_patient(cells)))["recall"]
