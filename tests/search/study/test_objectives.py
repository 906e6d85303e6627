"""Objectives and bounds."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leukmodels.evaluation.costs import COSTS
from search.study.objectives import Objectives
from studies import metrics

SHARES = st.floats(0, 1)
OBJECTIVES = st.builds(
    Objectives,
    cost=st.sampled_from(["", *COSTS]),
    min_recall=SHARES,
    min_specificity=SHARES,
    ceilings=st.fixed_dictionaries({}, optional={"latency_ms": st.floats(0.1, 10), "parameters": st.floats(1, 1e4)}),
    sure=st.booleans(),
)


@given(objectives=OBJECTIVES)
def test_they_go_through_json(objectives):
    assert Objectives.from_dict(json.loads(json.dumps(objectives.to_dict()))) == objectives


@given(objectives=OBJECTIVES, recall=SHARES, specificity=SHARES)
def test_the_feasible_violate_nothing(objectives, recall, specificity):
    measured = metrics(recall, specificity)
    assert objectives.is_feasible(measured) == (objectives.violation(measured) == 0)


@given(objectives=OBJECTIVES, recall=SHARES, specificity=SHARES)
def test_losses_say_the_same_as_values(objectives, recall, specificity):
    ours, other = metrics(recall, specificity), {**metrics(1 - recall, specificity), "latency_ms": 5, "parameters": 9}
    signs = [1 if way == "minimize" else -1 for way in objectives.directions]
    for sign, a, b, x, y in zip(
        signs,
        objectives.values(ours),
        objectives.values(other),
        objectives.minimised(ours),
        objectives.minimised(other),
        strict=True,
    ):
        assert (sign * a < sign * b - 1e-12) <= (x < y)
        assert (x < y - 1e-12) <= (sign * a < sign * b)


def test_recall_and_accuracy_come_first():
    assert Objectives(cost="latency_ms").names == ("recall", "accuracy", "latency_ms")
    assert Objectives(cost="latency_ms").directions == ["maximize", "maximize", "minimize"]


def test_bounds_by_patients_are_held_against_the_lower_bounds():
    measured = metrics(0.8, 0.8)  # the bounds are nine tenths of it
    assert Objectives(min_recall=0.75).is_feasible(measured)
    assert not Objectives(min_recall=0.75, sure=True).is_feasible(measured)
    assert Objectives(min_recall=0.72, sure=True).violations(measured)["recall"] == pytest.approx(0)


def test_ceilings_are_broken_as_shares_of_them():
    violations = Objectives(ceilings={"latency_ms": 2.0, "parameters": 8484}).violations(metrics(0.8, 0.8))
    assert violations["latency_ms"] == pytest.approx(0.25)
    assert violations["parameters"] == pytest.approx(-0.5)


def test_the_hypervolume_of_a_cost_ends_at_its_ceiling():
    assert Objectives(cost="latency_ms", ceilings={"latency_ms": 2.5}).minimised(metrics(1, 1))[2] == pytest.approx(1)
    assert Objectives(cost="latency_ms").minimised(metrics(1, 1))[2] == pytest.approx(np.log(3.5) / np.log(101))
