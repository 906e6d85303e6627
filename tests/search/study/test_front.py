import pytest

import studies
from search.study.front import hypervolumes, pareto_front
from search.study.objectives import Objectives
from search.study.records import TrialRecord, TrialState

EVERYTHING_IS_LEUKEMIA = (1.0, 0.68, 0.0)
OBJECTIVES = Objectives(min_specificity=0.5)


def test_everything_is_leukemia_is_on_no_front():
    front = pareto_front(studies.of_points(EVERYTHING_IS_LEUKEMIA, (0.9, 0.8, 0.7)), OBJECTIVES)
    assert [trial.number for trial in front.trials] == [1]
    assert [trial.number for trial in front.infeasible] == [0]
    assert front.hypervolume == pytest.approx(0.9 * 0.8)


def test_without_a_floor_it_would_be():
    front = pareto_front(studies.of_points(EVERYTHING_IS_LEUKEMIA, (0.9, 0.8, 0.7)), Objectives())
    assert [trial.number for trial in front.trials] == [0, 1]


def test_the_front_comes_by_recall_and_running_or_failed_trials_are_nowhere():
    record = studies.of_points((0.8, 0.9, 0.9), (0.9, 0.8, 0.7), (0.7, 0.7, 0.7))
    record.trials[3] = TrialRecord(number=3, params={}, source="sampled")
    record.trials[4] = TrialRecord(number=4, params={}, source="sampled", state=TrialState.FAILED)
    front = pareto_front(record, OBJECTIVES)
    assert [trial.number for trial in front.trials] == [1, 0]
    assert [trial.number for trial in front.dominated] == [2]


def test_the_hypervolume_over_trials_never_falls_and_ends_at_the_standing():
    record = studies.of_points((0.8, 0.8, 0.9), EVERYTHING_IS_LEUKEMIA, (0.9, 0.7, 0.7), (0.2, 0.2, 0.9))
    reached = hypervolumes(record, OBJECTIVES)
    assert [number for number, _ in reached] == [0, 1, 2, 3]
    volumes = [volume for _, volume in reached]
    assert volumes == sorted(volumes)
    assert volumes[-1] == pytest.approx(pareto_front(record, OBJECTIVES).hypervolume)
