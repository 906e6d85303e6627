from dataclasses import replace

import pytest

import studies
from search.study.front import effort, hypervolumes, pareto_front
from search.study.objectives import Objectives
from search.study.records import StudyRecord, TrialRecord, TrialState

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


def finishing(*times):
    """Return a record whose trials, of rising recall at an accuracy of 0.5, finished at these times."""
    record = studies.of_points(*((0.1 * (number + 1), 0.5, 0.9) for number in range(len(times))))
    trials = {
        number: replace(trial, finished=times[number], epochs=({"seconds": 10.0},) * (number + 1))
        for number, trial in record.trials.items()
    }
    return StudyRecord(trials=trials)


def test_the_hypervolume_grows_in_the_order_of_finishing():
    reached = hypervolumes(finishing(30.0, 10.0, 20.0), OBJECTIVES)
    assert [number for number, _ in reached] == [1, 2, 0]
    assert [volume for _, volume in reached] == pytest.approx([0.1, 0.15, 0.15])


def test_trials_that_finished_at_once_come_by_number():
    assert [number for number, _ in hypervolumes(finishing(5.0, 5.0, 5.0), OBJECTIVES)] == [0, 1, 2]


def test_effort_is_counted_as_trials_end_and_a_volume_that_is_reached_exactly_is_reached():
    spent = effort(finishing(10.0, 20.0, 30.0), OBJECTIVES)  # of 1, 2 and 3 epochs of 10 s
    assert spent.epochs == (1, 3, 6)
    assert spent.seconds == (10.0, 30.0, 60.0)
    assert spent.volumes == pytest.approx((0.05, 0.1, 0.15))
    assert [spent.epochs_to(volume) for volume in (0.0, *spent.volumes, 0.151)] == [1, 1, 3, 6, None]
    assert [spent.volume_at(epochs) for epochs in (0, 1, 2, 3, 7)] == pytest.approx([0, 0.05, 0.05, 0.1, 0.15])
    assert [spent.seconds_at(epochs) for epochs in (0, 1, 2, 3, 7)] == [0.0, 10.0, 10.0, 30.0, 60.0]
