import pytest

from search.display.time_left import Pace
from search.study.records import StudyRecord, TrialRecord, TrialState


def record(*epochs, running=()):
    trials = [
        TrialRecord(number=n, params={}, source="", state=TrialState.COMPLETE, epochs=({},) * e)
        for n, e in enumerate(epochs)
    ]
    trials += [
        TrialRecord(number=len(epochs) + n, params={}, source="", epochs=({},) * e) for n, e in enumerate(running)
    ]
    return StudyRecord(trials={trial.number: trial for trial in trials})


@pytest.fixture
def now():
    return [0.0]


def pace(now, **given):
    return Pace(planned_trials=4, epochs=10, clock=lambda: now[0], **given)


def test_nothing_is_known_before_the_second_epoch(now):
    estimate = pace(now)
    assert estimate.left_s(record(running=(0,))) is None
    now[0] = 60.0
    assert estimate.left_s(record(running=(1,))) is None


def test_the_first_epoch_starts_the_clock(now):
    estimate = pace(now)
    now[0] = 60.0
    estimate.left_s(record(running=(1,)))
    now[0] = 64.0
    assert estimate.left_s(record(running=(3,))) == pytest.approx(2.0 * (7 + 3 * 10))


def test_trials_that_end_early_shorten_the_rest(now):
    estimate = pace(now)
    estimate.left_s(record(running=(1,)))
    now[0] = 9.0
    assert estimate.left_s(record(5, running=(5,))) == pytest.approx(1.0 * (0.5 + 2 * 5))


def test_a_resumed_study_counts_its_own_epochs_only(now):
    estimate = pace(now)
    estimate.left_s(record(10, 10, running=(4,)))
    now[0] = 10.0
    assert estimate.left_s(record(10, 10, running=(5,))) == pytest.approx(10.0 * (5 + 10))


def test_the_time_budget_is_the_most_that_is_left_and_begins_with_the_search(now):
    estimate = pace(now, time_budget_s=30.0)
    now[0] = 10.0  # the images were read until now
    assert estimate.left_s(record()) == 30.0
    now[0] = 20.0
    assert estimate.left_s(record()) == 20.0
    now[0] = 50.0
    assert estimate.left_s(record(running=(1,))) == 0.0
