import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import keras
import pytest

from leukmodels.evaluation import metrics
from leukmodels.process import tensorflow_runtime
from leukmodels.space.hyperparameters import HyperParams
from leukmodels.training import checkpoint, experiment, scoring
from leukmodels.training.outcome import MODEL_FILE, OUTCOME_FILE, SCORES_FILE, Outcome
from leukmodels.training.training_loop import Budget
from toy_cells import tiny, training_data

tensorflow_runtime.start(threads=1)
pytestmark = pytest.mark.keras

DATA = training_data()
BUDGET = Budget(epochs=3, patience=3, checkpoint_every_s=0)
Finished = tuple[Path, Outcome]


def run(folder: Path, *, hparams: HyperParams | None = None, stop_at: int = 0) -> tuple[Outcome, list[int]]:
    epochs: list[int] = []

    def report(epoch: int, _: dict[str, float]) -> None:
        epochs.append(epoch)
        if epoch == stop_at:
            raise SystemExit

    found = experiment.run(hparams or tiny(), DATA, budget=BUDGET, seed=3, folder=folder, report=report)
    return found, epochs


def without_times(outcome: Outcome) -> dict[str, float]:
    return {name: value for name, value in outcome.metrics.items() if name != "latency_ms"}


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """Return folder and outcome of a finished trial, for reading only."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    outcome, epochs = run(folder)
    assert epochs == [1, 2, 3]
    return folder, outcome


@pytest.fixture
def finished(uninterrupted: Finished, tmp_path: Path) -> Finished:
    """Return folder and outcome of a finished trial, for changing."""
    return shutil.copytree(uninterrupted[0], tmp_path / "finished"), uninterrupted[1]


def test_a_finished_trial_leaves_model_scores_and_outcome_and_no_checkpoint(
    uninterrupted: Finished,
) -> None:
    folder, outcome = uninterrupted
    assert {file.name for file in folder.iterdir()} == {MODEL_FILE, SCORES_FILE, OUTCOME_FILE}
    written = scoring.read_scores(folder / SCORES_FILE)
    found = metrics.score(written["label"].to_numpy(), written["score"].to_numpy()).to_dict()
    assert found == {name: outcome.metrics[name] for name in found}
    model = keras.saving.load_model(folder / MODEL_FILE, safe_mode=True)
    assert model.count_params() == outcome.parameters
    assert not model.compiled  # no optimizer state in the file
    answers = scoring.predict(scoring.scoring(model), DATA.validation.pixels)
    assert answers == pytest.approx(written["score"].to_numpy(), rel=1e-5)


def test_a_finished_trial_is_not_trained_again(finished: Finished) -> None:
    folder, outcome = finished
    assert run(folder) == (outcome, [])


@pytest.mark.parametrize(
    "change", [lambda _: "", lambda text: text[:-20], lambda text: text.replace('"metrics"', '"metric"')]
)
def test_an_outcome_that_cannot_be_read_is_made_anew(change: Callable[[str], str], finished: Finished) -> None:
    folder, outcome = finished
    path = folder / OUTCOME_FILE
    path.write_text(change(path.read_text()))
    again, epochs = run(folder)
    assert epochs == [1, 2, 3]
    assert without_times(again) == pytest.approx(without_times(outcome), rel=1e-5)


def test_the_outcome_vouches_for_model_and_scores(uninterrupted: Finished) -> None:
    folder, outcome = uninterrupted
    assert outcome.sha256 == {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in ("model.keras", "scores.parquet")
    }


@pytest.mark.parametrize("name", [MODEL_FILE, SCORES_FILE])
@pytest.mark.parametrize("content", [None, b"", b"another"])
def test_a_trial_whose_files_are_not_those_that_were_measured_is_trained_again(
    name: str, content: bytes | None, finished: Finished
) -> None:
    folder, outcome = finished
    (folder / name).unlink() if content is None else (folder / name).write_bytes(content)
    again, epochs = run(folder)
    assert epochs == [1, 2, 3]
    assert without_times(again) == pytest.approx(without_times(outcome), rel=1e-5)


def test_an_outcome_of_a_version_that_kept_no_hash_is_taken(finished: Finished) -> None:
    folder, outcome = finished
    said = json.loads((folder / OUTCOME_FILE).read_text())
    del said["outcome"]["sha256"]
    (folder / OUTCOME_FILE).write_text(json.dumps(said))
    again, epochs = run(folder)
    assert (again.metrics, again.sha256, epochs) == (outcome.metrics, {}, [])


def test_the_outcome_of_other_hyperparameters_is_not_taken(finished: Finished) -> None:
    assert run(finished[0], hparams=tiny(learning_rate=1e-4))[1] == [1, 2, 3]


def test_a_stopped_trial_keeps_its_checkpoint_and_ends_like_an_uninterrupted_one(
    uninterrupted: Finished, tmp_path: Path
) -> None:
    whole = uninterrupted[1]
    with pytest.raises(SystemExit):
        run(tmp_path, stop_at=2)
    assert [file.name for file in tmp_path.iterdir()] == [checkpoint.FILE_NAME]
    (tmp_path / f".999-{checkpoint.FILE_NAME}").touch()  # as a process killed while writing leaves it
    resumed, _ = run(tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == {MODEL_FILE, SCORES_FILE, OUTCOME_FILE}
    assert without_times(resumed) == pytest.approx(without_times(whole), rel=1e-5)
    assert (resumed.best_epoch, resumed.epochs, resumed.parameters) == (
        whole.best_epoch,
        whole.epochs,
        whole.parameters,
    )


def test_an_outcome_goes_through_json(uninterrupted: Finished) -> None:
    outcome = uninterrupted[1]
    assert Outcome.from_dict(json.loads(json.dumps(outcome.to_dict()))) == outcome
