"""A study and an export that were made before the rooms (commit 8562378) go on: see data/before-rooms/README.md."""

import csv
import shutil
from pathlib import Path

import keras
import numpy as np
import pyarrow.parquet as pq
import pytest

from ledgers import check_ledgers_agree
from leukmodels.predictor import Predictor
from search import status
from search.confirm.confirmation import confirm
from search.confirm.options import ConfirmOptions
from search.export.__main__ import main as export
from search.report.__main__ import main as report
from search.run import planning, workflow
from search.study.folder import StudyFolder

BEFORE = Path(__file__).parent / "data" / "before-rooms"
pytestmark = pytest.mark.keras


@pytest.fixture(scope="module")
def begun(tmp_path_factory, empty_store):
    """Return a copy of the study, in a storage folder of its own with an MLflow store."""
    storage = tmp_path_factory.mktemp("storage")
    shutil.copy(empty_store, storage)
    shutil.copytree(BEFORE / "study", storage / "kept")
    return StudyFolder(storage / "kept")


@pytest.fixture(scope="module")
def resumed(begun, session):
    """Return the study after a fourth trial, which draws its cohort again."""
    plan = planning.plan_resume(
        begun,
        given={"trials": 4},
        out=begun.path.parent / "exported",
        cache=begun.path.parent / "cache",
        command="python -m search.run --resume kept --trials 4",
    )
    assert workflow.carry_out(plan, session)
    return begun


def test_status_shows_its_front(begun, capsys):
    assert status.main([str(begun.path)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "3/3 trials (3 complete), 9 epochs" in said
    assert "hypervolume 0.467" in said


def test_it_exports_the_trial_that_it_exported(begun, tmp_path, capsys):
    assert export([str(begun.path), "--out", str(tmp_path / "again"), "--prefer", "recall", "--with-identifiers"]) == 0
    before, again = (pq.read_table(folder / "scores.parquet") for folder in (BEFORE / "export", tmp_path / "again"))
    assert again.equals(before.sort_by([("patient", "ascending"), ("image", "ascending")]))
    assert (tmp_path / "again" / "model.keras").read_bytes() == (BEFORE / "export" / "model.keras").read_bytes()


def test_it_goes_on_with_every_trial_once(resumed):
    record = check_ledgers_agree(resumed.path, trials=4)
    recalls = {number: trial.metrics["recall"] for number, trial in record.trials.items() if number < 3}
    assert recalls == {0: 0.3125, 1: 1.0, 2: 0.0}
    assert record.finished == "all trials done"


def test_its_page_is_written(resumed, tmp_path):
    assert report([str(resumed.path), "--out", str(tmp_path / "page.html")]) == 0
    assert "RUNX1::RUNX1T1 leukemia against control" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_its_front_is_confirmed(resumed, session):
    plan = planning.plan_again(resumed, given={}, cache=resumed.path.parent / "cache", command="confirm")
    ranked = confirm(plan, ConfirmOptions(study="kept", members=1, folds=3, seeds=1, choose=1), session)
    assert {each.trainings for each in ranked} == {3}
    assert [path.suffix for path in (resumed.confirmed / "test" / "1").iterdir()].count(".parquet") >= 1


def test_the_export_gives_the_scores_that_it_gave(resumed):
    predictor = Predictor.load(BEFORE / "export")
    cohort = resumed.path.parent / "synthetic" / "3-cells-per-patient"
    cells = pq.read_table(BEFORE / "export" / "scores.parquet").to_pylist()[:3]
    answers = predictor.answers([cohort / cell["image"] for cell in cells])
    assert [answer.score for answer in answers] == pytest.approx([0.6013484, 0.6004215, 0.5888826], abs=1e-5)
    assert [answer.disease for answer in answers] == [True, True, True]


def test_the_front_of_the_export_is_as_it_was():
    with (BEFORE / "export" / "front.csv").open(encoding="utf-8") as file:
        assert [(row["trial"], float(row["recall"])) for row in csv.DictReader(file)] == [("1", 1.0), ("0", 0.3125)]


@pytest.mark.parametrize("number", [0, 1, 2])
def test_its_models_load_in_safe_mode(number):
    import leukmodels.model.layers  # noqa: F401  registers the layers, as every reader of a model does

    model = keras.saving.load_model(BEFORE / "study" / "trials" / f"{number:05d}" / "model.keras", safe_mode=True)
    assert model.predict_on_batch(np.zeros((1, 16, 16, 3), dtype=np.uint8)).shape == (1, 1)


def test_a_model_with_every_layer_of_ours_gives_the_scores_that_it_gave():
    import leukmodels.model.layers  # noqa: F401  registers the layers, as every reader of a model does

    model = keras.saving.load_model(BEFORE / "layers.keras", compile=False, safe_mode=True)
    ours = {type(layer).__name__ for layer in model._flatten_layers() if type(layer).__module__.startswith("leuk")}
    assert ours == {"AreaResizing", "Augmentation", "BlurPool2D", "ColourMode", "EdgeFilter"}
    images = (np.arange(2 * 16 * 16 * 3) * 37 % 251).astype(np.uint8).reshape(2, 16, 16, 3)
    assert model.predict_on_batch(images).ravel().tolist() == pytest.approx([0.5285367, 0.5306094], abs=1e-5)
    assert model.predict_on_batch(images // 8).ravel().tolist() == pytest.approx([0.5034895, 0.5037360], abs=1e-5)
