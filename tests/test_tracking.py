import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

import tracked_study as written
from leukmodels.errors import StudyError
from search import journal, tracking_follower
from search.folder import StudyFolder
from search.journal import Journal
from search.records import fold
from search.standing import Floors, hypervolumes
from search.tracking import Tracker, default_uri, study_uri, watch_command
from search.tracking_follower import catch_up, explain
from search.tracking_ledger import find_runs, ledger
from search.tracking_store import connect, redacted

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One storage folder, a space in its name, whose database is made once; a copy of it stays empty."""
    folder = tmp_path_factory.mktemp("storage of studies")
    connect(default_uri(folder))
    shutil.copyfile(folder / "mlflow.db", folder / "empty.db")
    return folder


@pytest.fixture
def study(storage: Path, request: pytest.FixtureRequest) -> StudyFolder:
    return written.begin(storage, request.node.name.replace("[", "-").strip("]"))


def of_every_kind(folder: StudyFolder) -> None:
    """Write a study with trials of every state, whose first front member is beaten later."""
    with Journal(folder.journal) as log:
        written.run_trial(log, 0, recall=0.6, accuracy=0.6)
        written.start(log, 1)
        written.epoch(log, 1, 1, loss=float("nan"))
        written.end(log, 1, "failed")
        written.run_trial(log, 2, recall=0.9, accuracy=0.7)
        written.start(log, 3)
        written.epoch(log, 3, 1)
        written.end(log, 3, "stopped")
        written.run_trial(log, 4, recall=1.0, accuracy=0.5, specificity=0.1)
        written.run_trial(log, 5, recall=0.8, accuracy=0.8)
        written.start(log, 6)
        written.epoch(log, 6, 1)


def runs_of(folder: StudyFolder, uri: str) -> tuple[Any, dict[int, Any]]:
    client = connect(uri)
    experiment = client.get_experiment_by_name("leukemia-search/runx1").experiment_id
    parents, children = find_runs(client, [experiment], folder.read_manifest()["study_id"])
    assert len(parents) == 1
    assert all(len(runs) == 1 for runs in children.values())
    return parents[0], {number: runs[0] for number, runs in children.items()}


def all_that_mlflow_holds(folder: StudyFolder, uri: str) -> dict[str, Any]:
    """Return everything told of a study, down to the single metric points, without what MLflow makes up itself."""
    client = connect(uri)
    parent, children = runs_of(folder, uri)

    def content(run: Any) -> dict[str, Any]:
        history = {key: client.get_metric_history(run.info.run_id, key) for key in run.data.metrics}
        return {
            "info": (run.info.run_name, run.info.status, run.info.start_time, run.info.end_time),
            "params": run.data.params,
            "tags": {key: tag for key, tag in run.data.tags.items() if not key.startswith("mlflow.")},
            "metrics": {
                key: sorted((point.step, point.timestamp, str(point.value)) for point in points)
                for key, points in history.items()
            },
        }

    return {"parent": content(parent)} | {str(number): content(run) for number, run in children.items()}


def test_every_trial_is_told_as_the_journal_has_it(study: StudyFolder) -> None:
    of_every_kind(study)
    uri = study_uri(study)
    assert catch_up(study, uri) == len(journal.read(study.journal))
    held = ledger(uri, study.read_manifest()["study_id"])
    statuses = ["FINISHED", "FAILED", "FINISHED", "KILLED", "FINISHED", "FINISHED", "RUNNING"]
    assert [entry.status for entry in held.values()] == statuses
    assert [entry.epochs for entry in held.values()] == [3, 1, 3, 1, 3, 3, 1]
    record = fold(journal.read(study.journal))
    assert {number: dict(entry.metrics) for number, entry in held.items()} == {
        number: dict(trial.metrics) for number, trial in record.trials.items()
    }
    parent, children = runs_of(study, uri)
    assert children[0].data.params == {"filters": "32", "learning_rate": "0.001", "pooling": "max", "dropout": "0.25"}
    assert children[0].info.run_name == "trial 0"
    assert {run.data.tags["mlflow.parentRunId"] for run in children.values()} == {parent.info.run_id}
    assert children[1].data.tags["reason"] == "failed on purpose"
    assert children[0].data.tags["data"] == "synthetic"
    assert parent.data.params["config.trials"] == "9"
    assert parent.data.params["split.fingerprint"] == "5" * 64
    assert parent.data.params["floors.specificity"] == "0.5"


def test_front_and_hypervolume_are_told(study: StudyFolder) -> None:
    of_every_kind(study)
    uri = study_uri(study)
    catch_up(study, uri)
    parent, children = runs_of(study, uri)
    words = {number: (run.data.tags.get("pareto"), run.data.tags.get("feasible")) for number, run in children.items()}
    assert words == {
        0: ("false", "true"),
        1: (None, None),
        2: ("true", "true"),
        3: (None, None),
        4: ("false", "false"),
        5: ("true", "true"),
        6: (None, None),
    }
    client = connect(uri)
    told = client.get_metric_history(parent.info.run_id, "hypervolume")
    expected = dict(hypervolumes(fold(journal.read(study.journal)), Floors(specificity=0.5)))
    complete_after = {0: 1, 2: 3, 4: 5, 5: 6}  # trial: how many had finished once it had
    assert {point.step: pytest.approx(point.value) for point in told if point.step in complete_after.values()} == {
        complete_after[number]: volume for number, volume in expected.items()
    }
    assert parent.data.metrics["trials.complete"] == 4
    table = json.loads(Path(parent.info.artifact_uri, "front.json").read_text())
    assert [row[table["columns"].index("trial")] for row in table["data"]] == [2, 5]


def test_tags_follow_the_front(study: StudyFolder) -> None:
    uri = study_uri(study)

    def members() -> set[int]:
        catch_up(study, uri)
        return {number for number, run in runs_of(study, uri)[1].items() if run.data.tags["pareto"] == "true"}

    with Journal(study.journal) as log:
        written.run_trial(log, 0, recall=0.6, accuracy=0.6)
        assert members() == {0}
        written.run_trial(log, 1, recall=0.5, accuracy=0.7)
        assert members() == {0, 1}
        written.run_trial(log, 2, recall=0.6, accuracy=0.7)
        assert members() == {2}


def test_parent_status_follows_the_study(study: StudyFolder) -> None:
    uri = study_uri(study)

    def status() -> str:
        catch_up(study, uri)
        return str(runs_of(study, uri)[0].info.status)

    with Journal(study.journal) as log:
        written.run_trial(log, 0)
        assert status() == "RUNNING"
        log.append("study_interrupted", signal="SIGINT")
        assert status() == "KILLED"
        log.append("study_resumed", session=2)
        assert status() == "RUNNING"
        log.append("study_finished", reason="all trials ended")
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
    held = ledger(uri, study.read_manifest()["study_id"])
    assert [(entry.epochs, entry.runs) for entry in held.values()] == [(epochs, 1) for epochs in (3, 1, 3, 1, 3, 3, 1)]
    parent, _ = runs_of(study, uri)
    assert len(connect(uri).get_metric_history(parent.info.run_id, "hypervolume")) == 6


def test_run_that_a_server_made_twice_is_deleted(study: StudyFolder) -> None:
    of_every_kind(study)
    uri = study_uri(study)
    catch_up(study, uri)
    before = all_that_mlflow_holds(study, uri)
    _, children = runs_of(study, uri)
    connect(uri).create_run(children[2].info.experiment_id, tags=dict(children[2].data.tags))
    assert ledger(uri, study.read_manifest()["study_id"])[2].runs == 2
    catch_up(study, uri)
    assert all_that_mlflow_holds(study, uri) == before


def test_store_that_lost_a_run_and_another_store_are_told_anew(study: StudyFolder, storage: Path) -> None:
    of_every_kind(study)
    uri = study_uri(study)
    catch_up(study, uri)
    before = all_that_mlflow_holds(study, uri)
    connect(uri).delete_run(runs_of(study, uri)[1][3].info.run_id)
    catch_up(study, uri)
    assert all_that_mlflow_holds(study, uri) == before
    other = f"sqlite:///{storage / 'empty.db'}"
    assert catch_up(study, other) == len(journal.read(study.journal))
    assert all_that_mlflow_holds(study, other) == before


def test_only_one_process_tells(study: StudyFolder) -> None:
    of_every_kind(study)
    with tracking_follower._lock(study), pytest.raises(StudyError, match="Another process is telling MLflow"):
        catch_up(study, study_uri(study))


def test_store_that_does_not_answer_is_a_sentence(study: StudyFolder) -> None:
    of_every_kind(study)
    with pytest.raises(StudyError, match=r"MLflow at http://127\.0\.0\.1:9 could not be told: .*Try again"):
        catch_up(study, "http://ann:secret@127.0.0.1:9")


def test_addresses(tmp_path: Path) -> None:
    assert redacted("https://ann:secret@example.org:5000/x") == "https://example.org:5000/x"
    assert watch_command("https://ann:secret@example.org") == "https://example.org"
    assert watch_command("sqlite:////a b/mlflow.db") == "mlflow ui --backend-store-uri 'sqlite:////a b/mlflow.db'"
    assert explain(ValueError("no.\nAt all."), "sqlite:////x.db") == "MLflow at sqlite:////x.db could not be told: no."
    assert ledger(default_uri(tmp_path), "0" * 32) == {}
    assert not (tmp_path / "mlflow.db").exists()
    folder = written.begin(tmp_path, tracking_uri="http://one")
    assert study_uri(folder) == "http://one"
    with Journal(folder.journal) as log:
        log.append("study_resumed", session=2, changes={"tracking_uri": "http://two"})
    assert study_uri(folder) == "http://two"


def test_modules_are_light() -> None:
    code = "import sys, search.tracking_follower; sys.exit(bool({'mlflow', 'keras', 'ray'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_several_processes_make_one_database(tmp_path: Path) -> None:
    (tmp_path / ".mlflow.db.new").write_text("left by a process that was killed")
    folders = [written.begin(tmp_path, f"study-{number}") for number in range(2)]
    code = (
        "import sys, pathlib; from search.folder import StudyFolder; from search import tracking_follower, tracking;"
        "folder = StudyFolder(pathlib.Path(sys.argv[1]));"
        "tracking_follower.catch_up(folder, tracking.study_uri(folder))"
    )
    for folder in folders:
        of_every_kind(folder)
    processes = [
        subprocess.Popen([sys.executable, "-c", code, str(folder.path)], cwd=ROOT, stderr=subprocess.PIPE)
        for folder in folders
    ]
    assert [(process.communicate()[1], process.returncode) for process in processes] == [(b"", 0)] * 2
    for folder in folders:
        assert len(ledger(study_uri(folder), folder.read_manifest()["study_id"])) == 7


def wait_until(truth: Callable[[], bool], what: str, limit_s: float = 60.0) -> None:
    until = time.monotonic() + limit_s
    while not truth():
        assert time.monotonic() < until, f"waited {limit_s} s for: {what}"
        time.sleep(0.05)


def test_tracker_follows_a_live_study(study: StudyFolder) -> None:
    uri = study_uri(study)
    tracker = Tracker(study, uri=uri)
    assert not tracker.stop(0.0)
    study.report.mkdir()
    (study.report / "front.png").write_bytes(b"a picture")
    with Journal(study.journal) as log:
        tracker.start()
        for trial in range(3):
            written.run_trial(log, trial, recall=0.5 + trial / 10)
        wait_until(lambda: tracker.behind == 0, "the first trials to be told")
        log.append("study_finished", reason="all trials ended")
    tracker.log_front()
    assert tracker.stop(60.0)
    assert tracker.stop(60.0)
    assert tracker.problem == ""
    parent, children = runs_of(study, uri)
    assert (parent.info.status, len(children)) == ("FINISHED", 3)
    assert Path(parent.info.artifact_uri, "front.png").read_bytes() == b"a picture"


def test_locked_database_delays_nothing_but_the_telling(study: StudyFolder) -> None:
    uri = study_uri(study)
    other = sqlite3.connect(study.path.parent / "mlflow.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    tracker = Tracker(study, uri=uri)
    tracker.start()
    of_every_kind(study)
    assert tracker.behind == len(journal.read(study.journal))
    time.sleep(3.0)  # long enough for the follower to meet the lock
    assert tracker.behind == len(journal.read(study.journal))
    other.execute("ROLLBACK")
    other.close()
    assert tracker.stop(60.0)
    assert [entry.epochs for entry in ledger(uri, study.read_manifest()["study_id"]).values()] == [3, 1, 3, 1, 3, 3, 1]


def test_follower_that_dies_or_hangs_is_a_sentence_and_sync_heals(study: StudyFolder) -> None:
    of_every_kind(study)
    tracker = Tracker(study, uri=study_uri(study))
    tracker.start()
    assert tracker._process is not None
    os.kill(tracker._process.pid, signal.SIGKILL)
    wait_until(lambda: bool(tracker.problem), "the death to be noticed")
    assert not tracker.stop(60.0)
    assert "ended by itself" in tracker.problem
    hanging = Tracker(study, uri=study_uri(study))
    hanging.start()
    assert not hanging.stop(0.0)
    catch_up(study, study_uri(study))
    assert {entry.runs for entry in ledger(study_uri(study), study.read_manifest()["study_id"]).values()} == {1}


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture
def serve(tmp_path: Path, port: int) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Return what starts the same MLflow server anew; all of them are killed in the end, workers included."""
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
        command += ["--workers", "1", "--backend-store-uri", f"sqlite:///{tmp_path / 'server.db'}"]
        command += ["--artifacts-destination", str(tmp_path / "artifacts")]
        process = subprocess.Popen(
            command, cwd=tmp_path, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        started.append(process)
        return process

    yield start
    for process in started:
        kill_group(process)


def answers(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def kill_group(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def test_server_that_dies_midway_is_caught_up_with(
    tmp_path: Path, port: int, storage: Path, serve: Callable[[], subprocess.Popen[bytes]]
) -> None:
    shutil.copyfile(storage / "empty.db", tmp_path / "server.db")  # spares the server its migrations
    uri = f"http://127.0.0.1:{port}"
    folder = written.begin(tmp_path / "studies", tracking_uri=uri)
    tracker = Tracker(folder, uri=study_uri(folder))
    server = serve()
    tracker.start()
    with Journal(folder.journal) as log:
        written.run_trial(log, 0, recall=0.6)
        written.start(log, 1)
        written.epoch(log, 1, 1, loss=float("nan"))
        wait_until(lambda: tracker.behind == 0, "the server to be told")
        kill_group(server)
        written.epoch(log, 1, 2)
        wait_until(lambda: bool(tracker.problem), "the server's death to be noticed")
        assert tracker.behind == 1
        written.complete(log, 1, recall=0.7)
        log.append("study_finished", reason="all trials ended")
    serve()
    wait_until(lambda: answers(port), "the new server")
    assert tracker.stop(60.0)
    held = ledger(uri, folder.read_manifest()["study_id"]).values()
    assert [(entry.status, entry.epochs, entry.runs) for entry in held] == [("FINISHED", 3, 1), ("FINISHED", 2, 1)]
    assert list((tmp_path / "artifacts").rglob("front.json"))
