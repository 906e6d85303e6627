"""Whole studies on the shared local Ray, with numpy-only trials (toy.py)."""

import pyarrow as pa
import pytest
import ray

from leukmodels.errors import DataError, SessionError, StudyError
from search import journal
from search.folder import StudyFolder
from search.records import TrialState, fold
from search.searcher import OptunaSearcher
from toy import SPACE, Toy, run_toy


def test_a_study_runs_every_trial_to_its_end(session, tmp_path):
    seen = []
    record = run_toy(
        tmp_path / "study", session, trials=6, epochs=3, listeners=[lambda record, event: seen.append(event)]
    )
    assert record.finished == "all trials done"
    assert [trial.state for trial in record.trials.values()] == [TrialState.COMPLETE] * 6
    assert [len(trial.epochs) for trial in record.trials.values()] == [3] * 6
    assert record.trials[0].params == SPACE.default
    assert seen == journal.read(tmp_path / "study" / "journal.jsonl")
    assert fold(seen).trials == record.trials
    assert not StudyFolder(tmp_path / "study").scratch.exists()


def test_a_failing_configuration_fails_alone_and_is_not_tried_again(session, tmp_path):
    record = run_toy(tmp_path / "study", session, trials=4, epochs=1, experiment=Toy(fail=(1,)))
    assert [trial.state for trial in record.trials.values()].count(TrialState.FAILED) == 1
    assert "ValueError: a bad configuration" in record.trials[1].reason
    assert record.count(TrialState.COMPLETE) == 3


def test_a_worker_that_keeps_dying_costs_its_trial_alone_and_the_cause_is_kept(session, tmp_path):
    record = run_toy(tmp_path / "study", session, trials=3, epochs=1, experiment=Toy(die={1: 3}))
    assert [trial.state for trial in record.trials.values()].count(TrialState.FAILED) == 1
    assert record.count(TrialState.COMPLETE) == 2
    assert record.trials[1].reason.startswith("its worker was lost, and those that took it over: ")
    assert "died" in record.trials[1].reason


def test_a_worker_that_is_lost_once_or_twice_costs_nothing(session, tmp_path):
    record = run_toy(tmp_path / "study", session, trials=4, epochs=2, experiment=Toy(die={1: 1, 2: 2}))
    assert record.count(TrialState.COMPLETE) == 4
    assert len([*(tmp_path / "study" / "trials").glob("*/death-*")]) == 3


def test_a_journal_that_cannot_be_written_ends_the_study_with_what_to_do(session, tmp_path, monkeypatch):
    written = journal.Journal.append

    def full(self, event, **fields):
        if event == "epoch" and fields["trial"] == 2:
            raise OSError(28, "No space left on device")
        return written(self, event, **fields)

    with monkeypatch.context() as patched, pytest.raises(StudyError, match=r"No space left.*--resume"):
        patched.setattr(journal.Journal, "append", full)
        run_toy(tmp_path / "study", session, trials=4, epochs=2)
    record = run_toy(tmp_path / "study", session, trials=4, epochs=2)
    assert record.count(TrialState.COMPLETE) == 4


def test_an_error_of_the_searcher_is_not_taken_for_the_trials(session, tmp_path, monkeypatch):
    def confused(self, trial_id, result=None, error=False):
        raise LookupError("the searcher is confused")

    monkeypatch.setattr(OptunaSearcher, "on_trial_complete", confused)
    with pytest.raises(LookupError, match="confused"):
        run_toy(tmp_path / "study", session, trials=4, epochs=1)


def test_the_time_budget_stops_running_trials_as_stopped(session, tmp_path):
    record = run_toy(tmp_path / "study", session, trials=50, epochs=50, experiment=Toy(seconds=0.2), time_budget=4.0)
    assert record.finished == "time budget"
    assert record.count(TrialState.RUNNING) == 0
    assert record.count(TrialState.STOPPED) >= 1
    assert record.count(TrialState.FAILED) == 0
    assert {trial.reason for trial in record.by_state(TrialState.STOPPED)} == {"the study ended: time budget"}


def test_a_finished_study_can_go_on_with_more_trials(session, tmp_path):
    run_toy(tmp_path / "study", session, trials=3, epochs=1)
    record = run_toy(tmp_path / "study", session, trials=5, epochs=1)
    assert record.sessions == 2
    assert len(record.trials) == 5
    assert all(
        (tmp_path / "study" / "trials").joinpath(f"{n:05d}", "finished.log").read_text() == "finished\n"
        for n in range(5)
    )


def test_the_images_are_prepared_once_while_the_workers_start_and_before_any_trial(session, tmp_path):
    told = []

    def ready():
        told.append(len(journal.read(tmp_path / "study" / "journal.jsonl")))

    record = run_toy(tmp_path / "study", session, ready=ready, trials=3, epochs=1)
    assert told == [0]
    assert list(record.trials) == [0, 1, 2]


def test_ray_data_can_prepare_while_the_warm_ups_hold_every_cpu(session, tmp_path):
    counted = []

    def ready():
        dataset = ray.data.from_blocks([pa.table({"row": range(8)})] * 8).map_batches(
            lambda batch: batch, num_cpus=0, compute=ray.data.TaskPoolStrategy(size=2)
        )
        counted.append(sum(len(batch["row"]) for batch in dataset.iter_batches()))

    run_toy(tmp_path / "study", session, ready=ready, trials=2, epochs=1)
    assert counted == [64]


def test_data_that_are_refused_end_the_study_before_it_is_begun(session, tmp_path):
    def ready():
        raise DataError("These images cannot be used:", ["all of them are black"])

    with pytest.raises(DataError, match="all of them are black"):
        run_toy(tmp_path / "study", session, ready=ready, trials=2)
    assert journal.read(tmp_path / "study" / "journal.jsonl") == []
    assert not StudyFolder(tmp_path / "study").scratch.exists()


def test_workers_that_cannot_start_end_the_study_with_the_reason(session, tmp_path):
    with pytest.raises(SessionError, match="RuntimeError: TensorFlow sees no GPU"):
        run_toy(tmp_path / "study", session, experiment=Toy(cold="TensorFlow sees no GPU"), trials=2)
    assert journal.read(tmp_path / "study" / "journal.jsonl") == []


def test_two_drivers_cannot_write_one_study(session, tmp_path):
    folder = StudyFolder(tmp_path / "study")
    with folder.lock(), pytest.raises(StudyError, match=r"Another driver is writing.*pid"):
        run_toy(tmp_path / "study", session, trials=1)


def test_a_listener_that_raises_ends_the_study_where_the_journal_stands(session, tmp_path):
    def explode(record, event):
        if event["event"] == "epoch":
            raise OSError("no space left on device")

    with pytest.raises(Exception, match="no space left"):
        run_toy(tmp_path / "study", session, trials=2, epochs=1, listeners=[explode])
    record = run_toy(tmp_path / "study", session, trials=2, epochs=1)
    assert record.count(TrialState.COMPLETE) == 2


def test_a_resume_with_nothing_left_to_train_prepares_nothing(session, tmp_path):
    run_toy(tmp_path / "study", session, trials=2, epochs=1)
    prepared = []
    record = run_toy(tmp_path / "study", session, trials=2, epochs=1, ready=lambda: prepared.append(1))
    assert not prepared
    assert record.sessions == 2
    assert record.finished == "all trials done"


def test_worse_trials_are_stopped_at_a_rung_and_the_front_grows_by_whole_ones(session, tmp_path):
    record = run_toy(tmp_path / "study", session, trials=16, epochs=4, scheduler="asha", grace=1)
    stopped, whole = (record.by_state(state) for state in (TrialState.STOPPED, TrialState.COMPLETE))
    assert len(stopped) + len(whole) == 16
    assert stopped
    assert all(len(trial.epochs) in (1, 3) and trial.verdicts[-1].stops for trial in stopped)
    assert all(len(trial.epochs) == 4 and trial.metrics for trial in whole)


def test_the_plateau_ends_a_study(session, tmp_path):
    record = run_toy(tmp_path / "study", session, trials=200, epochs=1, plateau=5, tolerance=1.0)
    assert record.finished == "hypervolume plateau"
    assert len(record.trials) < 20
    assert record.count(TrialState.RUNNING) == 0
