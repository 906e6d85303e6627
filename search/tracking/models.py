"""Logs the models of the front's members to MLflow, with their signatures, without loading them.

``mlflow.keras.log_model`` wants a live model, so TensorFlow in the driver: ten seconds, a gigabyte and its C++ log
lines on the user's terminal, to write again what the trial wrote already. Here the trial's own file goes into the same
layout (Keras flavor of MLflow 3: ``data/model.keras`` beside ``MLmodel``), its signature read from the archive's
config.json, with the source of this project's layers: ``mlflow.pyfunc.load_model`` and ``mlflow models serve`` open it
where leukmodels is not installed, ``mlflow.keras.load_model`` once ``leukmodels.model.layers`` is imported. No pickle.
"""

import json
import shutil
import tempfile
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import leukmodels
from search.study.folder import StudyFolder
from search.study.integrity import MODEL, model_file
from search.study.manifest import Manifest
from search.study.records import TrialRecord
from search.tracking.ledger import pages
from search.tracking.runs import StudyRuns

_LOADER = '''"""Opens the model for MLflow, its own layers registered."""

try:
    import leukmodels.model.layers
except ImportError:
    import leukemia_layers
from mlflow.keras import _load_pyfunc
'''


def log_models(runs: StudyRuns, folder: StudyFolder, members: Iterable[TrialRecord]) -> int:
    """Log the model of each of ``members`` that has one and is not logged yet; return how many were.

    StudyError where it is not the one that the trial ended with.
    """
    versions = Manifest.read(folder).versions
    logged = 0
    for trial in members:
        run_id = runs.children[trial.number].run_id
        if (folder.trial(trial.number) / MODEL).is_file() and not _is_logged(runs, run_id):
            _log(runs, f"{folder.name}-trial-{trial.number}", run_id, model_file(folder, trial), versions)
            logged += 1
    return logged


def _is_logged(runs: StudyRuns, run_id: str) -> bool:
    """Say whether the run has a whole model, clearing away one that a crash left half uploaded."""
    ready = False
    found = pages(
        runs.client.search_logged_models,
        experiment_ids=[runs.experiment_id],
        filter_string=f"source_run_id = '{run_id}'",
    )
    for model in found:
        if str(model.status) == "READY":
            ready = True
        else:
            runs.client.delete_logged_model(model.model_id)
    return ready


def _log(runs: StudyRuns, name: str, run_id: str, file: Path, versions: Mapping[str, str]) -> None:
    from mlflow.entities import LoggedModelOutput

    model = runs.client.create_logged_model(
        runs.experiment_id, name=name, source_run_id=run_id, model_type="classifier"
    )
    with tempfile.TemporaryDirectory() as scratch:
        _write(Path(scratch), file, model_id=model.model_id, run_id=run_id, versions=versions)
        runs.client.log_model_artifacts(model.model_id, scratch)
    runs.client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=0)])
    runs.client.finalize_logged_model(model.model_id, "READY")


def _write(folder: Path, file: Path, *, model_id: str, run_id: str, versions: Mapping[str, str]) -> None:
    """Write the model as MLflow's Keras flavor into the empty ``folder``."""
    from mlflow import pyfunc
    from mlflow.models import Model

    data = folder / "data"
    data.mkdir()
    shutil.copyfile(file, data / "model.keras")
    (data / "keras_module.txt").write_text("keras", encoding="utf-8")
    code = folder / "code"
    code.mkdir()
    (code / "leukemia_model.py").write_text(_LOADER, encoding="utf-8")
    layers = Path(leukmodels.__path__[0]) / "model" / "layers"
    shutil.copytree(layers, code / "leukemia_layers", ignore=shutil.ignore_patterns("__pycache__"))
    requirements = [f"{name}=={versions[name]}" for name in ("keras", "tensorflow", "numpy") if name in versions]
    (folder / "requirements.txt").write_text("".join(f"{line}\n" for line in requirements), encoding="utf-8")
    with zipfile.ZipFile(file) as archive:
        keras_version = json.loads(archive.read("metadata.json"))["keras_version"]
        config = json.loads(archive.read("config.json"))["config"]
    model = Model(run_id=run_id, model_id=model_id, signature=_signature(config))
    model.add_flavor(
        "keras", data="data", keras_version=keras_version, keras_backend="tensorflow", save_exported_model=False
    )
    pyfunc.add_to_model(model, loader_module="leukemia_model", code="code")
    model.save(str(folder / "MLmodel"))


def _signature(config: Mapping[str, Any]) -> Any:
    """Return the signature of a functional model: images (n, px, px, 3) to the probability of leukemia (n, 1)."""
    import numpy as np
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    images = next(layer["config"] for layer in config["layers"] if layer["class_name"] == "InputLayer")
    shape = tuple(-1 if size is None else size for size in images["batch_shape"])
    return ModelSignature(
        inputs=Schema([TensorSpec(np.dtype(images["dtype"]), shape)]),
        outputs=Schema([TensorSpec(np.dtype("float32"), (-1, 1))]),
    )
