"""What reading costs: an epoch of training through Blocks and Streamed over the same epoch on one array in memory.

    python tests/benchmarks/bench_pipeline.py [--px 64 144] [--images 768 256] [--runs 7]

The default CNN on one thread; a run trains an epoch of each side, in an order that turns from run to run, and what is
compared is of one run. Takes about ten minutes. Prints the table and writes it to results/benchmarks/pipeline.md.
"""

import argparse
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from mmap import mmap
from pathlib import Path

import keras
import numpy as np

from leukmodels.dataset.cells import Cells, TrainingData
from leukmodels.dataset.pixels import Blocks, Images, Pixels, Streamed
from leukmodels.dataset.shards import Shard, write_shard
from leukmodels.evaluation.metrics import score
from leukmodels.model.build import build
from leukmodels.process import tensorflow_runtime
from leukmodels.space.hyperparameters import HyperParams
from leukmodels.training import batch_norm, compiled, training_loop
from publishing import publish

BLOCKS, SHARDS, WINDOW_SHARDS = 7, 24, 4
VALIDATION_SHARE = 0.2
PLAIN, SHARED, STREAMED, AUGMENTED = (
    "one array, indexed",
    f"Blocks: {BLOCKS} blocks of shared memory, rows scattered",
    f"Streamed: {SHARDS} shards, {SHARDS // WINDOW_SHARDS} windows, rows scattered",
    "Blocks, with augmentation of strength 1",
)


@dataclass(frozen=True, kw_only=True)
class Model:
    """A compiled model with what trains it."""

    keras: keras.Model
    hparams: HyperParams
    graphs: compiled.Graphs

    @classmethod
    def of(cls, hparams: HyperParams, image_px: int) -> "Model":
        """Return the model of one configuration, traced."""
        model = build(hparams, image_px=image_px, black_background=False)
        compiled.compile_model(model, hparams, steps=1)
        made = cls(keras=model, hparams=hparams, graphs=compiled.Graphs.of(model))
        images = np.zeros((2 * hparams.batch_size, image_px, image_px, 3), np.uint8)
        through_pipeline(made, as_data(Blocks.of(images), Blocks.of(images)), 0)
        return made


def as_cells(pixels: Pixels, prefix: str) -> Cells:
    """Return cells of four patients with these pixels."""
    patients = (np.arange(len(pixels)) % 4).astype(np.int32)
    return Cells(
        pixels=pixels,
        labels=(patients % 2).astype(np.uint8),
        patients=patients,
        patient_names=tuple(f"{prefix}{number}" for number in range(4)),
        image_ids=np.array(["cell.tif"] * len(pixels)),
    )


def as_data(train: Pixels, validation: Pixels) -> TrainingData:
    """Return data of two parts' pixels."""
    return TrainingData(
        train=as_cells(train, "T"),
        validation=as_cells(validation, "V"),
        black_background=False,
        split_fingerprint="benchmark",
    )


def in_shared_memory(images: Images, rng: np.random.Generator) -> Blocks:
    """Return the images in shared memory, read-only, scattered over uneven blocks."""
    laid = np.frombuffer(mmap(-1, images.nbytes), np.uint8).reshape(images.shape)
    where = rng.permutation(len(images))
    laid[where] = images
    laid.setflags(write=False)
    cuts = np.sort(rng.choice(np.arange(1, len(images)), BLOCKS - 1, replace=False))
    return Blocks(tuple(np.split(laid, cuts)), where)


def in_shards(images: Images, folder: Path, rng: np.random.Generator) -> Streamed:
    """Return the images in shards, scattered over them."""
    where = rng.permutation(len(images))
    laid = np.empty_like(images)
    laid[where] = images
    rows = -(-len(images) // SHARDS)
    paths = tuple(folder / f"{first}.parquet" for first in range(0, len(images), rows))
    for number, path in enumerate(paths):
        some = laid[number * rows : (number + 1) * rows]
        write_shard(path, Shard(contents=["0" * 64] * len(some), images=some))
    return Streamed(paths, rows, where, images.shape[1], WINDOW_SHARDS)


def through_pipeline(model: Model, data: TrainingData, epoch: int) -> None:
    """Train an epoch as a trial does."""
    training_loop.train_epoch(model.keras, model.graphs, data, model.hparams, seed=0, epoch=epoch)


def on_an_array(model: Model, train: Images, validation: Images, data: TrainingData, epoch: int) -> None:
    """Train the same epoch by indexing one array, as one would without a pipeline; labels are those of the data."""
    size = model.hparams.batch_size
    order = np.random.default_rng([0, epoch]).permutation(len(train))
    model.keras.reset_metrics()
    logs = {}
    for first in range(0, len(order), size):
        batch = order[first : first + size]
        labels = data.train.labels[batch]
        logs = model.graphs.step(train[batch], labels.astype(np.float32)[:, None], np.ones(len(batch), np.float32))
    float(logs["loss"])
    settled = order[: batch_norm.SETTLING_IMAGES]
    for count, first in enumerate(range(0, len(settled), size)):
        model.graphs.settling(train[settled[first : first + size]], np.float32(count / (count + 1)))
    scores = [
        model.keras.predict_on_batch(validation[first : first + 64])[:, 0] for first in range(0, len(validation), 64)
    ]
    score(data.validation.labels, np.concatenate(scores))


def assembling(batches: Callable[[], Iterable[Images]]) -> float:
    """Return the seconds that assembling a batch takes, nothing being trained: a median of 9 epochs."""
    times = []
    for _ in range(9):
        start = time.perf_counter()
        count = sum(1 for _ in batches())
        times.append((time.perf_counter() - start) / count)
    return statistics.median(times)


def measure(image_px: int, count: int, runs: int, place: Path) -> list[str]:
    """Return the rows of one image size."""
    rng = np.random.default_rng(0)
    train, validation = (
        rng.integers(0, 256, (n, image_px, image_px, 3), dtype=np.uint8)
        for n in (count, max(8, int(count * VALIDATION_SHARE)))
    )
    hparams = HyperParams()
    model, augmented = Model.of(hparams, image_px), Model.of(replace(hparams, augmentation=1.0), image_px)
    blocks = [in_shared_memory(images, rng) for images in (train, validation)]
    streams = [in_shards(images, place / f"{image_px}-{len(images)}", rng) for images in (train, validation)]
    shared, streamed = as_data(*blocks), as_data(*streams)
    sides: dict[str, Callable[[int], None]] = {
        PLAIN: lambda epoch: on_an_array(model, train, validation, shared, epoch),
        SHARED: lambda epoch: through_pipeline(model, shared, epoch),
        STREAMED: lambda epoch: through_pipeline(model, streamed, epoch),
        AUGMENTED: lambda epoch: through_pipeline(augmented, shared, epoch),
    }
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for run in range(runs):
        turned = [*sides][run % len(sides) :] + [*sides][: run % len(sides)]
        for name in turned:
            start = time.perf_counter()
            sides[name](run + 1)
            seconds[name].append(time.perf_counter() - start)
        print(image_px, "px:", *(f"{seconds[name][-1]:.2f} s" for name in sides), flush=True)
    order, size = streams[0].arrange(rng.permutation(count), rng), hparams.batch_size
    batch = {
        PLAIN: assembling(lambda: (train[order[first : first + size]] for first in range(0, count, size))),
        SHARED: assembling(lambda: blocks[0].batches(order, size)),
        STREAMED: assembling(lambda: streams[0].batches(order, size)),
    }
    step = statistics.median(seconds[PLAIN]) / (count / size)
    return [row(image_px, count, name, seconds, batch.get(name), step) for name in sides]


def row(image_px: int, count: int, name: str, seconds: dict[str, list[float]], batch: float | None, step: float) -> str:
    """Return a side's row of the table; a batch's assembling, in s, is also told as a share of the epoch."""
    ratios = [ours / plain for ours, plain in zip(seconds[name], seconds[PLAIN], strict=True)]
    told = f"{batch * 1e6:.0f} | {batch / step:.2%}" if batch else "|"
    over = f"{statistics.median(ratios):.3f} | {min(ratios):.3f} to {max(ratios):.3f}" if name != PLAIN else "1 |"
    return f"| {image_px} | {count} | {name} | {statistics.median(seconds[name]):.2f} | {over} | {told} |"


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--px", type=int, nargs="+", default=[64, 144])
    parser.add_argument("--images", type=int, nargs="+", default=[768, 256], help="in an epoch, for each of --px")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--dry", action="store_true", help="write no file")
    options = parser.parse_args()
    tensorflow_runtime.start(threads=1)
    tensorflow_runtime.seed_everything(0)
    with tempfile.TemporaryDirectory() as place:
        rows = [
            line
            for image_px, count in zip(options.px, options.images, strict=True)
            for line in measure(image_px, count, options.runs, Path(place))
        ]
    lines = [
        "# What reading costs",
        "",
        f"An epoch of the default CNN (batches of {HyperParams().batch_size}; the settling of batch normalisation and "
        f"{VALIDATION_SHARE:.0%} more images for validation included) on one thread, over the same epoch that indexes "
        f"one array in memory. {options.runs} runs of each side, interleaved; ratios are of one run. Assembling: the "
        "images of one batch alone, nothing being trained, and their share of the epoch. The shards lie in the "
        f"page cache. {len(os.sched_getaffinity(0))} cores, {platform.machine()}, Python {platform.python_version()}, "
        f"NumPy {np.__version__}, Keras {keras.__version__}.",
        "",
        "| px | images | side | epoch, s | over the array: median | lowest to highest | assembling, µs | share |",
        "| ---: | ---: | --- | ---: | ---: | ---: | ---: | ---: |",
        *rows,
    ]
    publish("pipeline", lines, write=not options.dry)


if __name__ == "__main__":
    main()
