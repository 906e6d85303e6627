"""The Python API: its examples run, what it returns is what the study's files say, and importing it costs nothing."""

import doctest
import inspect
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

import search
from leukmodels.errors import ConfigError, StudyError
from search.run import notebook
from search.study.opened import Study
from search.study.options import STORAGE_VARIABLE

ROOT = Path(__file__).resolve().parents[2]
FIRST = ("run_study", "open_study", "list_studies")  # the others look at what these leave


@pytest.fixture(scope="module")
def here(tmp_path_factory, empty_store, session):
    """Stand in a folder of its own, with the shared Ray and a storage folder, and run the examples there."""
    folder = tmp_path_factory.mktemp("notebook")
    (folder / "studies").mkdir()
    (folder / "studies" / "mlflow.db").write_bytes(empty_store.read_bytes())

    @contextmanager
    def shared(**_):
        yield session

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv(STORAGE_VARIABLE, str(folder / "studies"))
        patch.setattr(notebook, "open_session", shared)
        names = dict(vars(search))
        runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
        for name in (*FIRST, *(name for name in search.__all__ if name not in FIRST)):
            (test,) = doctest.DocTestFinder(recurse=False).find(getattr(search, name), name, globs=names)
            runner.run(test, clear_globs=False)
            names |= test.globs
        yield runner, names["study"]


@pytest.mark.keras
def test_the_examples_of_the_docstrings_run(here):
    runner, _ = here
    assert runner.summarize(verbose=False).failed == 0
    assert runner.tries >= 7


@pytest.mark.keras
def test_a_study_is_exported_and_its_model_answers_for_files_and_arrays(here, tmp_path):
    _, study = here
    folder = search.export_model(study, tmp_path / "out", prefer="recall")
    predictor = search.load_predictor(folder)
    root = Path(study.manifest.data.root)
    paths = sorted(root.rglob("*.tif"))[:2]
    arrays = [np.random.default_rng(0).integers(0, 256, (40, 30, 3), dtype=np.uint8), np.zeros((4, 4), np.uint8)]
    frame = predictor.classify([*paths, str(paths[0]), *arrays])
    assert frame.columns.tolist() == ["image", "score", "disease", "unlike", "error", "synthetic"]
    assert frame["image"].tolist() == [str(paths[0]), str(paths[1]), str(paths[0]), "3", "4"]
    assert frame["score"][0] == frame["score"][2]
    assert frame["error"].tolist()[:4] == [""] * 4
    assert "expected uint8 (h, w, 3)" in frame["error"][4]
    assert frame["unlike"].map(bool).tolist() == [False, False, False, True, False]  # noise is no cell
    assert frame["score"].isna().tolist() == [False] * 3 + [True] * 2
    assert frame["synthetic"].all()
    asked = predictor.classify([*paths, *arrays], answer_unlike=True)
    assert asked["score"].isna().tolist() == [False] * 3 + [True]


@pytest.mark.keras
def test_frames_say_what_the_record_says(here):
    _, study = here
    frame, trial = search.trials(study), study.record.trials[0]
    assert frame.loc[0, "recall"] == trial.metrics["recall"]
    assert frame.loc[0, "filters"] == trial.params["filters"]
    assert search.epochs(study).loc[0, "log_loss"] == trial.epochs[0]["log_loss"]
    assert len(search.pareto_front(study)) == len(study.front.trials)
    assert search.plot_front(study).axes[0].get_xlabel().startswith("recall")


@pytest.mark.keras
def test_a_study_goes_on_from_python(here, capsys):
    resumed = search.resume_study("first", trials=2)
    assert len(resumed.record.trials) == 2
    assert resumed.record.changes == {"trials": 2}
    assert isinstance(resumed, Study)


def test_what_is_wrong_is_said_as_on_the_command_line(tmp_path):
    with pytest.raises(ConfigError, match="--trials is 0; give a whole number from 1"):
        search.run_study("runx1", storage=tmp_path, trials=0)
    with pytest.raises(StudyError, match="holds no study"):
        search.open_study("nothing", storage=tmp_path)
    with pytest.raises(ConfigError, match="--prefer is 'luck'; give one of recall, accuracy, balanced, cost"):
        search.export_model(begun(tmp_path / "one"), tmp_path / "out", prefer="luck")


def begun(path):
    from studies import begin

    return begin(path).path


def test_a_study_that_cannot_be_read_hides_no_other(tmp_path):
    begun(tmp_path / "one")
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "study.json").write_text("{")
    frame = search.list_studies(tmp_path)
    assert frame["study"].tolist() == ["one", "torn"]
    assert frame["state"][0] == "unfinished"
    assert "is not JSON" in frame["state"][1]


def test_every_function_is_typed_and_documented():
    for name in search.__all__:
        signature = inspect.signature(getattr(search, name))
        assert signature.return_annotation is not inspect.Signature.empty
        assert all(each.annotation is not inspect.Parameter.empty for each in signature.parameters.values())
        assert len(getattr(search, name).__doc__) > 80


@pytest.mark.parametrize("program", ["import search; help(search)", "import search.__main__ as m; m.main(['--help'])"])
def test_looking_loads_nothing(program):
    script = f"import sys\ntry:\n    exec({program!r})\nexcept SystemExit:\n    pass\nprint(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    loaded = done.stdout.splitlines()[-1]
    heavy = ("numpy", "pandas", "pydantic", "ray", "tensorflow", "keras", "mlflow", "optuna", "matplotlib", "pyarrow")
    assert [name for name in heavy if f"'{name}'" in loaded] == []


def test_an_option_that_there_is_not_is_said_with_the_one_that_is_meant(tmp_path):
    with pytest.raises(ConfigError, match=r"trails is no option; did you mean trials\?"):
        search.run_study("runx1", storage=tmp_path, trails=3)
