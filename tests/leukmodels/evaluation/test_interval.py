"""Small rules of the limits, in literal cases with their arithmetic written out; coverage is in test_resampling.py."""

import numpy as np
import pytest
from scipy import stats

from leukmodels.evaluation.interval import Spread, exact, limits, limits_of_difference, low_of_sizes


def spread(error=0.0, freedom=10.0, down=0.0, up=0.0, bias=0.0):
    """Return the spread of one number."""
    return Spread(**{name: np.array([value]) for name, value in locals().items()})


def limits_of(estimate, *, patients=100, trials=100, **drawn):
    low, high = limits(
        np.array([estimate]), spread(**drawn), patients=np.array([patients]), trials=np.array([trials]), tail=0.025
    )
    return low[0], high[0]


T10 = 2.2281  # the 97.5 % point of t with 10 degrees of freedom, of any table


def log_odds(share):
    return np.log(share / (1 - share))


def share(log_odds):
    return 1 / (1 + np.exp(-log_odds))


def test_limits_lie_a_t_interval_away_on_the_log_odds():
    """The slope of the log odds at 0.8 is 1 / (0.8 * 0.2) = 6.25, so an error of 0.02 is one of 0.125."""
    assert stats.t.ppf(0.975, 10) == pytest.approx(T10, abs=1e-4)
    low, high = limits_of(0.8, error=0.02)
    assert (low, high) == pytest.approx((0.7517, 0.8409), abs=1e-4)
    assert (low, high) == pytest.approx(
        (share(log_odds(0.8) - T10 * 0.125), share(log_odds(0.8) + T10 * 0.125)), abs=1e-4
    )


@pytest.mark.parametrize(
    ("estimate", "lower_end_moves", "upper_end_moves"),
    [(0.8, True, False), (0.45, False, True), (0.5, False, False), (0.2, False, True)],
)
def test_one_patient_more_moves_the_end_towards_one_half(estimate, lower_end_moves, upper_end_moves):
    """At one half neither end is towards it."""
    plain, moved = limits_of(estimate, error=0.02), limits_of(estimate, error=0.02, down=-0.01, up=0.01)
    by = 0.01 / (estimate * (1 - estimate))
    expected = [log_odds(plain[0]) - by * lower_end_moves, log_odds(plain[1]) + by * upper_end_moves]
    assert log_odds(np.array(moved)) == pytest.approx(expected)


@pytest.mark.parametrize(("bias", "down", "up"), [(0.01, 1, 0), (-0.01, 0, 1)])
def test_a_bias_moves_the_end_on_its_side(bias, down, up):
    """A number that is too high on average may be lower, never higher."""
    plain, moved = limits_of(0.5, error=0.02), limits_of(0.5, error=0.02, bias=bias)
    expected = [log_odds(plain[0]) - 0.04 * down, log_odds(plain[1]) + 0.04 * up]  # 0.01 at a slope of 4
    assert log_odds(np.array(moved)) == pytest.approx(expected)


@pytest.mark.parametrize(("patients", "nothing_follows"), [(1, True), (2, False), (3, False)])
def test_nothing_follows_of_one_patient_and_something_of_two(patients, nothing_follows):
    low, high = limits_of(0.6, error=0.02, patients=patients)
    assert (low == 0, high == 1) == (nothing_follows, nothing_follows)
    low, high = limits_of_difference(
        np.array([0.1]), spread(error=0.02), patients=np.array([patients]), trials=np.array([9]), tail=0.025
    )
    assert (low[0] == -1, high[0] == 1) == (nothing_follows, nothing_follows)


def test_no_limit_is_farther_than_the_exact_one():
    """Of 12 of 12: 0.025 ** (1 / 12) = 0.735, which also remains where nothing spreads."""
    assert limits_of(1.0, trials=12) == pytest.approx((0.735, 1), abs=5e-4)
    oracle = stats.binomtest(8, 10).proportion_ci(method="exact")
    assert limits_of(0.8, error=0.9, trials=10) == pytest.approx((oracle.low, oracle.high))


@pytest.mark.parametrize(("right", "trials"), [(0, 7), (1, 7), (6, 7), (7, 7), (29, 30)])
def test_exact_limits_are_scipys(right, trials):
    low, high = exact(np.array([right / trials]), np.array([trials]), 0.05)
    oracle = stats.binomtest(right, trials).proportion_ci(0.9, method="exact")
    assert (low[0], high[0]) == pytest.approx((oracle.low, oracle.high), abs=1e-9)


@pytest.mark.parametrize(
    ("estimate", "low"),
    [
        # Two gaps by chance with standard errors 0.01 and 0.02: 0.03 * sqrt(2 / pi) = 0.023937; the t interval's reach
        # is 2.2281 * 0.02 = 0.044563.
        (0.2, 0.2 - 0.023937 - 0.044563),
        (0.05, 0),  # 0.05 - 0.0685 is below 0
    ],
)
def test_sums_of_sizes_are_less_what_chance_makes_of_them(estimate, low):
    gaps = Spread(**{name: np.array([0.01, 0.02]) for name in ("error", "freedom", "down", "up", "bias")})
    assert low_of_sizes(np.array([estimate]), spread(error=0.02), gaps, 0.025) == pytest.approx([low], abs=1e-5)


def test_a_difference_has_one_patient_more_at_both_ends_and_stays_within_1():
    def of(estimate, **drawn):
        found = limits_of_difference(
            np.array([estimate]), spread(**drawn), patients=np.array([9]), trials=np.array([9]), tail=0.025
        )
        return tuple(float(each[0]) for each in found)

    # 2.2281 * 0.02 = 0.04456, and 0.01 down, 0.03 up.
    assert of(0.1, error=0.02, down=-0.01, up=0.03) == pytest.approx((0.1 - 0.05456, 0.1 + 0.07456), abs=1e-5)
    assert of(-0.98, error=0.02)[0] == -1
    assert of(0.98, error=0.02)[1] == 1
    assert of(0.0) == pytest.approx((-0.3363, 0.3363), abs=1e-4)  # 1 - 0.025 ** (1 / 9): nobody told them apart
