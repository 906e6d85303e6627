"""The trials that bench_parallel times: a fixed list of configurations, drawn images, and a plain way to train one.

Every system trains this list on these arrays, for the same number of epochs and with the same steps. Which
configuration a system's sampler asks for is ignored: its i-th suggestion is the i-th of the list.
"""

import csv
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from leukmodels.dataset.cells import Cells, TrainingData
from leukmodels.dataset.pixels import Blocks
from leukmodels.space import presets
from leukmodels.space.dimensions import Choice, Dimension, Float, Int, Value
from leukmodels.space.hyperparameters import HyperParams
from search.study.dominance import pareto_mask

IMAGE_PX = 48
OBJECTIVES = ("recall", "accuracy")
# Seeds of lists that two workers, taking them in order, end at nearly the same time: with most others the rest of the
# last trial hides what the systems themselves cost (bench_parallel says what these allow, see best_possible).
SEEDS = {12: 52, 24: 16}
# Small models, so that a trial takes seconds, and step sizes at which none diverges.
SMALLER: Mapping[str, Dimension] = {
    "blocks": Int(low=2, high=4),
    "filters": Int(low=8, high=32, step=8),
    "kernel": Choice(options=(3,)),
    "learning_rate": Float(low=1e-4, high=1e-3, log=True),
}

Report = Callable[[int, Mapping[str, float]], None]


@dataclass(frozen=True, kw_only=True)
class Load:
    """Some trials for one system: how many of how many epochs, where the arrays lie, and where its times are kept."""

    trials: int
    epochs: int
    arrays: Path
    folder: Path

    @property
    def hparams(self) -> list[HyperParams]:
        """The configurations, the same every time."""
        rng = np.random.default_rng(SEEDS.get(self.trials, 0))
        dimensions = {**presets.space("small").dimensions, **SMALLER}
        return [
            HyperParams(**{name: _drawn(dimension, rng) for name, dimension in dimensions.items()})
            for _ in range(self.trials)
        ]

    def data(self, split_fingerprint: str = "drawn") -> TrainingData:
        """Return the arrays as training and validation cells."""
        return TrainingData(
            train=_cells(self.arrays / "train.npy", "T"),
            validation=_cells(self.arrays / "validation.npy", "V"),
            black_background=False,
            split_fingerprint=split_fingerprint,
        )

    @contextmanager
    def timed(self, number: int) -> Iterator[None]:
        """Keep when a trial began and ended; one that fails is not kept."""
        begin = time.monotonic()
        yield
        with (self.folder / "trials.jsonl").open("a") as file:
            file.write(json.dumps({"number": number, "begin": begin, "end": time.monotonic()}) + "\n")

    def mark(self, moment: str, *, ago_s: float = 0.0) -> None:
        """Keep when this moment was: ``search`` as the search is called, ``front`` when its front is on disk."""
        (self.folder / moment).write_text(str(time.monotonic() - ago_s))

    def write_front(self, rows: Sequence[Sequence[float]]) -> None:
        """Write the front of (recall, accuracy) of all trials, which ends what is timed."""
        points = np.array(rows, dtype=np.float64).reshape(-1, len(OBJECTIVES))
        with (self.folder / "front.csv").open("w", newline="") as file:
            csv.writer(file).writerows([OBJECTIVES, *points[pareto_mask(-points)].tolist()])
        self.mark("front")


def write_arrays(place: Path, images: int) -> Path:
    """Write training images and a third as many for validation, leukemic ones redder, and return the new folder."""
    rng = np.random.default_rng(0)
    folder = place / f"{images}-images"
    folder.mkdir()
    for part, count in (("train", images), ("validation", images // 3)):
        drawn = rng.integers(0, 200, (count, IMAGE_PX, IMAGE_PX, 3), dtype=np.uint8)
        drawn[1::2, ..., 0] += 4
        np.save(folder / f"{part}.npy", drawn)
    return folder


def train(load: Load, number: int, data: TrainingData, report: Report | None = None) -> dict[str, float]:
    """Train one configuration without checkpoints or files, and return the validation metrics of its last epoch.

    Its time counts from when everything is imported. ``report`` is called after each epoch.
    """
    import keras

    from leukmodels.model.build import build
    from leukmodels.process import tensorflow_runtime
    from leukmodels.training import compiled as graphs
    from leukmodels.training import training_loop

    hparams = load.hparams[number]
    with load.timed(number):
        tensorflow_runtime.seed_everything(number)
        model = build(hparams, image_px=IMAGE_PX, black_background=False)
        graphs.compile_model(model, hparams, steps=1)
        # The steps of training.fit, which would also write checkpoints.
        compiled = graphs.Graphs.of(model)
        numbers: dict[str, float] = {}
        for epoch in range(1, load.epochs + 1):
            numbers, _ = training_loop.train_epoch(model, compiled, data, hparams, seed=number, epoch=epoch)
            if report:
                report(epoch, numbers)
        keras.utils.clear_session()
    return numbers


def one_thread_and_warm(load: Load, data: TrainingData) -> None:
    """Give TensorFlow one thread, and train and validate on a few images, so that what it does only once is done."""
    from leukmodels.process import tensorflow_runtime

    assert tensorflow_runtime.start(threads=1), "TensorFlow was started already"
    from leukmodels.model.build import build
    from leukmodels.training import compiled as graphs

    hparams = HyperParams(filters=8, blocks=2)
    model = build(hparams, image_px=IMAGE_PX, black_background=False)
    graphs.compile_model(model, hparams, steps=1)
    images, labels = next(data.train.pixels.batches(np.arange(32), 32)), data.train.labels[:32].astype(np.float32)
    compiled = graphs.Graphs.of(model)
    compiled.step(images, labels[:, None], np.ones(32, np.float32))
    compiled.scoring(images)


def probed(load: Load, data: TrainingData) -> dict[str, float]:
    """Return the seconds that a trial on these arrays takes on one thread, and those of its last epoch: the means."""
    last: list[float] = []
    start = time.monotonic()
    for number in range(load.trials):
        train(load, number, data, lambda epoch, numbers: last.append(numbers["seconds"]))
    trial_s = (time.monotonic() - start) / load.trials
    return {"trial_s": trial_s, "epoch_s": float(np.mean(last[load.epochs - 1 :: load.epochs]))}


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0))


def _cells(path: Path, prefix: str) -> Cells:
    images = np.load(path)
    index = np.arange(len(images))
    return Cells(
        pixels=Blocks.of(images),
        labels=(index % 2).astype(np.uint8),
        patients=(index % 10).astype(np.int32),
        patient_names=tuple(f"{prefix}{number}" for number in range(10)),
        image_ids=np.array([f"{prefix}{number % 10}/{number}.png" for number in index]),
    )


def _drawn(dimension: Dimension, rng: np.random.Generator) -> Value:
    match dimension:
        case Choice(options=options):
            return options[rng.integers(len(options))]
        case Int(low=low, high=high, step=step):
            return int(low + step * rng.integers((high - low) // step + 1))
        case Float(low=low, high=high, log=True):
            return float(np.exp(rng.uniform(np.log(low), np.log(high))))
        case Float(low=low, high=high):
            return float(rng.uniform(low, high))
