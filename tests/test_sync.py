import subprocess
import sys
from pathlib import Path

import pytest

import tracked_study as written
from leukmodels.errors import StudyError
from search import sync
from search.journal import Journal
from search.tracking import default_uri
from search.tracking_ledger import ledger

ROOT = Path(__file__).resolve().parents[1]


def test_sync_tells_what_mlflow_does_not_know_and_prints_one_line(tmp_path: Path) -> None:
    folder = written.begin(tmp_path, "anna")
    with Journal(folder.journal) as log:
        written.run_trial(log, 0)
    command = [sys.executable, "-m", "search.sync", "anna", "--storage", str(tmp_path)]

    def answer() -> tuple[int, str, str]:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr

    where = f"MLflow at {default_uri(tmp_path)} knows all of anna"
    assert answer() == (0, f"{where}; 5 events were new to it.\n", "")
    with Journal(folder.journal) as log:
        log.append("study_finished", reason="all trials ended")
    assert answer() == (0, f"{where}; 1 event was new to it.\n", "")
    assert ledger(default_uri(tmp_path), folder.read_manifest()["study_id"])[0].status == "FINISHED"


def test_sync_refuses_what_is_no_study(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="holds no study"):
        sync.main(["anna", "--storage", str(tmp_path)])


def test_sync_names_a_store_that_does_not_answer(tmp_path: Path) -> None:
    written.begin(tmp_path, "anna")
    with pytest.raises(StudyError, match=r"MLflow at http://127\.0\.0\.1:9 could not be told"):
        sync.main([str(tmp_path / "anna"), "--tracking-uri", "http://127.0.0.1:9"])
