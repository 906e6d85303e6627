import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import studies
from leukmodels.errors import StudyError
from mlflow_view import runs_of
from search.study import journal
from search.study.folder import StudyFolder
from search.tracking import follower as tracking_follower
from search.tracking.follower import catch_up, explain
from search.tracking.ledger import ledger
from search.tracking.store import redacted
from search.tracking.tracker import Tracker, default_uri, study_uri, watch_command
from studies import of_every_kind, stored
from waiting import HANGS_S, wait_until

ROOT = Path(__file__).resolve().parents[3]


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
    folder = studies.begin(tmp_path / "study", tracking_uri="http://one")
    assert study_uri(folder) == "http://one"
    with studies.recording(folder) as recorder:
        recorder.study_resumed({"tracking_uri": "http://two"})
    assert study_uri(folder) == "http://two"


def test_modules_are_light() -> None:
    code = "import sys, search.tracking.follower; sys.exit(bool({'mlflow', 'keras', 'ray'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


@pytest.mark.parametrize("alive", [True, False])
def test_follower_reports_and_ends_with_its_input(
    study: StudyFolder, alive: bool, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    of_every_kind(study)
    study.report.mkdir()
    (study.report / "front.png").write_bytes(b"a picture")
    uri = study_uri(study) if alive else "http://127.0.0.1:9"
    reading, writing = os.pipe()
    os.write(writing, b"report")
    os.close(writing)
    with os.fdopen(reading) as orders:
        monkeypatch.setattr("sys.stdin", orders)
        tracking_follower.follow(study, uri)
    reports = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    if alive:
        assert reports[-1] == {"told": len(journal.read(study.journal))}
        assert Path(runs_of(study, uri)[0].info.artifact_uri, "front.png").is_file()
    else:
        assert len(reports) == 2
        assert all("could not be told" in report["problem"] for report in reports)


def test_tracker_follows_a_live_study(study: StudyFolder) -> None:
    uri = study_uri(study)
    tracker = Tracker(study, uri=uri)
    assert not tracker.stop(0.0)
    study.report.mkdir()
    (study.report / "front.png").write_bytes(b"a picture")
    with studies.recording(study) as recorder:
        tracker.start()
        for trial in range(3):
            studies.run(recorder, trial, recall=0.5 + trial / 10)
        wait_until(lambda: tracker.behind == 0, "the first trials to be told")
        recorder.study_finished("all trials done")
    tracker.log_report()
    assert tracker.stop(HANGS_S)
    assert tracker.stop(HANGS_S)
    assert tracker.problem == ""
    parent, children = runs_of(study, uri)
    assert (parent.info.status, len(children)) == ("FINISHED", 3)
    assert Path(parent.info.artifact_uri, "front.png").read_bytes() == b"a picture"


@pytest.mark.fault("servers", "another process holds MLflow's database", "nothing waits; MLflow hears of it all later")
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
    assert tracker.stop(HANGS_S)
    assert [entry.epochs for entry in ledger(uri, stored(study)["study_id"]).values()] == [3, 3, 3, 3, 1, 1, 1]


@pytest.mark.fault(
    "drivers", "SIGKILL of the process that tells MLflow", "a sentence; audit --sync brings MLflow up to the journal"
)
def test_follower_that_dies_or_hangs_is_a_sentence_and_sync_heals(study: StudyFolder) -> None:
    of_every_kind(study)
    tracker = Tracker(study, uri=study_uri(study))
    tracker.start()
    assert tracker._process is not None
    os.kill(tracker._process.pid, signal.SIGKILL)
    wait_until(lambda: bool(tracker.problem), "the death to be noticed")
    assert not tracker.stop(HANGS_S)
    assert "ended by itself" in tracker.problem
    hanging = Tracker(study, uri=study_uri(study))
    hanging.start()
    assert not hanging.stop(0.0)
    catch_up(study, study_uri(study))
    assert {entry.runs for entry in ledger(study_uri(study), stored(study)["study_id"]).values()} == {1}


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
            command,
            cwd=tmp_path,
            env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},  # a dozen processes that nobody asks
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        kill_group(process)


def answers(uri: str) -> bool:
    try:
        with urllib.request.urlopen(f"{uri}/health", timeout=5.0) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def kill_group(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.mark.fault("servers", "SIGKILL of an MLflow server in a study", "the next server is told each epoch once")
def test_server_that_dies_midway_is_caught_up_with(
    tmp_path: Path, port: int, empty_store: Path, serve: Callable[[], subprocess.Popen[bytes]]
) -> None:
    shutil.copyfile(empty_store, tmp_path / "server.db")  # spares the server its migrations
    uri = f"http://127.0.0.1:{port}"
    folder = studies.begin(tmp_path / "studies" / "study", tracking_uri=uri)
    tracker = Tracker(folder, uri=study_uri(folder))
    server = serve()
    tracker.start()
    with studies.recording(folder) as recorder:
        studies.run(recorder, 0, recall=0.6)
        studies.start(recorder, 1)
        studies.evaluate(recorder, 1, 1, loss=float("nan"))
        wait_until(lambda: tracker.behind == 0, "the server to be told")
        kill_group(server)
        studies.evaluate(recorder, 1, 2)
        wait_until(lambda: bool(tracker.problem), "the server's death to be noticed")
        assert tracker.behind == 1
        studies.complete(recorder, 1, recall=0.7)
        recorder.study_finished("all trials done")
    serve()
    wait_until(lambda: answers(uri), "the new server")
    assert tracker.stop(HANGS_S)
    held = ledger(uri, stored(folder)["study_id"]).values()
    assert [(entry.status, entry.epochs, entry.runs) for entry in held] == [("FINISHED", 3, 1), ("FINISHED", 2, 1)]
    assert list((tmp_path / "artifacts").rglob("front.json"))
