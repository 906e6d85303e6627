import json
import math
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from leukmodels.dataset.cells import TrainingData
from leukmodels.errors import TrainingDivergedError
from leukmodels.evaluation import metrics
from leukmodels.model.build import build
from leukmodels.process import tensorflow_runtime
from leukmodels.space.hyperparameters import HyperParams
from leukmodels.training import checkpoint, compiled, training_loop
from leukmodels.training.scoring import predict, scoring
from leukmodels.training.training_loop import Budget, Fitted, fit
from toy_cells import cells, tiny, training_data

tensorflow_runtime.start(threads=1)
pytestmark = pytest.mark.keras

DATA = training_data()
Epochs = list[tuple[int, dict[str, float]]]
Trained = tuple[keras.Model, Fitted | None, Epochs]


def train(
    folder: Path,
    hparams: HyperParams,
    *,
    data: TrainingData = DATA,
    epochs: int = 3,
    seed: int = 7,
    stop_at: int = 0,
) -> Trained:
    """Return model, what fit returned (None if stopped by the report of epoch stop_at) and the reported epochs."""
    reported: Epochs = []

    def report(epoch: int, numbers: dict[str, float]) -> None:
        assert checkpoint.load(folder / checkpoint.FILE_NAME).history[epoch - 1] == numbers  # type: ignore[union-attr]
        reported.append((epoch, numbers))
        if epoch == stop_at:
            raise SystemExit

    tensorflow_runtime.seed_everything(seed)
    model = build(hparams, image_px=8, black_background=False)
    budget = Budget(epochs=epochs, patience=epochs, checkpoint_every_s=0)
    try:
        fitted = fit(model, data, hparams, budget=budget, seed=seed, folder=folder, report=report)
    except SystemExit:
        return model, None, reported
    return model, fitted, reported


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Return a training of three epochs that nothing interrupted."""
    return train(tmp_path_factory.mktemp("whole"), tiny())


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Trained]:
    """Return a training of two epochs and its folder, for reading only."""
    folder = tmp_path_factory.mktemp("two")
    return folder, train(folder, tiny(), epochs=2)


@pytest.fixture
def folder(two: tuple[Path, Trained], tmp_path: Path) -> Path:
    """Return a copy of that folder, to go on with."""
    return shutil.copytree(two[0], tmp_path / "two")


def without_times(history: Epochs) -> list[Any]:
    return [
        (epoch, {k: v for k, v in n.items() if k not in ("seconds", "images_per_s", "latency_ms")})
        for epoch, n in history
    ]


def test_every_epoch_is_reported_with_all_numbers_after_its_checkpoint(whole: Trained) -> None:
    _, fitted, reported = whole
    assert fitted is not None
    assert [epoch for epoch, _ in reported] == [1, 2, 3]
    measured = {
        "recall_low",
        "specificity_low",
        "latency_ms",
        "parameters",
        "loss",
        "seconds",
        "images_per_s",
    }
    names = measured | {*metrics.Metrics.__dataclass_fields__}
    assert all(set(numbers) == names and all(map(math.isfinite, numbers.values())) for _, numbers in reported)
    assert [*fitted.history] == [numbers for _, numbers in reported]
    assert fitted.seconds == pytest.approx(sum(numbers["seconds"] for _, numbers in reported))


@pytest.mark.parametrize(
    "choice",
    [
        {"optimizer": "adam", "learning_rate": 1e-2},
        {"optimizer": "adamw", "l2": 1e-2, "learning_rate": 1e-2},
        {"optimizer": "sgd", "class_balance": "weights", "learning_rate": 1e-2},
        {"optimizer": "rmsprop", "class_balance": "patients", "normalisation": "none"},
    ],
)
def test_training_learns(choice: dict[str, Any], tmp_path: Path) -> None:
    _, _, reported = train(tmp_path, tiny(**choice), epochs=6)
    losses = [numbers["loss"] for _, numbers in reported]
    assert losses[-1] < losses[0]


def check_goes_on(folder: Path, whole: Trained, **choice: Any) -> None:
    """Check that a trial that is stopped goes on to the end of the ``whole`` one."""
    _, stopped, _ = train(folder, tiny(**choice), stop_at=1)
    resumed, _, after = train(folder, tiny(**choice))
    assert stopped is None
    for (epoch, numbers), (wanted_epoch, wanted) in zip(without_times(after), without_times(whole[2]), strict=True):
        assert epoch == wanted_epoch
        assert numbers == pytest.approx(wanted, rel=1e-5)
    for ours, theirs in zip(resumed.get_weights(), whole[0].get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


def test_a_stopped_trial_goes_on_to_the_end_of_an_uninterrupted_one(whole: Trained, tmp_path: Path) -> None:
    check_goes_on(tmp_path, whole)


def test_a_stopped_trial_goes_on_whatever_is_drawn(tmp_path: Path) -> None:
    choice = {"dropout": 0.5, "augmentation": 0.5, "class_balance": "patients"}
    check_goes_on(tmp_path / "halves", train(tmp_path / "whole", tiny(**choice)), **choice)


def test_a_state_that_is_not_due_is_not_written(tmp_path: Path) -> None:
    def report(epoch: int, numbers: dict[str, float]) -> None:
        assert not [*tmp_path.iterdir()]

    model = build(tiny(), image_px=8, black_background=False)
    budget = Budget(epochs=2, patience=2, checkpoint_every_s=3600)
    assert len(fit(model, DATA, tiny(), budget=budget, seed=7, folder=tmp_path, report=report).history) == 2


def test_epochs_of_the_checkpoint_are_reported_again(two: tuple[Path, Trained], folder: Path) -> None:
    assert train(folder, tiny(), epochs=2)[2] == two[1][2]


@pytest.mark.parametrize("stop_at", [1, 2, 3])
def test_the_best_weights_are_stored_only_where_the_last_ones_are_not_they(
    stop_at: int, two: tuple[Path, Trained], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    best, fitted, _ = two[1]
    assert fitted is not None
    assert fitted.best_epoch == 2
    monkeypatch.setattr(Fitted, "best_epoch", property(lambda fitted: min(2, len(fitted.history))))
    train(tmp_path, tiny(), epochs=4, stop_at=stop_at)
    stored = checkpoint.load(tmp_path / checkpoint.FILE_NAME)
    assert bool(stored.best) is (stop_at == 3)  # type: ignore[union-attr]
    found, _, _ = train(tmp_path, tiny(), epochs=4)
    for ours, theirs in zip(found.get_weights(), best.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


def damage(path: Path, change: Callable[[bytearray], bytearray]) -> None:
    path.write_bytes(change(bytearray(path.read_bytes())))


def flip_bits(content: bytearray) -> bytearray:
    """Flip bits of a stretch longer than what lies between two arrays, where one bit may mean nothing."""
    middle = len(content) // 2
    content[middle : middle + 256] = bytes(byte ^ 1 for byte in content[middle : middle + 256])
    return content


@pytest.mark.fault(
    "files", "a checkpoint is cut short, emptied, another file or has flipped bits", "the trial starts from scratch"
)
@pytest.mark.parametrize(
    "change",
    [lambda content: content[: len(content) // 2], lambda _: bytearray(), lambda _: bytearray(b"x"), flip_bits],
)
def test_a_damaged_checkpoint_is_none(change: Callable[[bytearray], bytearray], folder: Path) -> None:
    assert checkpoint.load(folder / checkpoint.FILE_NAME) is not None
    damage(folder / checkpoint.FILE_NAME, change)
    assert checkpoint.load(folder / checkpoint.FILE_NAME) is None


@pytest.mark.fault(
    "files", "a checkpoint has flipped bits when its trial goes on", "the trial starts from scratch and ends the same"
)
def test_an_unreadable_checkpoint_starts_the_trial_from_scratch(two: tuple[Path, Trained], folder: Path) -> None:
    damage(folder / checkpoint.FILE_NAME, flip_bits)
    _, _, again = train(folder, tiny(), stop_at=1)
    assert again[0][1]["loss"] == pytest.approx(two[1][2][0][1]["loss"], rel=1e-5)
    assert len(checkpoint.load(folder / checkpoint.FILE_NAME).history) == 1  # type: ignore[union-attr]


def test_the_checkpoint_of_another_trial_is_not_taken(folder: Path) -> None:
    assert len(train(folder, tiny(learning_rate=1e-4), epochs=1)[2]) == 1
    assert len(checkpoint.load(folder / checkpoint.FILE_NAME).history) == 1  # type: ignore[union-attr]


def test_a_checkpoint_of_another_model_changes_nothing(two: tuple[Path, Trained]) -> None:
    other = build(tiny(dense_units=17), image_px=8, black_background=False)
    compiled.compile_model(other, tiny(dense_units=17), steps=1)
    before = other.get_weights()
    assert not checkpoint.restore(other, checkpoint.load(two[0] / checkpoint.FILE_NAME))  # type: ignore[arg-type]
    assert all((a == b).all() for a, b in zip(before, other.get_weights(), strict=True))


def test_the_model_is_left_with_the_weights_of_its_best_epoch(tmp_path: Path) -> None:
    model, fitted, reported = train(tmp_path, tiny(learning_rate=1e-2, normalisation="none"), epochs=6)
    assert fitted is not None
    found = metrics.score(DATA.validation.labels, predict(scoring(model), DATA.validation.pixels))
    assert found.log_loss == min(numbers["log_loss"] for _, numbers in reported)
    assert reported[fitted.best_epoch - 1][1]["log_loss"] == found.log_loss


@pytest.mark.parametrize(
    ("losses", "patience", "over"),
    [
        ([], 1, False),
        ([3, 2], 1, False),
        ([2, 3], 1, True),
        ([2, 3, 3], 3, False),
        ([2, 2], 1, True),
        ([3, 2, 1, 0], 9, True),
    ],
)
def test_patience_counts_epochs_since_the_best_log_loss(losses: list[float], patience: int, over: bool) -> None:
    fitted = Fitted(history=tuple({"log_loss": loss} for loss in losses), scores=np.empty(0))
    assert fitted.is_over(Budget(epochs=4, patience=patience)) is over


@pytest.mark.parametrize("spoil", ["weights", "scores"])
def test_numbers_that_are_none_raise(spoil: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if spoil == "weights":
        monkeypatch.setattr(training_loop, "_class_weights", lambda *_: np.array([np.nan, np.nan], np.float32))
    else:
        monkeypatch.setattr(training_loop, "predict", lambda *_: np.full(len(DATA.validation), np.nan))
    with pytest.raises(TrainingDivergedError, match=r"diverged in epoch 1: .*learning_rate 0\.001, optimizer adam"):
        train(tmp_path, tiny())
    assert list(tmp_path.iterdir()) == []


def test_a_budget_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="budget of 0 epochs"):
        Budget(epochs=0, patience=1)


def test_class_weights_give_both_classes_the_same_sum() -> None:
    labels = np.array([0, 0, 0, 1], np.uint8)
    weights = training_loop._class_weights(labels, "weights")
    assert weights[labels].sum() == pytest.approx(4)
    assert weights[1] == pytest.approx(3 * weights[0])


@pytest.mark.parametrize(("n", "looks"), [(40, [16, 16]), (12, [12]), (600, [16] * 16)])
def test_settling_looks_at_the_last_full_batches_of_an_epoch(
    n: int, looks: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained, settled = [], []
    monkeypatch.setattr(compiled, "_compiled_step", lambda _: lambda *batch: trained.append(batch[0]) or {"loss": 0.5})
    monkeypatch.setattr(compiled, "compiled_settling", lambda _: lambda images, share: settled.append(images))
    train(tmp_path, tiny(), epochs=1, data=training_data(train=cells(n=n, prefix="T")))
    assert [len(images) for images in settled] == looks
    full = [images for images in trained if len(images) == looks[0]]
    assert all((a == b).all() for a, b in zip(settled, full[-len(looks) :], strict=True))


def test_the_identity_of_a_trial_survives_json() -> None:
    trial: Mapping[str, Any] = training_loop.trial_identity(tiny(), DATA, 3)
    assert json.loads(json.dumps(trial)) == trial
