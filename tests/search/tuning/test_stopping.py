"""When a study ends before its last trial."""

import pytest

from search.study.journal import Journal
from search.study.objectives import Objectives
from search.study.recorder import Recorder
from search.study.records import StudyRecord
from search.tuning.stopping import Ending, Plateau
from studies import complete, start, stop

OBJECTIVES = Objectives(min_specificity=0.5)


@pytest.fixture
def study(tmp_path):
    """Return a recorder and the plateau that listens to it."""
    record = StudyRecord()
    plateau = Plateau(record, OBJECTIVES, window=3, tolerance=0.01)
    with Journal(tmp_path / "journal.jsonl") as writing:
        yield Recorder(writing, record, (plateau,)), plateau


def finish(recorder, *points):
    for recall, specificity in points:
        number = len(recorder.record.trials)
        start(recorder, number)
        complete(recorder, number, recall, specificity)


def test_a_front_that_grows_no_more_ends_the_study(study):
    recorder, plateau = study
    finish(recorder, (0.8, 0.8), (0.7, 0.7), (0.7, 0.7))
    assert not plateau.reached
    finish(recorder, (0.801, 0.8))
    assert plateau.reached


def test_a_front_that_grows_does_not(study):
    recorder, plateau = study
    finish(recorder, (0.8, 0.8), (0.7, 0.7), (0.9, 0.8), (0.7, 0.7))
    assert not plateau.reached


def test_stopped_and_infeasible_trials_are_no_sign_of_it(study):
    recorder, plateau = study
    finish(recorder, (0.8, 0.8), *[(1.0, 0.1)] * 5)
    for number in range(6, 12):
        start(recorder, number)
        stop(recorder, number)
    assert not plateau.reached


def test_trials_of_an_earlier_session_do_not_count(study):
    recorder, plateau = study
    finish(recorder, *[(0.8, 0.8)] * 5)
    assert plateau.reached
    assert not Plateau(recorder.record, OBJECTIVES, window=3, tolerance=0.01).reached


def test_a_window_of_none_never_ends_anything(study):
    recorder, _ = study
    never = Plateau(StudyRecord(), OBJECTIVES, window=0, tolerance=1.0)
    finish(recorder, *[(0.8, 0.8)] * 5)
    never(recorder.record, {"event": "trial_finished", "state": "complete", "trial": 4})
    assert not never.reached


def test_a_front_without_any_volume_is_no_plateau(study):
    recorder, _ = study
    slow = Plateau(StudyRecord(), Objectives(cost="latency_ms", ceilings={"latency_ms": 2.5}), window=3, tolerance=0.01)
    finish(recorder, *[(0.8, 0.8)] * 5)  # each at the ceiling
    for number in range(5):
        slow(recorder.record, {"event": "trial_finished", "state": "complete", "trial": number})
    assert not slow.reached


def test_no_gain_at_all_is_a_plateau_of_tolerance_0(study):
    recorder, _ = study
    exact = Plateau(StudyRecord(), OBJECTIVES, window=3, tolerance=0.0)
    finish(recorder, *[(0.8, 0.8)] * 5)
    for number in range(5):
        exact(recorder.record, {"event": "trial_finished", "state": "complete", "trial": number})
    assert exact.reached


def test_the_first_reason_stays_and_checks_may_raise(study):
    recorder, plateau = study
    ending = Ending(None, plateau, check=lambda: None)
    ending.begin()
    assert not ending.stop_all()
    finish(recorder, *[(0.8, 0.8)] * 5)
    assert ending.stop_all()
    assert ending.reason == "hypervolume plateau"

    def raise_it():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Ending(1.0, plateau, check=raise_it).stop_all()


def test_time_runs_from_the_first_trial(study):
    ending = Ending(1e-9, study[1], check=lambda: None)
    assert not ending.stop_all()
    ending.begin()
    assert ending.stop_all()
    assert ending.reason == "time budget"
