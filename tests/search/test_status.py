import json
import subprocess
import sys

import pytest

import studies
from leukmodels.collections.tasks import find_task
from leukmodels.errors import ConfigError, StudyError
from search.status import look, main
from search.study.confirmation_log import TestCandidate, as_event
from search.study.journal import Journal

HEAVY = ("tensorflow", "keras", "ray", "mlflow", "optuna", "matplotlib")


@pytest.fixture
def study(tmp_path):
    return studies.mixed(tmp_path / "runx1-1", finished=True)


def test_the_verb_imports_nothing_heavy(study):
    code = (
        "import sys\nfrom search.status import main\n"
        f"main([{str(study.path)!r}])\n"
        f"loaded = sorted(set({HEAVY}) & set(sys.modules))\n"
        "sys.exit(f'imported {loaded}' if loaded else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_person_sees_state_trials_and_front(study, capsys):
    assert main([study.name, "--storage", str(study.path.parent)]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"runx1-1: {find_task('runx1').question} (SYNTHETIC DATA)\nfinished: time budget\n")
    assert "7/7 trials (4 complete, 2 stopped, 1 failed), 15 epochs, 30 s of training" in said
    assert "hypervolume 0.8" in said
    assert [line.split()[0] for line in said.splitlines()[-2:]] == ["2", "1"]


def test_json_holds_the_same(study, capsys):
    main([str(study.path), "--json"])
    told = json.loads(capsys.readouterr().out)
    assert told["state"] == "finished"
    assert told["trials"] == {"planned": 7, "running": 0, "complete": 4, "stopped": 2, "failed": 1}
    assert told["best"] == {"recall": 2, "accuracy": 1, "balanced": 1}
    assert [trial["trial"] for trial in told["front"]] == [2, 1]
    assert told["synthetic"] is True
    assert told["test"] is None


def test_what_the_test_gave_comes_first(study, capsys):
    chosen = TestCandidate(trial=1, threshold=0.4, why="highest mean recall", promise={"recall": 0.9, "accuracy": 0.8})
    with Journal(study.journal) as journal:
        journal.append("test_opened", chosen=[as_event(chosen)])
        main([str(study.path)])
        assert "locked test" not in capsys.readouterr().out  # begun, and no figure yet
        journal.append("tested", opening=1, trial=1, metrics={"recall": 0.75, "accuracy": 0.7})
    main([str(study.path)])
    said = capsys.readouterr().out
    assert said.index("the locked test (opening 1), beside what validation promised") < said.index(
        "front on validation"
    )
    assert "0.750 (0.900)" in said
    main([str(study.path), "--json"])
    assert json.loads(capsys.readouterr().out)["test"] == {
        "opening": 1,
        "models": [
            {
                "trial": 1,
                "threshold": 0.4,
                "why": "highest mean recall",
                "test": {"recall": 0.75, "accuracy": 0.7},
                "validation": {"recall": 0.9, "accuracy": 0.8},
            }
        ],
    }
    main(["--storage", str(study.path.parent)])
    row = capsys.readouterr().out.splitlines()[-1].split()
    assert row[3:] == ["7/7", "0.750", "0.700", "0.950", "0.910"]


def test_the_lock_tells_running_from_interrupted(tmp_path, capsys):
    study = studies.mixed(tmp_path / "runx1-1")
    assert look(study).state == "interrupted"
    main([str(study.path)])
    said = capsys.readouterr().out
    assert "6/7 trials (1 running, 4 complete, 1 stopped, 1 failed)" in said
    assert f"go on with: python -m search.run --resume {study.path}" in said
    with study.lock():
        assert look(study).state == "running"
        assert look(study).driver.startswith("pid ")
    assert look(study).state == "interrupted"


def test_looking_does_not_take_the_lock(study):
    look(study)
    with study.lock():
        look(study)
        look(study)


def test_a_study_without_a_trial_has_a_status(study, capsys):
    study.journal.unlink()
    assert main([str(study.path)]) == 0
    assert "No trial is on the front: none is complete." in capsys.readouterr().out
    main([str(study.path), "--json"])
    assert json.loads(capsys.readouterr().out)["best"] == {}


@pytest.mark.fault("files", "a study's journal is no journal", "said in its line, the others listed")
def test_all_studies_are_listed_even_beside_a_broken_one(study, capsys):
    storage = study.path.parent
    studies.mixed(storage / "runx1-2")
    broken = studies.mixed(storage / "runx1-3")
    broken.journal.write_text("no json\n")
    assert main(["--storage", str(storage)]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"Studies in {storage}:")
    assert ["finished", "7/7", "-", "-", "0.950", "0.910"] in [line.split()[2:] for line in said.splitlines()]
    assert "interrupted" in said
    assert "runx1-3 cannot be read: Line 1 of" in said


def test_an_empty_storage_says_what_to_do(tmp_path):
    with pytest.raises(StudyError, match="Begin one with"):
        main(["--storage", str(tmp_path)])


def test_json_needs_a_study():
    with pytest.raises(ConfigError, match="--json needs a STUDY"):
        main(["--json"])
