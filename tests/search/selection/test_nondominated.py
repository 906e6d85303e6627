"""The order of several objectives, against brute force and against Syne Tune."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from search.selection.nondominated import epsilon_net, nondominated_fronts, rank

COARSE = st.integers(0, 4).map(float)  # many ties
FINE = st.floats(0, 1, allow_subnormal=False)


def points(values, least=0, most=24):
    shape = st.tuples(st.integers(least, most), st.integers(1, 3))
    return shape.flatmap(lambda shape: arrays.arrays(np.float64, shape, elements=values))


def dominates(a, b):
    return bool((a <= b).all() and (a < b).any())


@given(points(COARSE))
def test_fronts_are_what_remains_undominated_when_the_fronts_before_are_taken_away(losses):
    left = set(range(len(losses)))
    for front in nondominated_fronts(losses):
        assert set(front) == {i for i in left if not any(dominates(losses[j], losses[i]) for j in left)}
        left -= set(front.tolist())
    assert not left


@given(points(FINE, least=1))
def test_each_next_in_a_net_is_as_far_from_all_before_as_anyone_left(losses):
    order = epsilon_net(losses)
    assert sorted(order) == list(range(len(losses)))
    assert losses[order[0], 0] == losses[:, 0].min()
    for place in range(1, len(order)):
        distance = [min(np.linalg.norm(losses[i] - losses[j]) for j in order[:place]) for i in order[place:]]
        assert distance[0] == pytest.approx(max(distance))


@given(points(COARSE, least=1), st.data())
def test_the_feasible_come_first_and_then_whoever_violates_less(losses, data):
    violations = np.array(data.draw(st.lists(st.sampled_from([-1.0, 0.0, 0.1, 0.2]), min_size=len(losses))))[
        : len(losses)
    ]
    order = rank(losses, violations)
    assert sorted(order) == list(range(len(losses)))
    assert (np.diff(np.maximum(violations, 0)[order]) >= 0).all()
    for earlier, later in pairwise(order):
        if max(violations[earlier], 0) == max(violations[later], 0):
            assert not dominates(losses[later], losses[earlier])


@given(points(COARSE, least=2), st.data())
def test_the_order_of_the_rows_changes_nothing(losses, data):
    shuffled = np.array(data.draw(st.permutations(range(len(losses)))))
    violations = np.zeros(len(losses))
    assert (losses[rank(losses, violations)] == losses[shuffled][rank(losses[shuffled], violations)]).all()


def test_rows_without_a_number_come_last():
    losses = np.array([[np.nan, 0.0], [0.5, 0.5], [0.1, 0.9]])
    assert rank(losses, [0.0, 0.3, 0.0]).tolist() == [2, 1, 0]


@pytest.mark.parametrize(
    ("violations", "order"),
    [  # row 0 dominates row 1, and row 1 dominates row 2
        ([0.0, 0.0, 0.0], [0, 1, 2]),
        ([np.nan, 0.0, 0.0], [1, 2, 0]),
        ([np.nan, 0.3, 9e9], [1, 2, 0]),
        ([0.3, np.nan, 0.0], [2, 0, 1]),
        ([np.inf, np.nan, 0.0], [2, 0, 1]),  # as much as an infinite one, so by fronts
        ([np.nan, np.inf, 0.0], [2, 0, 1]),
        ([np.nan, np.nan, np.nan], [0, 1, 2]),
    ],
)
def test_a_violation_that_is_no_number_is_infinite(violations, order):
    assert rank(np.array([[0.1, 0.1], [0.2, 0.2], [0.3, 0.3]]), violations).tolist() == order


@pytest.fixture(scope="module")
def oracle():
    return pytest.importorskip(
        "syne_tune.optimizer.schedulers.multiobjective.non_dominated_priority",
        reason="pip install --no-deps syne-tune==0.16.0, as .ci/run does",
    )


@given(losses=points(FINE, least=1))
def test_equal_to_syne_tune(oracle, losses):
    # It breaks ties by the order of the rows: lexicographic here.
    rows = losses[np.lexsort(losses.T[::-1])]
    wanted = oracle.nondominated_sort(rows, dim=0, flatten=False)
    found = nondominated_fronts(rows)
    assert [front.tolist() for front in found] == [sorted(front) for front in wanted]
    for front in found:
        # Its net says each row's place. (Its sort, in 0.16.0, takes the places for the rows in order.)
        places = oracle.compute_epsilon_net(rows[front], dim=0)
        assert rows[front][epsilon_net(rows[front])] == pytest.approx(rows[front][np.argsort(places)])
