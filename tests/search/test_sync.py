import subprocess
import sys
from pathlib import Path

import pytest

import studies
from leukmodels.errors import StudyError
from search import audit
from search.tracking.ledger import ledger
from search.tracking.tracker import default_uri
from studies import stored

ROOT = Path(__file__).resolve().parents[2]


def test_first_syncs_make_one_database_and_print_a_line_each(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / ".mlflow.db.new").write_text("left by a process that was killed")
    folders = [studies.begin(tmp_path / name) for name in ("anna", "bea")]
    for folder in folders:
        with studies.recording(folder) as recorder:
            studies.run(recorder, 0)
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
    with studies.recording(folders[0]) as recorder:
        recorder.study_finished("all trials done")
    assert audit.main(["anna", "--sync", "--storage", str(tmp_path)]) == 0
    assert capsys.readouterr().out.startswith(f"{where} anna; 1 event was new to it.\n")
    for folder in folders:
        assert ledger(default_uri(tmp_path), stored(folder)["study_id"])[0].status == "FINISHED"


def test_sync_refuses_what_is_no_study(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="holds no study"):
        audit.main(["anna", "--sync", "--storage", str(tmp_path)])


def test_sync_names_a_store_that_does_not_answer(tmp_path: Path) -> None:
    studies.begin(tmp_path / "anna")
    with pytest.raises(StudyError, match=r"MLflow at http://127\.0\.0\.1:9 could not be told"):
        audit.main([str(tmp_path / "anna"), "--sync", "--tracking-uri", "http://127.0.0.1:9"])
