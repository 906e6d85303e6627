import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tracked_study as written
from search.folder import StudyFolder
from search.journal import Journal
from search.tracking.follower import catch_up
from search.tracking.ledger import find_runs
from search.tracking.store import connect
from search.tracking.tracker import default_uri

pytestmark = pytest.mark.keras


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> StudyFolder:
    """A study with two trials on the front and one off it, each with a model; one member's file is gone."""
    from leukmodels.hparams import HyperParams
    from leukmodels.model import build

    folder = written.begin(tmp_path_factory.mktemp("storage"))
    model = build(HyperParams(filters=16, blocks=2, augmentation=0.5), image_px=16, black_background=False)
    with Journal(folder.journal) as log:
        for trial, recall in enumerate((0.9, 0.4, 0.8)):
            written.run_trial(log, trial, recall=recall, accuracy=1.0 - recall + (trial == 2) * 0.1)
            folder.trial(trial).mkdir(parents=True)
            model.save(folder.trial(trial) / "model.keras")
    (folder.trial(1) / "model.keras").unlink()
    return folder


def models_of(folder: StudyFolder) -> dict[int, list[str]]:
    client = connect(default_uri(folder.path.parent))
    experiment = client.get_experiment_by_name("leukemia-search/runx1").experiment_id
    _, children = find_runs(client, [experiment], folder.read_manifest()["study_id"])
    return {
        number: [
            model.model_id
            for model in client.search_logged_models([experiment], f"source_run_id = '{runs[0].info.run_id}'")
        ]
        for number, runs in children.items()
    }


def test_models_of_the_front_are_logged_once(study: StudyFolder) -> None:
    uri = default_uri(study.path.parent)
    catch_up(study, uri)
    logged = models_of(study)
    assert {number: len(models) for number, models in logged.items()} == {0: 1, 1: 0, 2: 1}
    catch_up(study, uri)
    assert models_of(study) == logged


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
    code = {"code/leukemia_model.py", "code/leukemia_layers.py"}
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
