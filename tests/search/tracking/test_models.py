import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import studies
from mlflow_view import runs_of
from search.study.folder import StudyFolder
from search.tracking.follower import catch_up
from search.tracking.store import connect
from search.tracking.tracker import default_uri

pytestmark = pytest.mark.keras


@pytest.fixture(scope="module")
def study(storage: Path) -> StudyFolder:
    """A study with three trials on the front and one off it, each with a model; one member's file is gone."""
    from leukmodels.model.build import build
    from leukmodels.space.hyperparameters import HyperParams

    folder = studies.begin(storage / "study")
    model = build(HyperParams(filters=16, blocks=2, augmentation=0.5), image_px=16, black_background=False)
    with studies.recording(folder) as recorder:
        for trial, (recall, specificity) in enumerate([(0.9, 0.6), (0.7, 0.9), (0.8, 0.8), (0.6, 0.7)]):
            studies.run(recorder, trial, recall, specificity)
            folder.trial(trial).mkdir(parents=True)
            model.save(folder.trial(trial) / "model.keras")
    (folder.trial(1) / "model.keras").unlink()
    return folder


def models_of(folder: StudyFolder) -> dict[int, list[str]]:
    uri = default_uri(folder.path.parent)
    parent, children = runs_of(folder, uri)
    found = connect(uri).search_logged_models([parent.info.experiment_id])
    return {
        number: [model.model_id for model in found if model.source_run_id == run.info.run_id]
        for number, run in children.items()
    }


def test_models_of_the_front_are_logged_once(study: StudyFolder) -> None:
    uri = default_uri(study.path.parent)
    catch_up(study, uri)
    logged = models_of(study)
    assert {number: len(models) for number, models in logged.items()} == {0: 1, 1: 0, 2: 1, 3: 0}
    catch_up(study, uri)
    assert models_of(study) == logged


@pytest.mark.fault("servers", "a logged model is cut off by a crash", "replaced by a whole one")
def test_model_cut_off_by_a_crash_is_replaced(study: StudyFolder) -> None:
    uri = default_uri(study.path.parent)
    catch_up(study, uri)
    client = connect(uri)
    (whole,) = models_of(study)[0]
    model = client.get_logged_model(whole)
    client.delete_logged_model(whole)
    client.create_logged_model(model.experiment_id, name="half", source_run_id=model.source_run_id)
    catch_up(study, uri)
    (anew,) = models_of(study)[0]
    assert client.get_logged_model(anew).name == model.name


def test_logged_model_opens_and_holds_no_pickle(study: StudyFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    import keras
    import mlflow

    uri = default_uri(study.path.parent)
    catch_up(study, uri)
    (model_id,) = models_of(study)[0]
    folder = Path(connect(uri).get_logged_model(model_id).artifact_location)
    files = {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}
    layers = {"__init__", "augmentation", "colour", "filters", "pooling", "resizing"}
    code = {"code/leukemia_model.py", *(f"code/leukemia_layers/{module}.py" for module in layers)}
    assert files == {"MLmodel", "requirements.txt", "data/keras_module.txt", "data/model.keras"} | code
    own = study.trial(0) / "model.keras"
    assert (folder / "data" / "model.keras").read_bytes() == own.read_bytes()
    images = np.random.default_rng(0).integers(0, 256, (5, 16, 16, 3)).astype(np.float32)
    expected = keras.saving.load_model(own).predict(images, verbose=0)
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    np.testing.assert_allclose(mlflow.keras.load_model(str(folder)).predict(images, verbose=0), expected, atol=1e-6)
    served = mlflow.pyfunc.load_model(str(folder))
    np.testing.assert_allclose(served.predict(images), expected, atol=1e-6)
    signature = served.metadata.signature
    assert signature.inputs.to_dict()[0]["tensor-spec"] == {"dtype": "float32", "shape": (-1, 16, 16, 3)}
    assert signature.outputs.to_dict()[0]["tensor-spec"] == {"dtype": "float32", "shape": (-1, 1)}


def test_logged_model_opens_where_this_project_is_not_installed(study: StudyFolder, tmp_path: Path) -> None:
    uri = default_uri(study.path.parent)
    catch_up(study, uri)
    (model_id,) = models_of(study)[0]
    code = (
        "import sys, numpy, mlflow; model = mlflow.pyfunc.load_model(sys.argv[1]);"
        "assert 'leukmodels' not in sys.modules;"
        "print(model.predict(numpy.zeros((2, 16, 16, 3), 'float32')).shape)"
    )
    location = connect(uri).get_logged_model(model_id).artifact_location
    hidden = tmp_path / "leukmodels.py"
    hidden.write_text("raise ImportError('not installed')")
    done = subprocess.run(
        [sys.executable, "-c", code, location],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines()[-1:] == ["(2, 1)"], done.stderr
