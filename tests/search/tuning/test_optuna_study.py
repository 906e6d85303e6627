"""What Optuna is told of each trial, case by case."""

import pytest

import studies
from search.study.objectives import Objectives
from search.study.records import RungDecision, TrialRecord, TrialState
from search.tuning.optuna_study import constraints

OBJECTIVES = Objectives(min_specificity=0.5, ceilings={"latency_ms": 2.0})


@pytest.mark.parametrize(
    ("epochs", "rank", "size", "violation"),
    [  # the less the farther it came, and the less the better its rank was: (1 + rank / size) / (1 + epochs)
        (1, 4, 4, 1.0),
        (1, 2, 4, 0.75),
        (1, 1, 4, 0.625),
        (3, 4, 4, 0.5),
        (3, 2, 4, 0.375),
        (9, 3, 3, 0.2),
    ],
)
def test_a_stopped_trial_breaks_a_constraint_the_less_the_farther_it_came(epochs, rank, size, violation):
    decision = RungDecision(rung=epochs, rank=rank, size=size, quota=1)
    trial = TrialRecord(
        number=1,
        params={},
        source="sampled",
        state=TrialState.STOPPED,
        epochs=({},) * epochs,
        decisions=(RungDecision(rung=1, rank=1, size=9, quota=3), decision),
    )
    assert constraints(trial, OBJECTIVES) == {"stopped": pytest.approx(violation)}


def test_one_that_was_on_no_rung_counts_as_the_last_of_it():
    trial = TrialRecord(number=1, params={}, source="sampled", state=TrialState.STOPPED, epochs=({},))
    assert constraints(trial, OBJECTIVES) == {"stopped": 1.0}


def test_a_complete_trial_breaks_what_it_breaks_and_a_failed_one_nothing():
    (complete,) = studies.of_points((0.9, 0.7, 0.4)).trials.values()  # of 2.5 ms
    assert constraints(complete, OBJECTIVES) == pytest.approx({"recall": -0.9, "specificity": 0.1, "latency_ms": 0.25})
    assert constraints(TrialRecord(number=1, params={}, source="sampled", state=TrialState.FAILED), OBJECTIVES) == {}
