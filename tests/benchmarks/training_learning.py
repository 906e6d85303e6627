"""What bench_training.py says besides speed: what is learnt in either arithmetic, and what a graph costs."""

import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from record_curves import CURVES

RATES = ("learning_rate", "class_balance", "batch_size")  # change nothing of a graph
SWITCHES = ("dropout", "l2", "augmentation")  # change a graph where they are 0


def learn(seeds: int, image_px: int, epochs: int) -> list[str]:
    """Return the table of what both arithmetics learn from drawn cells, seed by seed."""
    import pyarrow.compute as pc

    from bench_cohort_difficulty import read_cells
    from leukmodels import collections
    from leukmodels.collections.tasks import find_task
    from leukmodels.dataset.cells import TrainingData
    from leukmodels.dataset.split import split_patients
    from leukmodels.process import tensorflow_runtime
    from leukmodels.space.hyperparameters import HyperParams
    from leukmodels.synthetic import draw_cohort
    from leukmodels.training import experiment, mixed_precision

    tensorflow_runtime.start(threads=1)
    fusible, names = mixed_precision._can_be_fused, ("auroc", "log_loss")
    measured: dict[str, list[list[float]]] = {"float32": [], "bfloat16": []}
    with tempfile.TemporaryDirectory() as place:
        root = draw_cohort(Path(place) / "cohort")
        task = find_task("runx1")
        listing = collections.read(task.reader, root, task.read_options)
        split = split_patients(listing.cells, seed=0)
        table = task.select(split.assign(listing.cells))
        train, validation = (
            read_cells(table.filter(pc.equal(table["part"], part)), image_px) for part in ("train", "validation")
        )
        data = TrainingData(
            train=train,
            validation=validation,
            black_background=listing.black_background,
            split_fingerprint=split.fingerprint,
        )
        for seed in range(seeds):
            for precision, kept in measured.items():
                # On the one side what Keras computes by itself, on the other all that is done here.
                mixed_precision._can_be_fused = fusible if precision == "bfloat16" else lambda _: False  # type: ignore[assignment]
                outcome = experiment.run(
                    HyperParams(learning_rate=3e-4),
                    data,
                    budget=experiment.Budget(epochs=epochs, patience=epochs),
                    seed=seed,
                    folder=Path(place) / f"{precision}-{seed}",
                    report=lambda *_: None,
                    precision=precision,  # type: ignore[arg-type]
                )
                kept.append([outcome.metrics[name] for name in names])
                print(precision, seed, kept[-1], flush=True)
    mixed_precision._can_be_fused = fusible
    lines = []
    for column, name in enumerate(("AUROC", "log loss")):
        exact, rounded = (np.array(kept)[:, column] for kept in measured.values())
        told = [f"{values.mean():.4f} ± {values.std(ddof=1):.4f}" for values in (exact, rounded)]
        apart = rounded - exact
        error = apart.std(ddof=1) / np.sqrt(len(apart))
        lines.append(f"| {name} | {told[0]} | {told[1]} | {apart.mean():+.4f} ± {error:.4f} |")
    return lines


def tracing(image_px: int) -> tuple[list[float], float]:
    """Return the seconds of one trial after another of one shape, to the end of its first step, and those of a step."""
    import keras

    from leukmodels.model.build import build
    from leukmodels.process import tensorflow_runtime
    from leukmodels.space.hyperparameters import HyperParams
    from leukmodels.training import compiled as graphs

    hparams, made = HyperParams(), []
    images = np.zeros((hparams.batch_size, image_px, image_px, 3), np.uint8)
    batch = images, np.zeros((len(images), 1), np.float32), np.ones(len(images), np.float32)
    tensorflow_runtime.seed_everything(0)
    for _ in range(4):
        start = time.process_time()
        model = build(hparams, image_px=image_px, black_background=False)
        graphs.compile_model(model, hparams, steps=1)
        compiled = graphs.Graphs.of(model, "bfloat16")
        compiled.step(*batch)
        compiled.scoring(images)
        made.append(time.process_time() - start)
        start = time.process_time()
        float(compiled.step(*batch)["loss"])
        step = time.process_time() - start
        keras.utils.clear_session()
    return made, step


def shapes() -> tuple[int, int]:
    """Return how many random configurations were recorded, and how many graphs they need."""
    params = pq.read_table(CURVES).to_pandas().drop_duplicates("trial").set_index("trial")
    from leukmodels.space.presets import space

    names = [name for name in space("small").dimensions if name not in RATES]
    graphs = {
        tuple(bool(row[name]) if name in SWITCHES else row[name] for name in names)
        for row in params[names].to_dict("records")
    }
    return len(params), len(graphs)
