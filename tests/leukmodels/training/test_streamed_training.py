"""Training from shards on a disk is training: every image once an epoch, resumable, and as good as from memory."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from leukmodels.dataset.cells import Cells, TrainingData
from leukmodels.model.build import build
from leukmodels.process import tensorflow_runtime
from leukmodels.training import compiled
from leukmodels.training.batching import epoch_order
from leukmodels.training.scoring import predict, scoring
from leukmodels.training.training_loop import Budget, fit
from toy_cells import cells, images_of, stream, tiny, training_data

tensorflow_runtime.start(threads=1)
pytestmark = pytest.mark.keras


def streamed(some: Cells, folder: Path, *, rows_a_shard: int = 8, window_shards: int = 3) -> Cells:
    """Return the same cells in shards, in which they lie in random order."""
    where = np.random.default_rng(0).permutation(len(some))
    shards = stream(folder, images_of(some), rows_a_shard=rows_a_shard, window_shards=window_shards, where=where)
    return replace(some, pixels=shards)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> dict[str, TrainingData]:
    """Return the same data in memory and in shards: 192 training cells in 8 windows, 64 validation cells in 3."""
    folder = tmp_path_factory.mktemp("shards")
    parts = {"train": cells(n=192, prefix="T", seed=1), "validation": cells(n=64, prefix="V", seed=2)}
    shards = {name: streamed(part, folder / name) for name, part in parts.items()}
    return {"memory": training_data(**parts), "shards": training_data(**shards)}


def train(data: TrainingData, folder: Path, *, seed: int = 7, epochs: int = 2, stop_at: int = 0, **choice: Any) -> Any:
    """Return the model and the metrics of its epochs, without times; None if stopped by the report of epoch stop_at."""

    def report(epoch: int, _: Mapping[str, float]) -> None:
        if epoch == stop_at:
            raise SystemExit

    hparams = tiny(**choice)
    tensorflow_runtime.seed_everything(seed)
    model = build(hparams, image_px=8, black_background=False)
    budget = Budget(epochs=epochs, patience=epochs, checkpoint_every_s=0)
    try:
        fitted = fit(model, data, hparams, budget=budget, seed=seed, folder=folder, report=report)
    except SystemExit:
        return None
    return model, [{**numbers, "seconds": 0, "images_per_s": 0, "latency_ms": 0} for numbers in fitted.history]


def test_an_epoch_visits_every_image_once_with_its_own_label(
    both: dict[str, TrainingData], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, seen = both["shards"], []

    def note(images: Any, labels: Any, _: Any) -> Mapping[str, tf.Tensor]:
        seen.extend((image.tobytes(), int(label)) for image, label in zip(images, labels[:, 0], strict=True))
        return {"loss": tf.constant(0.5)}

    monkeypatch.setattr(compiled, "_compiled_step", lambda _: note)
    train(data, tmp_path)
    images = images_of(both["memory"].train)
    wanted = sorted((image.tobytes(), int(label)) for image, label in zip(images, data.train.labels, strict=True))
    assert sorted(seen[:192]) == sorted(seen[192:]) == wanted
    assert seen[:192] != seen[192:]


@pytest.mark.parametrize("class_balance", ["none", "patients"])
def test_the_same_rows_are_visited_wherever_the_pixels_lie(class_balance: str, both: dict[str, TrainingData]) -> None:
    memory, shards = (
        epoch_order(data.train, tiny(class_balance=class_balance), seed=3, epoch=2) for data in both.values()
    )
    assert sorted(memory) == sorted(shards)
    assert (shards == epoch_order(both["shards"].train, tiny(class_balance=class_balance), seed=3, epoch=2)).all()
    assert (shards != epoch_order(both["shards"].train, tiny(class_balance=class_balance), seed=3, epoch=3)).any()


def test_a_stopped_trial_goes_on_to_the_end_of_an_uninterrupted_one(
    both: dict[str, TrainingData], tmp_path: Path
) -> None:
    choice = {"dropout": 0.5, "augmentation": 0.5, "class_balance": "patients"}
    whole, expected = train(both["shards"], tmp_path / "whole", epochs=3, **choice)
    assert train(both["shards"], tmp_path / "halves", epochs=3, stop_at=1, **choice) is None
    resumed, found = train(both["shards"], tmp_path / "halves", epochs=3, **choice)
    for numbers, wanted in zip(found, expected, strict=True):
        assert numbers == pytest.approx(wanted, rel=1e-5)
    for ours, theirs in zip(resumed.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


def test_seed_and_epoch_choose_the_shards_of_a_window(both: dict[str, TrainingData]) -> None:
    def first_window(seed: int, epoch: int) -> frozenset[int]:
        order = epoch_order(both["shards"].train, tiny(class_balance="none"), seed=seed, epoch=epoch)
        return frozenset((both["shards"].train.pixels.where[order[:24]] // 8).tolist())

    windows = {first_window(seed, epoch) for seed in (3, 4) for epoch in (1, 2)}
    assert len(windows) == 4
    assert {len(window) for window in windows} == {3}


def test_scores_do_not_depend_on_where_the_pixels_lie(both: dict[str, TrainingData]) -> None:
    model = build(tiny(), image_px=8, black_background=False)
    memory, shards = (predict(scoring(model), data.validation.pixels, batch_size=10) for data in both.values())
    np.testing.assert_allclose(shards, memory, rtol=1e-5)


def test_what_shards_teach_is_what_memory_teaches(both: dict[str, TrainingData], tmp_path: Path) -> None:
    """The validation log loss, a mean over seeds, differs by less than three of its standard errors (0.06 each)."""

    def log_loss(place: str, seed: int) -> float:
        _, epochs = train(both[place], tmp_path / f"{place}-{seed}", seed=seed, learning_rate=1e-2)
        return epochs[-1]["log_loss"]

    memory, shards = (np.array([log_loss(place, seed) for seed in range(6)]) for place in both)
    error = np.sqrt((memory.var(ddof=1) + shards.var(ddof=1)) / 6)
    assert abs(memory.mean() - shards.mean()) < 3 * error
    assert max(memory.mean(), shards.mean()) < 0.5  # a model that learned nothing has 0.69
