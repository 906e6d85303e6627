import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

import studies
from leukmodels.errors import StudyError
from leukmodels.space.presets import space
from mlflow_view import all_that_mlflow_holds, runs_of
from search.study import journal
from search.study.confirmation_log import Retraining
from search.study.folder import StudyFolder
from search.study.front import hypervolumes
from search.study.objectives import Objectives
from search.study.records import fold
from search.tracking import follower as tracking_follower
from search.tracking.follower import catch_up
from search.tracking.ledger import ledger
from search.tracking.store import connect
from search.tracking.tracker import study_uri
from studies import of_every_kind, stored


def test_every_trial_is_told_as_the_journal_has_it(study: StudyFolder) -> None:
    of_every_kind(study)
    uri = study_uri(study)
    assert catch_up(study, uri) == len(journal.read(study.journal))
    held = ledger(uri, stored(study)["study_id"])
    statuses = ["FINISHED", "FINISHED", "FINISHED", "FINISHED", "FAILED", "KILLED", "RUNNING"]
    assert [entry.status for entry in held.values()] == statuses
    assert [entry.epochs for entry in held.values()] == [3, 3, 3, 3, 1, 1, 1]
    record = fold(journal.read(study.journal))
    assert {number: dict(entry.metrics) for number, entry in held.items()} == {
        number: dict(trial.metrics) for number, trial in record.trials.items()
    }
    parent, children = runs_of(study, uri)
    assert [run.data.params.keys() for run in children.values()] == [space("small").dimensions.keys()] * 7
    told = {"filters": "64", "learning_rate": "0.001", "pooling": "max", "dropout": "0.25"}
    assert children[2].data.params.items() >= told.items()
    assert children[0].info.run_name == "trial 0"
    assert {run.data.tags["mlflow.parentRunId"] for run in children.values()} == {parent.info.run_id}
    assert children[4].data.tags["reason"] == "the loss is not a number"
    assert children[0].data.tags["data"] == "synthetic"
    assert parent.data.params["config.trials"] == "3"
    assert parent.data.params["split.fingerprint"] == stored(study)["split"]["fingerprint"]
    assert parent.data.params["aims.min_specificity"] == "0.5"


def test_no_name_and_no_folder_of_the_machine_is_told(study: StudyFolder) -> None:
    told = stored(study)
    told["data"] |= {"root": "/data/clinic/MLL", "notes": ["AAB is in two folders."]}
    told["config"] |= {"data": "/data/clinic/MLL", "exclude": "/home/me/list.csv"}
    told["command"] = "python -m search.run --data /data/clinic/MLL"
    study.manifest.write_text(json.dumps(told))
    with journal.Journal(study.journal) as written:
        written.append("trial_started", trial=0, params={}, source="default")
        written.append(
            "trial_finished", trial=0, state="failed", outcome=None, reason="no '/data/clinic/MLL/AAB/x.tif'"
        )
    uri = study_uri(study)
    catch_up(study, uri)
    parent, children = runs_of(study, uri)
    assert parent.data.params["data.root"] == "MLL"
    assert parent.data.tags["mlflow.source.name"] == "python -m search.run --data MLL"
    assert children[0].data.tags["reason"] == "no '(a file)'"
    assert not any(word in str(all_that_mlflow_holds(study, uri)) for word in ("clinic", "AAB", "/home"))


def test_front_and_hypervolume_are_told(study: StudyFolder) -> None:
    of_every_kind(study)
    uri = study_uri(study)
    catch_up(study, uri)
    parent, children = runs_of(study, uri)
    words = {number: (run.data.tags.get("pareto"), run.data.tags.get("feasible")) for number, run in children.items()}
    assert words == {
        0: ("false", "true"),
        1: ("true", "true"),
        2: ("true", "true"),
        3: ("false", "false"),
        4: (None, None),
        5: (None, None),
        6: (None, None),
    }
    client = connect(uri)
    told = client.get_metric_history(parent.info.run_id, "hypervolume")
    expected = dict(hypervolumes(fold(journal.read(study.journal)), Objectives(min_specificity=0.5)))
    complete_after = {0: 1, 1: 2, 2: 3, 3: 6}  # trial: how many had finished once it had
    assert {point.step: pytest.approx(point.value) for point in told if point.step in complete_after.values()} == {
        complete_after[number]: volume for number, volume in expected.items()
    }
    assert parent.data.metrics["trials.complete"] == 4
    table = json.loads(Path(parent.info.artifact_uri, "front.json").read_text())
    assert [row[table["columns"].index("trial")] for row in table["data"]] == [2, 1]


def test_tags_follow_the_front(study: StudyFolder) -> None:
    uri = study_uri(study)

    def members() -> set[int]:
        catch_up(study, uri)
        return {number for number, run in runs_of(study, uri)[1].items() if run.data.tags["pareto"] == "true"}

    with studies.recording(study) as recorder:
        studies.run(recorder, 0, recall=0.6, specificity=0.6)
        assert members() == {0}
        studies.run(recorder, 1, recall=0.5, specificity=0.8)
        assert members() == {0, 1}
        studies.run(recorder, 2, recall=0.6, specificity=0.8)
        assert members() == {2}


def test_confirmation_is_told_on_each_trial_and_openings_are_counted(study: StudyFolder) -> None:
    of_every_kind(study, finished=True)
    measured = studies.metrics(0.75, 0.9)
    with journal.Journal(study.journal) as written:
        for fold in (0, 1):
            which = vars(Retraining(trial=1, folds=3, seed=1, fold=fold))
            written.append("retrained", **which, metrics=measured, best_epoch=2, reason="")
        leaky = vars(Retraining(trial=1, folds=3, seed=0, fold=0, by_image=True))
        written.append("retrained", **leaky, metrics=studies.metrics(0.95, 0.9), best_epoch=2, reason="")
        written.append("test_opened", chosen=[{"trial": 1, "threshold": 0.5, "why": "so", "promise": {}}])
        written.append("tested", opening=1, trial=1, metrics=measured)
    catch_up(study, study_uri(study))
    parent, children = runs_of(study, study_uri(study))
    assert parent.data.tags["test_openings"] == "1"
    assert children[1].data.metrics["test.recall"] == 0.75
    points = connect(study_uri(study)).get_metric_history(children[1].info.run_id, "confirmed.recall")
    assert [(point.step, point.value) for point in points] == [(3, 0.75), (4, 0.75)]
    assert children[1].data.metrics["split_by_image.recall"] == 0.95
    assert "test.recall" not in children[2].data.metrics


def test_parent_status_follows_the_study(study: StudyFolder) -> None:
    uri = study_uri(study)

    def status() -> str:
        catch_up(study, uri)
        return str(runs_of(study, uri)[0].info.status)

    with studies.recording(study) as recorder:
        studies.run(recorder, 0)
        assert status() == "RUNNING"
        recorder.study_interrupted("SIGINT")
        assert status() == "KILLED"
        recorder.study_resumed({})
        assert status() == "RUNNING"
        recorder.study_finished("all trials done")
        assert status() == "FINISHED"


@pytest.mark.parametrize("loss", ["cursor", "half", "all of it"])
def test_telling_again_changes_nothing(study: StudyFolder, loss: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking_follower, "EVENTS_A_SLICE", 7)
    of_every_kind(study)
    uri = study_uri(study)
    catch_up(study, uri)
    before = all_that_mlflow_holds(study, uri)
    cursor = json.loads(study.tracking_cursor.read_text())
    if loss == "cursor":
        study.tracking_cursor.unlink()
    else:
        cursor["seq"] = 9 if loss == "half" else 0
        study.tracking_cursor.write_text(json.dumps(cursor))
    assert catch_up(study, uri) == len(journal.read(study.journal)) - (9 if loss == "half" else 0)
    assert all_that_mlflow_holds(study, uri) == before


@pytest.mark.fault("servers", "the connection to MLflow breaks after any call", "nothing is told twice")
@pytest.mark.parametrize("call", ["create_run", "log_batch", "set_terminated"])
def test_crash_after_any_call_makes_no_duplicate(
    study: StudyFolder, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_every_kind(study)
    uri = study_uri(study)
    carry_out = getattr(MlflowClient, call)
    crashes = 5

    def done_then_dead(*args: Any, **kwargs: Any) -> Any:
        nonlocal crashes
        answer = carry_out(*args, **kwargs)
        if crashes:
            crashes -= 1
            raise OSError("the connection was lost")
        return answer

    monkeypatch.setattr(MlflowClient, call, done_then_dead)
    for _ in range(5):
        with pytest.raises(StudyError, match="connection was lost"):
            catch_up(study, uri)
    catch_up(study, uri)
    held = ledger(uri, stored(study)["study_id"])
    assert [(entry.epochs, entry.runs) for entry in held.values()] == [(epochs, 1) for epochs in (3, 3, 3, 3, 1, 1, 1)]
    parent, _ = runs_of(study, uri)
    assert len(connect(uri).get_metric_history(parent.info.run_id, "hypervolume")) == 6


def test_run_that_a_server_made_twice_is_deleted(study: StudyFolder) -> None:
    of_every_kind(study)
    uri = study_uri(study)
    catch_up(study, uri)
    before = all_that_mlflow_holds(study, uri)
    _, children = runs_of(study, uri)
    connect(uri).create_run(children[2].info.experiment_id, tags=dict(children[2].data.tags))
    assert ledger(uri, stored(study)["study_id"])[2].runs == 2
    catch_up(study, uri)
    assert all_that_mlflow_holds(study, uri) == before


@pytest.mark.fault("servers", "MLflow loses a run, or is another one", "told anew, the same")
def test_store_that_lost_a_run_and_another_store_are_told_anew(
    study: StudyFolder, empty_store: Path, tmp_path: Path
) -> None:
    of_every_kind(study)
    uri = study_uri(study)
    catch_up(study, uri)
    before = all_that_mlflow_holds(study, uri)
    connect(uri).delete_run(runs_of(study, uri)[1][3].info.run_id)
    catch_up(study, uri)
    assert all_that_mlflow_holds(study, uri) == before
    other = f"sqlite:///{shutil.copyfile(empty_store, tmp_path / 'other.db')}"
    assert catch_up(study, other) == len(journal.read(study.journal))
    assert all_that_mlflow_holds(study, other) == before
