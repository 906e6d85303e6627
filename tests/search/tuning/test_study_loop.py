"""Whole studies on the shared local Ray, with numpy-only trials (toy.py)."""

import gc
import os
import shutil
import signal
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pytest
import ray

from leukmodels.errors import DataError, SessionError, StudyError
from search.study import journal
from search.study.folder import StudyFolder
from search.study.records import StudyRecord, TrialState, fold
from search.tuning import faults
from search.tuning.searcher import OptunaSearcher
from search.tuning.signals import Interrupted
from toy import SPACE, Toy, run_toy


@dataclass(kw_only=True)
class Run:
    """A study that ran to its end: its folder, what it came to, and what was seen meanwhile."""

    folder: Path
    record: StudyRecord
    heard: list[journal.Event] = field(default_factory=list)
    at_ready: list[list[journal.Event]] = field(default_factory=list)
    rows: int = 0


@pytest.fixture(scope="module")
def finished(session, tmp_path_factory):
    """Return a run of six trials whose images Ray Data prepared; for reading only."""
    folder = tmp_path_factory.mktemp("finished") / "study"
    run = Run(folder=folder, record=StudyRecord())

    def ready():
        run.at_ready.append(journal.read(folder / "journal.jsonl"))
        dataset = ray.data.from_blocks([pa.table({"row": range(8)})] * 8).map_batches(
            lambda batch: batch, num_cpus=0, compute=ray.data.TaskPoolStrategy(size=2)
        )
        run.rows += sum(len(batch["row"]) for batch in dataset.iter_batches())

    listeners = [lambda record, event: run.heard.append(event)]
    run.record = run_toy(folder, session, ready=ready, listeners=listeners, trials=6, epochs=3)
    return run


@pytest.fixture(scope="module")
def troubled(session, tmp_path_factory):
    """Return a run in which trial 1 fails by itself, and the workers of 2, 3 and 4 die once, twice and three times."""
    folder = tmp_path_factory.mktemp("troubled") / "study"
    troubles = Toy(fail=(1,), die={2: 1, 3: 2, 4: 3})
    return Run(folder=folder, record=run_toy(folder, session, trials=6, epochs=2, experiment=troubles))


@pytest.fixture
def folder(finished, tmp_path):
    """Return a copy of the finished study, to go on with."""
    return shutil.copytree(finished.folder, tmp_path / "study")


def test_a_study_runs_every_trial_to_its_end(finished):
    record = finished.record
    assert record.finished == "all trials done"
    assert [trial.state for trial in record.trials.values()] == [TrialState.COMPLETE] * 6
    assert [len(trial.epochs) for trial in record.trials.values()] == [3] * 6
    assert record.trials[0].params == SPACE.default
    assert finished.heard == journal.read(finished.folder / "journal.jsonl")
    assert fold(finished.heard).trials == record.trials
    assert not StudyFolder(finished.folder).scratch.exists()


def test_the_images_are_prepared_once_while_the_workers_start_and_before_any_trial(finished):
    assert finished.at_ready == [[]]
    assert sorted(finished.record.trials) == list(range(6))


def test_ray_data_can_prepare_while_the_warm_ups_hold_every_cpu(finished):
    assert finished.rows == 64


def test_a_failing_configuration_fails_alone_and_is_not_tried_again(troubled):
    trials = troubled.record.trials
    assert {number for number, trial in trials.items() if trial.state is TrialState.FAILED} == {1, 4}
    assert "ValueError: a bad configuration" in trials[1].reason
    assert troubled.record.count(TrialState.COMPLETE) == 4


def test_a_worker_that_keeps_dying_costs_its_trial_alone_and_the_cause_is_kept(troubled):
    reason = troubled.record.trials[4].reason
    assert reason.startswith("its worker was lost, and those that took it over: ")
    assert "died" in reason


@pytest.mark.fault(
    "workers", "a worker dies once, twice, three times in a trial", "the trial goes on; the third time it fails alone"
)
def test_a_worker_that_is_lost_once_or_twice_costs_nothing(troubled):
    assert [troubled.record.trials[number].state for number in (2, 3)] == [TrialState.COMPLETE] * 2
    deaths = [path.parent.name for path in sorted(troubled.folder.glob("trials/*/death-*"))]
    assert deaths == ["00002", "00003", "00003", "00004", "00004", "00004"]


@pytest.mark.fault("disks", "a trial finds the disk full three times", "it begins again, and is complete")
def test_a_fault_of_the_machine_is_no_outcome_of_a_trial(session, tmp_path):
    record = run_toy(tmp_path / "study", session, experiment=Toy(full={1: 3}), trials=3, epochs=2)
    assert [trial.state for trial in record.trials.values()] == [TrialState.COMPLETE] * 3
    assert len([*(tmp_path / "study" / "trials" / "00001").glob("full-*")]) == 3


@pytest.mark.fault(
    "disks",
    "every worker finds the disk full",
    "the study ends with the cause, no trial has failed, all end in a resume",
)
@pytest.mark.slow
def test_faults_in_a_row_end_the_study_which_can_be_resumed(session, tmp_path):
    with pytest.raises(StudyError, match=r"(?s)10 times in a row .*No space left on device.*--resume"):
        run_toy(tmp_path / "study", session, experiment=Toy(full="always"), trials=4, epochs=2, plateau=0)
    record = fold(journal.read(tmp_path / "study" / "journal.jsonl"))
    assert {trial.state for trial in record.trials.values()} == {TrialState.RUNNING}
    gc.collect()  # Tune's controller, and with it the workers
    record = run_toy(tmp_path / "study", session, trials=4, epochs=2, plateau=0)
    assert [trial.state for trial in record.trials.values()] == [TrialState.COMPLETE] * 4


@pytest.mark.fault("workers", "SIGSTOP of a worker", "it is noticed without a budget, and its trial begins again")
def test_a_worker_that_hangs_is_noticed(session, tmp_path, monkeypatch):
    monkeypatch.setattr(faults, "LEAST_SILENCE_S", 4.0)
    monkeypatch.setattr(faults, "UNKNOWN_SILENCE_S", 60.0)
    monkeypatch.setattr(faults, "EPOCHS_OF_SILENCE", 0.0)
    record = run_toy(tmp_path / "study", session, experiment=Toy(stop=[2]), trials=4, epochs=2, plateau=0)
    assert (tmp_path / "study" / "trials" / "00002" / "stopped").exists()
    assert [trial.state for trial in record.trials.values()] == [TrialState.COMPLETE] * 4


@pytest.mark.fault("disks", "the disk is full while trials train", "the study ends with what to do, resumable")
def test_a_journal_that_cannot_be_written_ends_the_study_with_what_to_do(session, tmp_path, monkeypatch):
    written = journal.Journal.append

    def full(self, event, **fields):
        if event == "epoch" and fields["epoch"] == 2:
            raise OSError(28, "No space left on device")
        return written(self, event, **fields)

    with monkeypatch.context() as patched, pytest.raises(StudyError, match=r"No space left.*--resume"):
        patched.setattr(journal.Journal, "append", full)
        run_toy(tmp_path / "study", session, trials=1, epochs=2)
    record = run_toy(tmp_path / "study", session, trials=1, epochs=2)
    assert record.count(TrialState.COMPLETE) == 1


def test_an_error_of_the_searcher_is_not_taken_for_the_trials(session, tmp_path, monkeypatch):
    def confused(self, trial_id, result=None, error=False):
        raise LookupError("the searcher is confused")

    monkeypatch.setattr(OptunaSearcher, "on_trial_complete", confused)
    with pytest.raises(LookupError, match="confused"):
        run_toy(tmp_path / "study", session, trials=1, epochs=1)


def test_the_time_budget_stops_running_trials_as_stopped(session, tmp_path):
    record = run_toy(tmp_path / "study", session, trials=50, epochs=50, experiment=Toy(seconds=0.2), time_budget=2.0)
    assert record.finished == "time budget"
    assert record.count(TrialState.RUNNING) == 0
    assert record.count(TrialState.STOPPED) >= 1
    assert record.count(TrialState.FAILED) == 0
    assert {trial.reason for trial in record.by_state(TrialState.STOPPED)} == {"the study ended: time budget"}


@pytest.fixture
def muted(tmp_path):
    """Return the folder of a study whose trial 0 is mute, and let go of its workers."""
    yield tmp_path / "study"
    shutil.rmtree(tmp_path / "study")
    gc.collect()  # Tune's controller, and with it the workers, where an interruption went through it


def test_a_trial_whose_outcome_is_on_disk_when_the_plateau_ends_the_study_is_complete(session, muted):
    given = {"trials": 9, "epochs": 1, "plateau": 1, "tolerance": 1.0}
    record = run_toy(muted, session, experiment=Toy(mute=True), **given)
    assert record.finished == "hypervolume plateau"
    assert record.trials[0].state is TrialState.COMPLETE
    assert record.trials[0].outcome["epochs"] == 1


def test_a_trial_whose_outcome_is_on_disk_at_ctrl_c_is_complete(session, muted):
    def interrupt(record, event):
        if event["event"] == "trial_finished" and event["trial"] == 1:
            os.kill(os.getpid(), signal.SIGINT)

    given = {"trials": 9, "epochs": 1, "plateau": 0}
    with pytest.raises(Interrupted):
        run_toy(muted, session, experiment=Toy(mute=True), listeners=[interrupt], **given)
    events = journal.read(muted / "journal.jsonl")
    assert fold(events).trials[0].state is TrialState.COMPLETE
    assert events[-1]["event"] == "study_interrupted"


def test_a_finished_study_can_go_on_with_more_trials(session, folder):
    record = run_toy(folder, session, trials=7, epochs=3)
    assert record.sessions == 2
    assert len(record.trials) == 7
    assert [path.read_text() for path in (folder / "trials").glob("*/finished.log")] == ["finished\n"] * 7


def test_a_resume_with_nothing_left_to_train_prepares_nothing(session, folder):
    prepared = []
    record = run_toy(folder, session, trials=6, epochs=3, ready=lambda: prepared.append(1))
    assert not prepared
    assert record.sessions == 2
    assert record.finished == "all trials done"


def test_data_that_are_refused_end_the_study_before_it_is_begun(session, tmp_path):
    def ready():
        raise DataError("These images cannot be used:", ["all of them are black"])

    with pytest.raises(DataError, match="all of them are black"):
        run_toy(tmp_path / "study", session, ready=ready, trials=1)
    assert journal.read(tmp_path / "study" / "journal.jsonl") == []
    assert not StudyFolder(tmp_path / "study").scratch.exists()


def test_workers_that_cannot_start_end_the_study_with_the_reason(session, tmp_path):
    with pytest.raises(SessionError, match="RuntimeError: TensorFlow sees no GPU"):
        run_toy(tmp_path / "study", session, experiment=Toy(cold="TensorFlow sees no GPU"), trials=1)
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
        run_toy(tmp_path / "study", session, trials=1, epochs=1, listeners=[explode])
    record = run_toy(tmp_path / "study", session, trials=1, epochs=1)
    assert record.count(TrialState.COMPLETE) == 1


def test_worse_trials_are_stopped_at_a_rung_and_the_front_grows_by_whole_ones(session, tmp_path):
    record = run_toy(tmp_path / "study", session, trials=16, epochs=4, scheduler="asha", grace=1)
    stopped, whole = (record.by_state(state) for state in (TrialState.STOPPED, TrialState.COMPLETE))
    assert len(stopped) + len(whole) == 16
    assert stopped
    assert all(len(trial.epochs) in (1, 3) and trial.decisions[-1].stops for trial in stopped)
    assert all(len(trial.epochs) == 4 and trial.metrics for trial in whole)


def test_the_plateau_ends_a_study(session, tmp_path):
    record = run_toy(tmp_path / "study", session, trials=200, epochs=1, plateau=5, tolerance=1.0)
    assert record.finished == "hypervolume plateau"
    assert len(record.trials) < 20
    assert record.count(TrialState.RUNNING) == 0
