import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from search.study.dominance import hypervolume, pareto_mask


def dominates(a, b):
    return bool(np.all(a <= b) and np.any(a < b))


def points(objectives, *, fewest=0, most=9):
    return st.integers(fewest, most).flatmap(
        lambda n: hnp.arrays(np.float64, (n, objectives), elements=st.integers(0, 6).map(lambda value: value / 5))
    )


@given(front=st.integers(1, 3).flatmap(points))
@settings(max_examples=200)
def test_the_front_is_what_brute_force_says(front):
    expected = [not any(dominates(other, point) for other in front) for point in front]
    assert pareto_mask(front).tolist() == expected


@given(front=st.integers(1, 3).flatmap(points))
@settings(max_examples=200)
def test_hypervolume_is_the_share_of_a_fine_grid_that_is_dominated(front):
    # The points lie on multiples of 1/5 below the corner, so cells of that size are wholly dominated or not at all.
    objectives = front.shape[1]
    middles = np.array(list(itertools.product((np.arange(5) + 0.5) / 5, repeat=objectives)))
    dominated = np.array([bool((front <= middle).all(axis=1).any()) if len(front) else False for middle in middles])
    assert hypervolume(front, np.ones(objectives)) == pytest.approx(dominated.mean())


@given(front=st.integers(2, 3).flatmap(lambda m: points(m, fewest=1, most=12)))
@settings(max_examples=100)
def test_hypervolume_agrees_with_optuna(front):
    from optuna._hypervolume import compute_hypervolume

    inside = front[(front < 1).all(axis=1)]
    expected = float(compute_hypervolume(inside, np.ones(front.shape[1]))) if len(inside) else 0.0
    assert hypervolume(front, np.ones(front.shape[1])) == pytest.approx(expected)


def test_rows_with_a_nan_are_on_no_front_and_add_nothing():
    front = np.array([[0.5, 0.5], [np.nan, 0.0]])
    assert pareto_mask(front).tolist() == [True, False]
    assert hypervolume(front, [1, 1]) == pytest.approx(0.25)


def test_equal_rows_stay_together():
    assert pareto_mask(np.array([[0.2, 0.2], [0.2, 0.2], [0.3, 0.3]])).tolist() == [True, True, False]


@pytest.mark.parametrize(
    ("points", "reference", "volume"),
    [
        ([[0, 0, 0]], [2, 2, 2], 8),
        ([[1, 1, 1]], [2, 2, 2], 1),
        ([[0, 1, 1], [1, 0, 1]], [2, 2, 2], 3),  # 2 + 2, less the cube that both have
        ([[0, 0, 1], [1, 1, 0]], [2, 2, 2], 5),  # 4 and 2, 1 of it in both
        ([[0.5, 0.5, 0.5]], [1, 2, 3], 0.5 * 1.5 * 2.5),
        ([[0, 0, 3]], [2, 2, 2], 0),
        ([[1, 0]], [3, 5], 10),
        ([[1, 0], [0, 2]], [3, 5], 13),
    ],
)
def test_the_volume_below_any_reference(points, reference, volume):
    assert hypervolume(np.array(points, dtype=float), reference) == pytest.approx(volume)
