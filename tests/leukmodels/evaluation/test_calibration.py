"""Whether probabilities are ones: against scikit-learn, and against a few plain lines."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit
from sklearn import metrics as oracle

from leukmodels.evaluation.calibration import (
    BINS,
    fit_temperature,
    log_loss,
    predictive_values,
    probability_metrics,
    reliability,
    temper,
)
from leukmodels.evaluation.interval import Interval
from leukmodels.evaluation.resampling import intervals
from leukmodels.evaluation.tables import classification_rates
from toy_scores import Cohort, of_patients, scored


def drawn(rows=2000, sharpness=1.0, seed=0):
    """Return rows whose truth is drawn by their own scores, and the scores then sharpened."""
    rng = np.random.default_rng(seed)
    scores = rng.random(rows)
    return of_patients(rng.random(rows) < scores, expit(sharpness * logit(scores)))


def error(part):
    """Return the expected calibration error."""
    measure = probability_metrics(part)
    return measure.of(np.ones((1, len(part.groups))))[0][list(measure.basis).index("ece")]


@given(st.integers(0, 1000), st.booleans())
def test_brier_and_calibration_error_are_those_of_other_hands(seed, tied):
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 16, 40) / 15 if tied else rng.random(40)
    part = scored([0, 1, *rng.integers(0, 2, 38)], scores, rng.integers(0, 9, 40))
    measure = probability_metrics(part)
    weights = rng.integers(1, 4, (1, len(part.groups))).astype(float)
    of_row = weights[0][part.groups.of_row]
    brier, ece = measure.of(weights)[0]
    assert brier == pytest.approx(oracle.brier_score_loss(part.labels, scores, sample_weight=of_row))
    plain = 0.0
    for low in range(15):
        ours = [row for row in range(40) if min(int(scores[row] * 15), 14) == low]
        if ours:
            of_ours = of_row[ours]
            gap = np.average(scores[ours], weights=of_ours) - np.average(part.labels[ours], weights=of_ours)
            plain += of_ours.sum() / of_row.sum() * abs(gap)
    assert ece == pytest.approx(plain)


def test_the_bins_are_what_the_calibration_error_is_made_of():
    part = drawn(sharpness=2.0)
    bins = reliability(part)
    assert sum(each.count for each in bins) == len(part)
    ece = sum(each.count * abs(each.mean_score - each.leukemic_share) for each in bins) / len(part)
    assert error(part) == pytest.approx(ece)
    for each in bins:
        assert each.high - each.low == pytest.approx(1 / BINS)
        assert each.low <= each.mean_score <= each.high


def test_scores_that_are_probabilities_have_nearly_no_error_and_need_no_temperature():
    part = drawn()
    assert error(part) < 0.04
    assert fit_temperature(part) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("sharpness", [0.4, 2.5])
def test_the_temperature_undoes_what_made_scores_too_sure(sharpness):
    part = drawn(sharpness=sharpness)
    temperature = fit_temperature(part)
    assert temperature == pytest.approx(sharpness, rel=0.1)
    tempered = temper(part, temperature)
    before, after = (error(each) for each in (part, tempered))
    assert after < before / 2
    for other in (0.97 * temperature, 1.03 * temperature):
        assert log_loss(part.labels, tempered.scores) < log_loss(part.labels, temper(part, other).scores)
    assert (np.diff(tempered.scores[np.argsort(part.scores)]) >= 0).all()


@pytest.mark.parametrize(
    "scores",
    [[0.0, 0.2, 0.7, 1.0], [0.48, 0.49, 0.51, 0.52], [0, 0, 1, 1], [0.5] * 4, [0.9, 0.8, 0.2, 0.1], [0.7] * 4],
    ids=["separated", "hardly", "perfect", "of one half", "the opposite", "all the same"],
)
def test_a_temperature_that_scores_do_not_tell_is_not_a_number_and_changes_nothing(scores):
    part = of_patients([0, 0, 1, 1], scores)
    temperature = fit_temperature(part)
    assert np.isnan(temperature)
    assert temper(part, temperature).scores.tolist() == scores


def test_equal_scores_tell_a_temperature_where_a_share_answers_to_it():
    part = of_patients([0, 1, 1, 1, 1], [0.6] * 5)
    assert temper(part, fit_temperature(part)).scores == pytest.approx([0.8] * 5, abs=1e-3)


def test_log_loss_is_that_of_scikit_learn():
    part = drawn(rows=100)
    assert log_loss(part.labels, part.scores) == pytest.approx(oracle.log_loss(part.labels, part.scores))


@given(st.floats(0.01, 0.99), st.floats(0.01, 0.99), st.floats(0.001, 0.999))
def test_predictive_values_are_counted_in_a_million(recall, specificity, prevalence):
    at = {
        name: Interval(estimate=value, low=value / 2, high=1.0) for name, value in (("r", recall), ("s", specificity))
    }
    ppv, npv = predictive_values(at["r"], at["s"], prevalence)
    ill, well = 1e6 * prevalence, 1e6 * (1 - prevalence)
    assert ppv.estimate == pytest.approx(ill * recall / (ill * recall + well * (1 - specificity)))
    assert npv.estimate == pytest.approx(well * specificity / (well * specificity + ill * (1 - recall)))
    for value in (ppv, npv):
        assert 0 <= value.low <= value.estimate <= value.high == 1


def test_no_false_alarm_among_few_promises_little_where_leukemia_is_rare():
    (part,) = Cohort(leukemic=30, healthy=30, mean=8.0).draw(np.random.default_rng(0))
    found = intervals(classification_rates(part))
    ppv, npv = predictive_values(found["recall"], found["specificity"], prevalence=0.001)
    assert (ppv.estimate, npv.estimate) == (1, 1)
    assert ppv.low < 0.01  # one of nine healthy ones may still be called leukemic
    assert npv.low > 0.999
    with pytest.raises(ValueError, match="prevalence is 0"):
        predictive_values(found["recall"], found["specificity"], prevalence=0)


@pytest.mark.parametrize("temperature", [0.04, 0.07, 0.1, 10.0, 15.0, 25.0])
def test_temperatures_from_a_twentieth_to_twenty_are_told(temperature):
    part = of_patients([0, 1, 1], [expit(temperature * np.log(2))] * 3)  # of odds 2 to 1, when divided by it
    told = temperature if 0.05 <= temperature <= 20 else np.nan
    assert fit_temperature(part) == pytest.approx(told, rel=1e-3, nan_ok=True)


def test_a_score_on_an_edge_is_of_the_bin_above_and_1_of_the_last():
    """Fifteenths: 0.2 is three of them, and opens the fourth bin."""
    bins = reliability(of_patients([0, 0, 0, 1, 1, 1], [0.0, 0.06, 0.19, 0.2, 0.26, 1.0]))
    found = [(each.low, each.high, each.mean_score, each.leukemic_share, each.count) for each in bins]
    assert found == [
        pytest.approx((0, 1 / 15, 0.03, 0, 2)),
        pytest.approx((2 / 15, 3 / 15, 0.19, 0, 1)),
        pytest.approx((3 / 15, 4 / 15, 0.23, 1, 2)),
        pytest.approx((14 / 15, 1, 1, 1, 1)),
    ]


def test_a_saturated_score_counts_as_a_ten_millionth():
    assert log_loss(np.array([1, 0], np.uint8), np.array([0.0, 1.0])) == pytest.approx(7 * np.log(10))
    assert log_loss(np.array([1], np.uint8), np.array([1e-5])) == pytest.approx(5 * np.log(10))


def test_predictive_values_of_a_hundred():
    """Of 10 leukemic cells 9 are found, of 90 healthy ones 18 raise an alarm: 9 of 27, and 72 of 73."""
    recall, specificity = (Interval(estimate=each, low=0.0, high=1.0) for each in (0.9, 0.8))
    ppv, npv = predictive_values(recall, specificity, 0.1)
    assert (ppv.estimate, npv.estimate) == pytest.approx((9 / 27, 72 / 73))


def test_where_nothing_is_called_leukemic_no_call_is_right():
    never, always = Interval(estimate=0.0, low=0.0, high=0.0), Interval(estimate=1.0, low=1.0, high=1.0)
    ppv, npv = predictive_values(never, always, 0.1)
    assert (ppv.estimate, npv.estimate) == (0, 0.9)
    ppv, npv = predictive_values(always, never, 0.1)
    assert (ppv.estimate, npv.estimate) == (0.1, 0)
    for prevalence in (0.0, 1.0):
        with pytest.raises(ValueError, match="expected a share above 0 and below 1"):
            predictive_values(never, always, prevalence)


@pytest.mark.parametrize(("temperature", "told"), [(0.0501, np.nan), (0.051, 0.051)])
def test_a_temperature_as_good_as_the_end_of_the_range_is_not_told(temperature, told):
    """The loss is a millionth of a nat lower than at the end, or it is not told apart from it.

    Of one control and two leukemic cells with log odds T ln 2 it is lowest at the temperature T. At 0.05 the log odds
    are off by ln 2 (T / 0.05 - 1), and the loss is higher by half of 2 / 3 * 1 / 3 times the square of that: 2e-7 and
    2e-5.
    """
    part = of_patients([0, 1, 1], [expit(temperature * np.log(2))] * 3)
    assert fit_temperature(part) == pytest.approx(told, rel=1e-3, nan_ok=True)
