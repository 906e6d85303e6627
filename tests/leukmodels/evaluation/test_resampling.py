"""Intervals: exact ones, drawn ones, and how often they hold."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from leukmodels.errors import DataError
from leukmodels.evaluation.calibration import probability_metrics
from leukmodels.evaluation.curves import ranking_metrics
from leukmodels.evaluation.interval import exact
from leukmodels.evaluation.resampling import DRAWS, differences, draws, intervals, spread
from leukmodels.evaluation.scored import Scored, by_patient
from leukmodels.evaluation.tables import classification_rates
from toy_scores import Cohort, of_patients, scored


@given(st.integers(1, 200), st.data())
def test_exact_limits_are_those_of_the_binomial_test(trials, data):
    right = data.draw(st.integers(0, trials))
    low, high = exact(np.array([right / trials]), np.array([trials]), 0.025)
    oracle = stats.binomtest(right, trials).proportion_ci(method="exact")
    assert (low[0], high[0]) == pytest.approx((oracle.low, oracle.high), abs=1e-9)


@pytest.mark.parametrize(("patients", "low"), [(12, 0.735), (30, 0.884), (60, 0.940)])
@pytest.mark.parametrize("cells", [1, 20])
def test_perfect_answers_have_the_exact_limits_of_so_many_patients(patients, low, cells):
    labels = np.repeat([1, 0], patients * cells)
    found = intervals(
        classification_rates(scored(labels, labels * 0.8 + 0.1, np.arange(2 * patients * cells) // cells))
    )
    for name in ("recall", "specificity", "precision", "f1"):
        assert (found[name].estimate, found[name].high) == (1, 1)
        assert found[name].low == pytest.approx(low, abs=5e-4)
    assert found["accuracy"].low > low  # of twice as many


def test_proportions_of_patients_are_exact():
    labels = np.repeat([1, 0], [20, 30])
    right = np.r_[np.arange(20) < 17, np.arange(30) < 29]
    found = intervals(classification_rates(of_patients(labels, np.where(right, labels, 1 - labels))))
    for name, successes, trials in (("recall", 17, 20), ("specificity", 29, 30), ("accuracy", 46, 50)):
        oracle = stats.binomtest(successes, trials).proportion_ci(method="exact")
        assert (found[name].low, found[name].high) == pytest.approx((oracle.low, oracle.high))


def test_the_standard_error_is_that_of_scipys_bootstrap():
    rng = np.random.default_rng(3)
    leukemic, healthy = rng.normal(1, 1, 150), rng.normal(0, 1, 120)
    odds = np.r_[leukemic, healthy]
    part = of_patients(np.repeat([1, 0], [150, 120]), 1 / (1 + np.exp(-odds)))

    def auroc(ours, theirs, axis=-1):
        return (np.expand_dims(ours, -1) > np.expand_dims(theirs, -2)).mean(axis=(-2, -1))

    oracle = {
        "recall": stats.bootstrap(((leukemic >= 0).astype(float),), np.mean, n_resamples=4000, rng=1),
        "auroc": stats.bootstrap((leukemic, healthy), auroc, n_resamples=2000, rng=1, batch=200, method="percentile"),
    }
    for name, measure in (("recall", classification_rates(part)), ("auroc", ranking_metrics(part))):
        place = list(measure.basis).index(name)
        _, drawn = spread(measure.groups, measure.of)
        assert drawn.error[place] == pytest.approx(oracle[name].standard_error, rel=0.06)
    # Of many patients who are all alike it matters little how limits are made of the draws.
    found, theirs = intervals(ranking_metrics(part))["auroc"], oracle["auroc"].confidence_interval
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), abs=0.015)


def test_two_thousand_draws_of_each_class_by_itself():
    groups = Cohort(leukemic=7, healthy=12).draw(np.random.default_rng(0))[0].groups
    weights = np.concatenate(list(draws(groups)))
    assert weights.shape == (DRAWS, 19)
    for label, patients in ((1, 7), (0, 12)):
        ours = weights[:, groups.members(label)]
        assert ours.sum(axis=1) == pytest.approx(np.full(DRAWS, patients))
        assert ours.var(axis=0, ddof=1).mean() == pytest.approx(1, rel=0.05)


def everything(part: Scored) -> dict:
    return intervals(classification_rates(part), ranking_metrics(part), probability_metrics(part))


@settings(max_examples=10)
@given(seed=st.integers(0, 10_000))
def test_the_order_of_rows_means_nothing_and_an_estimate_lies_in_its_interval(seed):
    rng = np.random.default_rng(seed)
    (part,) = Cohort(leukemic=5, healthy=6, cells=(1, 8)).draw(rng)
    order = rng.permutation(len(part))
    other = scored(part.labels[order], part.scores[order], part.patients[order])
    found, again = everything(part), everything(other)
    for name, interval in found.items():
        assert 0 <= interval.low <= interval.estimate <= interval.high <= 1
        assert vars(again[name]) == pytest.approx(vars(interval))


def test_more_cells_of_the_same_patients_make_nothing_surer():
    (part,) = Cohort(leukemic=8, healthy=8).draw(np.random.default_rng(1))
    many = everything(scored(*(np.tile(column, 20) for column in (part.labels, part.scores, part.patients))))
    for name, interval in everything(part).items():
        assert vars(many[name]) == pytest.approx(vars(interval), abs=1e-6)


def test_of_one_patient_nothing_follows():
    found = intervals(classification_rates(scored([1, 1, 0, 0], [0.9, 0.8, 0.1, 0.6], [0, 0, 1, 2])))
    assert (found["recall"].low, found["recall"].high) == (0, 1)
    assert found["specificity"].low > 0


COHORTS = {
    "20 patients": Cohort(leukemic=8, healthy=12, cells=(3, 8), between=1.0),
    "30 patients": Cohort(leukemic=15, healthy=15, cells=(8, 20), mean=2.4, between=1.4),
    "60 patients": Cohort(leukemic=30, healthy=30, cells=(3, 8)),
}


@pytest.mark.parametrize("cohort", COHORTS.values(), ids=COHORTS)
def test_intervals_hold_as_often_as_they_say(cohort):
    for name, measure in cohort.repeat(np.random.default_rng(0), times=400).items():
        held = np.mean([each.low <= cohort.truth[name] <= each.high for each in intervals(measure).values()])
        assert 0.92 <= held <= 0.985, name


def test_intervals_of_patients_hold_at_least_as_often():
    cohort = Cohort(leukemic=15, healthy=15, cells=(1, 1))
    for name, measure in cohort.repeat(np.random.default_rng(0), times=400).items():
        held = np.mean([each.low <= cohort.truth[name] <= each.high for each in intervals(measure).values()])
        assert held >= 0.94, name


PROBABILITIES = {
    "20 patients, not sure enough": Cohort(leukemic=8, healthy=12),
    "20 patients, calibrated": Cohort(leukemic=10, healthy=10, mean=2.5, between=1.2, within=np.sqrt(5 - 1.2**2)),
    "30 patients, too sure": Cohort(leukemic=15, healthy=15, mean=4.0, between=2.5, within=2.5),
    "60 patients, calibrated": Cohort(leukemic=30, healthy=30, mean=2.5, between=1.2, within=np.sqrt(5 - 1.2**2)),
}


@pytest.mark.parametrize("cohort", PROBABILITIES.values(), ids=PROBABILITIES)
def test_intervals_of_probabilities_hold_as_often_as_they_say(cohort):
    rng = np.random.default_rng(0)
    found = [intervals(probability_metrics(cohort.draw(rng)[0])) for _ in range(200)]
    held = {
        name: np.mean([each[name].low <= truth + 1e-9 and truth <= each[name].high for each in found])
        for name, truth in cohort.calibration.items()
    }
    assert 0.92 <= held["brier"] <= 0.99
    assert held["ece"] >= 0.94
    calibrated = cohort.calibration["ece"] < 1e-9
    assert np.mean([each["ece"].estimate for each in found]) > cohort.calibration["ece"] + 0.01  # by chance
    assert np.mean([each["ece"].low == 0 for each in found]) >= 0.94 or not calibrated


def test_what_is_far_from_a_probability_is_surely_so():
    (part,) = Cohort(leukemic=30, healthy=30).draw(np.random.default_rng(0))
    assert intervals(probability_metrics(part))["ece"].low > 0.01
    wrong = replace(part, scores=1 - part.scores)
    found = intervals(probability_metrics(wrong))["ece"]
    assert found.low > 0.5
    assert found.high - found.low < 0.3


def test_the_truths_that_coverage_is_held_against_are_true():
    cohort = Cohort(leukemic=400, healthy=400, cells=(1, 9))
    (part,) = cohort.draw(np.random.default_rng(0))
    repeated = cohort.repeat(np.random.default_rng(0), times=2)
    for name, found in {**intervals(classification_rates(part)), **intervals(ranking_metrics(part))}.items():
        if name in cohort.truth:
            assert found.estimate == pytest.approx(cohort.truth[name], abs=0.02)
            assert intervals(repeated[name])["0"].estimate == pytest.approx(cohort.truth[name], abs=0.02)
    for name, found in intervals(probability_metrics(part)).items():
        assert found.estimate == pytest.approx(cohort.calibration[name], abs=0.02)


def test_a_difference_is_surer_on_the_same_patients():
    rng = np.random.default_rng(5)
    first, second = Cohort(leukemic=20, healthy=20, between=1.5).draw(rng, models=2, alike=0.95)
    (other,) = Cohort(leukemic=20, healthy=20, between=1.5).draw(rng)
    paired = differences(ranking_metrics(first), ranking_metrics(second))["auroc"]
    alone = intervals(ranking_metrics(first))["auroc"]
    assert paired.high - paired.low < (alone.high - alone.low) / 2
    estimates = [intervals(ranking_metrics(part))["auroc"].estimate for part in (first, second)]
    assert paired.estimate == pytest.approx(estimates[1] - estimates[0])
    with pytest.raises(DataError, match="the same cells in the same order"):
        differences(ranking_metrics(first), ranking_metrics(other))


def test_a_difference_holds_as_often_as_it_says():
    rng = np.random.default_rng(2)
    held, times = 0, 400
    for _ in range(times):
        first, second = Cohort(leukemic=12, healthy=15, cells=(3, 8)).draw(rng, models=2)
        found = differences(classification_rates(first), classification_rates(second))["accuracy"]
        held += found.low <= 0 <= found.high
    assert 0.92 <= held / times <= 0.985


def test_where_nobody_tells_two_models_apart_the_patients_not_seen_remain():
    (part,) = Cohort(leukemic=12, healthy=12).draw(np.random.default_rng(0))
    found = differences(classification_rates(part), classification_rates(part))["recall"]
    assert found.estimate == 0
    assert (found.low, found.high) == pytest.approx((0.735 - 1, 1 - 0.735), abs=5e-4)


def test_patients_are_measured_as_cells_are():
    (part,) = Cohort(leukemic=10, healthy=10).draw(np.random.default_rng(4))
    patients = by_patient(part)
    labels, called = patients.labels, patients.scores >= 0.5
    assert intervals(classification_rates(patients))["recall"].estimate == called[labels == 1].mean()


@pytest.mark.parametrize(("label", "freedom"), [(1, 5), (0, 3)])
def test_a_number_of_one_class_has_the_degrees_of_freedom_of_its_patients_but_one(label, freedom):
    """Of Satterthwaite's: (a + b)² / (a² / (m - 1) + b² / (n - 1)), where the other class contributes nothing."""
    part = of_patients([1] * 6 + [0] * 4, np.arange(10) / 10)
    of_class = (part.labels == label).astype(float)
    _, drawn = spread(part.groups, lambda weights: ((weights * part.scores) @ of_class / (weights @ of_class))[:, None])
    assert drawn.freedom == pytest.approx([freedom], rel=0.01)


def test_two_classes_that_contribute_as_much_have_as_many_degrees_of_freedom_as_both():
    part = of_patients([1] * 6 + [0] * 6, [*np.arange(6) / 6] * 2)
    _, drawn = spread(part.groups, lambda weights: weights @ part.scores[:, None] / 12)
    assert drawn.freedom == pytest.approx([10], rel=0.02)


def test_the_spread_of_a_mean_is_that_of_textbooks():
    """Of m = 3 patients: the standard error is s / sqrt(m); one more like x moves the mean by (x - mean) / (m + 1)."""
    part = of_patients([1, 1, 1, 0], [0.1, 0.4, 0.9, 0.5])  # mean 1.4 / 3; deviations -11/30, -2/30, 13/30
    _, drawn = spread(part.groups, lambda weights: weights @ np.array([[0.1], [0.4], [0.9], [0.0]]) / 3)
    squares = (11**2 + 2**2 + 13**2) / 30**2
    assert drawn.error == pytest.approx([np.sqrt(squares / 2 / 3)], rel=0.05)
    assert (drawn.down[0], drawn.up[0]) == pytest.approx((-11 / 30 / 4, 13 / 30 / 4), rel=0.1)
    assert drawn.bias == pytest.approx([0], abs=0.02)


def test_the_standard_error_is_about_the_draws_own_mean_and_the_bias_is_how_far_off_that_is():
    """Of 4 patients 3 are drawn: 1, 2 or 3 different ones in 4, 36 and 24 of 64 ways, which leaves out 3, 2 or 1.

    The share left out is 0 of the patients themselves. Of the draws it is 108 / 64 / 4 on average, and its variance is
    (204 / 64 - (108 / 64)²) / 4².
    """
    part = of_patients([1, 1, 1, 1, 0], [0.5] * 5)
    _, drawn = spread(part.groups, lambda weights: (weights == 0).sum(axis=1, keepdims=True) / 4)
    assert drawn.bias == pytest.approx([0.4219], abs=0.01)
    assert drawn.error == pytest.approx([0.1457], rel=0.05)


def test_a_number_rests_on_the_patients_of_its_classes():
    """Of 5 leukemic and 3 healthy: what hangs on all rows has 8 answers, but of the smaller class only 3 patients."""
    labels = np.repeat([1, 0], [5, 3])
    patients, cells = (
        of_patients(labels, labels),
        scored(np.repeat(labels, 2), np.repeat(labels, 2), np.arange(16) // 2),
    )
    for part, rows_are_patients in ((patients, True), (cells, False)):
        measure = classification_rates(part)
        found = zip(measure.patients, measure.trials, measure.proportions_of_patients, strict=True)
        of = dict(zip(measure.basis, [tuple(each) for each in found], strict=True))
        assert of["recall"] == (5, 5, rows_are_patients)
        assert of["specificity"] == (3, 3, rows_are_patients)
        assert of["accuracy"] == (3, 8, rows_are_patients)
        assert of["f1"] == (3, 3, False)
