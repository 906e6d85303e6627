"""Curves, areas and recall at a specificity, held against scikit-learn and against every threshold in turn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as oracle

from leukmodels.evaluation.curves import SPECIFICITIES, auroc, curve, curve_of, ranking_metrics
from toy_scores import of_patients, scored


@st.composite
def parts(draw):
    """Labels with both classes and scores with ties, 0 and 1 among them."""
    labels = [0, 1, *draw(st.lists(st.integers(0, 1), max_size=30))]
    grid = st.one_of(st.sampled_from([0.0, 1e-300, 0.25, 0.5, 1.0]), st.floats(0, 1))
    scores = draw(st.lists(grid, min_size=len(labels), max_size=len(labels)))
    return np.array(labels, np.uint8), np.array(scores)


@given(parts())
def test_the_curves_are_those_of_scikit_learn(part):
    labels, scores = part
    found = curve(labels, scores)
    alarm_rate, recall, _ = oracle.roc_curve(labels, scores, drop_intermediate=False)
    assert found.recall == pytest.approx(recall)
    assert 1 - found.specificity == pytest.approx(alarm_rate)
    precision, recall, _ = oracle.precision_recall_curve(labels, scores)
    assert found.recall[::-1] == pytest.approx(recall)
    assert found.precision[::-1] == pytest.approx(precision)


@given(parts())
def test_every_point_is_what_its_threshold_does(part):
    labels, scores = part
    found = curve(labels, scores)
    assert (np.diff(found.thresholds) < 0).all()
    assert len(found.thresholds) == len(np.unique(scores)) + 1
    for place, threshold in enumerate(found.thresholds):
        called = scores >= threshold
        point = found.point(place)
        assert point.recall == pytest.approx(called[labels == 1].mean())
        assert point.specificity == pytest.approx((~called)[labels == 0].mean())
        assert point.accuracy == pytest.approx((called == labels).mean())


def test_thresholds_lie_between_scores():
    assert curve_of(of_patients([0, 1, 1, 0], [0.2, 0.4, 0.9, 0.4])).thresholds == pytest.approx([0.95, 0.65, 0.3, 0.1])
    neighbours = np.array([0.5, np.nextafter(0.5, 1), 1.0])
    found = curve(np.array([0, 1, 1], np.uint8), neighbours)
    assert [(neighbours >= threshold).sum() for threshold in found.thresholds] == [0, 1, 2, 3]


@given(parts())
def test_points_rise_with_a_falling_threshold(part):
    found = curve(*part)
    assert (np.diff(found.recall) >= 0).all()
    assert (np.diff(found.specificity) <= 0).all()
    assert (found.recall[0], found.specificity[0], found.recall[-1], found.specificity[-1]) == (0, 1, 1, 0)


@given(parts(), st.sampled_from([0.0, 0.5, 0.9, 0.95, 1.0]))
def test_recall_at_a_specificity_is_the_highest_of_all_thresholds(part, specificity):
    labels, scores = part
    found = curve(labels, scores).at_specificity(specificity)
    every = [
        ((scores >= threshold)[labels == 1].mean(), (scores < threshold)[labels == 0].mean())
        for threshold in np.r_[np.unique(scores), 2]
    ]
    best = max(pair for pair in every if pair[1] >= specificity - 1e-12)
    assert (found.recall, found.specificity) == pytest.approx(best)
    assert (scores >= found.threshold)[labels == 1].mean() == pytest.approx(found.recall)


@given(parts(), st.integers(0, 1000))
def test_ranking_is_that_of_scikit_learn_for_any_weights(part, seed):
    labels, scores = part
    rng = np.random.default_rng(seed)
    patients = rng.integers(0, 5, len(labels))
    measure = ranking_metrics(scored(labels, scores, patients))
    weights = rng.integers(0, 4, (2, len(measure.groups))).astype(float)
    for label in (0, 1):
        weights[:, measure.groups.members(label)[0]] += 1  # as in a draw: somebody of each class is there
    weights[0] = 1
    for drawn, values in zip(weights, measure.of(weights), strict=True):
        of_row = drawn[measure.groups.of_row]
        found = dict(zip(measure.basis, values, strict=True))
        assert found["auroc"] == pytest.approx(oracle.roc_auc_score(labels, scores, sample_weight=of_row))
        assert found["pr_auc"] == pytest.approx(oracle.average_precision_score(labels, scores, sample_weight=of_row))
        alarms, recall, _ = oracle.roc_curve(labels, scores, sample_weight=of_row, drop_intermediate=False)
        for specificity in SPECIFICITIES:
            best = recall[1 - alarms >= specificity - 1e-9].max()
            assert found[f"recall_at_specificity_{specificity:.2f}"] == pytest.approx(best)


@given(parts())
def test_the_area_alone_is_the_same(part):
    assert auroc(*part) == pytest.approx(oracle.roc_auc_score(*part))


def test_the_recall_at_a_specificity_has_the_threshold_that_gives_it():
    part = of_patients([0] * 10 + [1] * 4, [0.1] * 8 + [0.3, 0.9, 0.2, 0.35, 0.6, 0.95])
    found = curve_of(part).at_specificity(0.9)
    assert (found.recall, found.specificity) == (0.75, 0.9)
    assert found.threshold == pytest.approx((0.3 + 0.35) / 2)


@pytest.mark.parametrize(("healthy", "spared"), [(10, 9), (30, 27), (50, 45), (70, 63)])
def test_nine_tenths_of_healthy_rows_are_a_specificity_of_0_9_however_it_rounds(healthy, spared):
    """(1 - 0.9) * 10 is 0.9999999999999998: the one alarm in ten that is allowed would be too many."""
    alarms = healthy - spared
    part = of_patients([0] * healthy + [1, 1], [0.1] * spared + [0.5] * alarms + [0.9, 0.3])
    measure = ranking_metrics(part)
    values = measure.of(np.ones((1, len(part))))[0]
    assert values[list(measure.basis).index("recall_at_specificity_0.90")] == 1
    assert curve_of(part).at_specificity(spared / healthy).recall == 1
    one_more = of_patients([0] * healthy + [1, 1], [0.1] * (spared - 1) + [0.5] * (alarms + 1) + [0.9, 0.3])
    values = ranking_metrics(one_more).of(np.ones((1, len(part))))[0]
    assert values[list(measure.basis).index("recall_at_specificity_0.90")] == 0.5
