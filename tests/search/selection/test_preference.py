import pytest

import studies
from leukmodels.errors import StudyError
from search.selection.preference import Preference, ways
from search.study.front import ParetoFront, pareto_front
from search.study.objectives import Objectives

OBJECTIVES = Objectives(min_specificity=0.5)
COSTLY = Objectives(min_specificity=0.5, cost="parameters")
# The front's two ends, its middle, one behind it and one beyond the floor of specificity.
POINTS = ((0.95, 0.70, 0.6), (0.85, 0.84, 0.8), (0.70, 0.90, 0.95), (0.6, 0.6, 0.6), (1.0, 0.68, 0.0))


@pytest.mark.parametrize(
    ("preference", "expected"),
    [
        (Preference(), 0),
        (Preference(by="accuracy"), 2),
        (Preference(by="balanced"), 1),
        (Preference(trial=1), 1),
        (Preference(trial=3), 3),
        (Preference(trial=4, by="accuracy"), 4),
    ],
)
def test_each_preference_has_its_trial(preference, expected):
    assert preference.choose(pareto_front(studies.of_points(*POINTS), OBJECTIVES), OBJECTIVES).number == expected


def test_the_cheapest_of_the_front_wins_by_cost():
    record = studies.of_points(*POINTS)
    for number, parameters in enumerate((3e6, 1e6, 2e6, 9e6, 1.0)):
        record.trials[number].outcome["metrics"]["parameters"] = parameters
    front = pareto_front(record, COSTLY)
    assert Preference(by="cost").choose(front, COSTLY).number == 1


def test_a_study_without_a_cost_is_not_chosen_by_it():
    assert ways(OBJECTIVES) == ("recall", "accuracy", "balanced")
    assert ways(COSTLY) == ("recall", "accuracy", "balanced", "cost")
    with pytest.raises(StudyError, match=r"no cost.*--trial.*--objectives"):
        Preference(by="cost").choose(pareto_front(studies.of_points(*POINTS), OBJECTIVES), OBJECTIVES)


def test_a_trial_without_a_model_cannot_be_chosen():
    with pytest.raises(StudyError, match="Trial 7 has no model"):
        Preference(trial=7).choose(pareto_front(studies.of_points(*POINTS), OBJECTIVES), OBJECTIVES)


def test_an_empty_front_says_why():
    with pytest.raises(StudyError, match="none of 1 complete trial keeps the bounds"):
        Preference().choose(pareto_front(studies.of_points(POINTS[-1]), OBJECTIVES), OBJECTIVES)


@pytest.mark.parametrize(
    ("points", "chosen"),
    [  # recall, accuracy: the worse of the two is to be best, whatever their sum
        ([(0.9, 0.6), (0.75, 0.74), (0.6, 0.95)], 1),
        ([(0.99, 0.69), (0.7, 0.7)], 1),
        ([(0.7, 0.7), (0.7, 0.8)], 1),
    ],
)
def test_balanced_is_a_minimum_never_a_sum(points, chosen):
    record = studies.of_points(*((recall, accuracy, 0.9) for recall, accuracy in points))
    assert Preference(by="balanced").choose(pareto_front(record, OBJECTIVES), OBJECTIVES).number == chosen


@pytest.mark.parametrize(
    ("points", "chosen"),
    [  # recall, accuracy, latency: of equal costs the better one, by recall and then by accuracy, whatever its number
        ([(0.8, 0.8, 2.0), (0.9, 0.6, 2.0), (0.95, 0.5, 3.0)], 1),
        ([(0.9, 0.6, 2.0), (0.8, 0.8, 2.0)], 0),
        ([(0.7, 0.9, 2.0), (0.9, 0.7, 1.0)], 1),
    ],
)
def test_ties_of_costs_go_by_merit(points, chosen):
    record = studies.of_points(*((recall, accuracy, 0.9) for recall, accuracy, _ in points))
    for number, (_, _, latency) in enumerate(points):
        record.trials[number].metrics["latency_ms"] = latency
    objectives = Objectives(min_specificity=0.5, cost="latency_ms")
    assert Preference(by="cost").choose(pareto_front(record, objectives), objectives).number == chosen


@pytest.mark.parametrize(
    ("points", "chosen"),
    [  # recall, accuracy
        ([(0.8, 0.8), (0.9, 0.6)], 1),
        ([(0.9, 0.6), (0.8, 0.8)], 0),
        ([(0.9, 0.6), (0.9, 0.7)], 1),
    ],
)
def test_ties_of_costs_go_by_merit_in_whatever_order_the_front_comes(points, chosen):
    record = studies.of_points(*((recall, accuracy, 0.9) for recall, accuracy in points))
    for trial in record.trials.values():
        trial.outcome["metrics"]["latency_ms"] = 2.0
    front = ParetoFront(trials=tuple(record.trials.values()), dominated=(), infeasible=(), hypervolume=0.0)
    objectives = Objectives(min_specificity=0.5, cost="latency_ms")
    assert Preference(by="cost").choose(front, objectives).number == chosen
