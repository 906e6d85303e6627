"""Whether the ledgers of a study agree, and where not."""

import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from leukmodels.errors import StudyError
from search.audit import audit, main
from search.study import journal
from search.study.folder import StudyFolder
from search.tracking.follower import catch_up
from search.tracking.ledger import ledger
from search.tracking.tracker import default_uri
from studies import begin, complete, evaluate, recording, run, start, stop, stored

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def told(storage):
    """Return a study of three trials, two of them ended, that MLflow knows all of; to copy, with its storage."""
    folder = begin(storage / "study")
    with recording(folder) as recorder:
        for number in range(3):
            start(recorder, number)
            evaluate(recorder, number, 1)
            evaluate(recorder, number, 2)
        complete(recorder, 0)
        stop(recorder, 1)
    catch_up(folder, default_uri(storage))
    return folder


@pytest.fixture
def study(told, tmp_path):
    """Return a copy of that study, to break."""
    return StudyFolder(shutil.copytree(told.path.parent, tmp_path / "storage") / told.name)


def said(capsys, folder):
    status = main([str(folder.path)])
    captured = capsys.readouterr()
    assert not captured.err
    return status, captured.out


def test_they_agree_in_one_line(study, capsys):
    status, out = said(capsys, study)
    assert status == 0
    assert out.count("\n") == 1
    assert "agree on 3 trials (1 running, 1 complete, 1 stopped)" in out


def test_what_mlflow_has_not_heard_is_named(study, capsys):
    with recording(study) as recorder:
        evaluate(recorder, 2, 3)
        complete(recorder, 2)
        start(recorder, 3)
    status, out = said(capsys, study)
    assert status == 1
    assert "trial 2 is complete by the journal (FINISHED), RUNNING by MLflow" in out
    assert "trial 2 has 3 epochs by the journal, 2 by MLflow" in out
    assert "trial 2 has recall 0.8 by the journal, None by MLflow" in out
    assert "trial 3 is not in MLflow" in out
    assert "python -m search.audit" in out
    catch_up(study, default_uri(study.path.parent))
    assert said(capsys, study)[0] == 0


@pytest.mark.fault("files", "a journal contradicts itself", "search.audit finds it")
def test_a_journal_that_contradicts_itself_is_found(study):
    ended = next(event for event in journal.read(study.journal) if event["event"] == "trial_finished")
    told = {key: ended[key] for key in ("trial", "state", "outcome", "reason")}
    with journal.Journal(study.journal) as writing:
        writing.append("trial_finished", **told)
    differences = audit(study).differences
    assert "trial 0 was begun or ended 2 times by the journal" in differences


@pytest.mark.fault("servers", "someone changes a number in MLflow", "search.audit finds it")
def test_a_number_that_someone_changed_in_mlflow_is_found(study):
    with sqlite3.connect(study.path.parent / "mlflow.db") as database:
        database.execute("UPDATE latest_metrics SET value = 0.123 WHERE key = 'best.recall'")
        database.execute("UPDATE metrics SET value = 0.123 WHERE key = 'best.recall'")
    assert audit(study).differences == ("trial 0 has recall 0.8 by the journal, 0.123 by MLflow",)


def test_a_hyperparameter_and_an_epoch_that_someone_changed_in_mlflow_are_found(study):
    with sqlite3.connect(study.path.parent / "mlflow.db") as database:
        runs = "(SELECT run_uuid FROM tags WHERE key = 'trial' AND value = '1')"
        database.execute(f"UPDATE params SET value = '99' WHERE key = 'filters' AND run_uuid IN {runs}")
        database.execute(f"UPDATE latest_metrics SET value = 0.123 WHERE key = 'recall' AND run_uuid IN {runs}")
    assert audit(study).differences == (
        "trial 1 has filters 64 by the journal, 99 by MLflow",
        "trial 1 has recall 0.5 in its last epoch by the journal, 0.123 by MLflow",
    )


def test_a_study_that_mlflow_never_heard_of_is_told_so(tmp_path):
    folder = begin(tmp_path / "study")
    with recording(folder) as recorder:
        start(recorder, 0)
    assert audit(folder).differences == ("trial 0 is not in MLflow",)


def test_no_study_is_a_users_error(tmp_path):
    with pytest.raises(StudyError):
        audit(StudyFolder(tmp_path / "none"))


def test_first_syncs_make_one_database_and_print_a_line_each(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / ".mlflow.db.new").write_text("left by a process that was killed")
    folders = [begin(tmp_path / name) for name in ("anna", "bea")]
    for folder in folders:
        with recording(folder) as recorder:
            run(recorder, 0)
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "search.audit", folder.name, "--sync", "--storage", str(tmp_path)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for folder in folders
    ]
    where = f"MLflow at {default_uri(tmp_path)} knows all of"
    for folder, process in zip(folders, processes, strict=True):
        said, complained = process.communicate()
        assert complained == ""
        assert said.splitlines()[0] == f"{where} {folder.name}; 5 events were new to it."
        assert process.returncode == 0
    with recording(folders[0]) as recorder:
        recorder.study_finished("all trials done")
    assert main(["anna", "--sync", "--storage", str(tmp_path)]) == 0
    assert capsys.readouterr().out.startswith(f"{where} anna; 1 event was new to it.\n")
    for folder in folders:
        assert ledger(default_uri(tmp_path), stored(folder)["study_id"])[0].status == "FINISHED"


def test_sync_refuses_what_is_no_study(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="holds no study"):
        main(["anna", "--sync", "--storage", str(tmp_path)])


def test_sync_names_a_store_that_does_not_answer(tmp_path: Path) -> None:
    begin(tmp_path / "anna")
    with pytest.raises(StudyError, match=r"MLflow at http://127\.0\.0\.1:9 could not be told"):
        main([str(tmp_path / "anna"), "--sync", "--tracking-uri", "http://127.0.0.1:9"])
