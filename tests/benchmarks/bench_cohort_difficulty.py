"""How hard the drawn cohort is: what the default CNN reaches on it with the preset quick's images and epochs.

    python tests/benchmarks/bench_cohort_difficulty.py [--tasks runx1 npm1] [--seeds 0 1]

Each seed draws a cohort, splits its patients and trains once, without Ray. The four trainings take
two minutes on one core. Prints the table and writes it to results/benchmarks/cohort-difficulty.md.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from leukmodels import collections
from leukmodels.collections.tasks import Task, find_task
from leukmodels.dataset.cells import Cells, TrainingData
from leukmodels.dataset.pixels import Blocks
from leukmodels.dataset.split import split_patients
from leukmodels.images.decoding import decode
from leukmodels.process import tensorflow_runtime
from leukmodels.synthetic import draw_cohort
from publishing import publish

IMAGE_PX, EPOCHS = 48, 6


def read_cells(table: pa.Table, image_px: int = IMAGE_PX) -> Cells:
    """Return the images of a task's table, decoded."""
    names, codes = np.unique(np.array(table["patient"].to_pylist()), return_inverse=True)
    paths = table["path"].to_pylist()
    images = np.stack([decode(Path(path).read_bytes(), image_px=image_px, crop_px=None) for path in paths])
    return Cells(
        pixels=Blocks.of(images),
        labels=table["label"].to_numpy().astype(np.uint8),
        patients=codes.astype(np.int32),
        patient_names=tuple(names.tolist()),
        image_ids=np.array(paths),
    )


def measure(task: Task, root: Path, seed: int, folder: Path) -> list[str]:
    """Train the default CNN and return a row of the table for the validation and one for the test patients."""
    from leukmodels.evaluation.metrics import score
    from leukmodels.model.build import build
    from leukmodels.space.hyperparameters import HyperParams
    from leukmodels.training.scoring import predict, scoring
    from leukmodels.training.training_loop import Budget, fit

    listing = collections.read(task.reader, root, task.read_options)
    split = split_patients(listing.cells, seed=seed)
    table = task.select(split.assign(listing.cells))
    part = {name: read_cells(table.filter(pc.equal(table["part"], name))) for name in ("train", "validation", "test")}
    data = TrainingData(
        train=part["train"],
        validation=part["validation"],
        black_background=listing.black_background,
        split_fingerprint=split.fingerprint,
    )
    tensorflow_runtime.seed_everything(seed)
    model = build(HyperParams(), image_px=IMAGE_PX, black_background=listing.black_background)
    budget = Budget(epochs=EPOCHS, patience=EPOCHS)
    fitted = fit(
        model,
        data,
        HyperParams(),
        budget=budget,
        seed=seed,
        folder=folder,
        report=lambda *epoch: print(task.name, epoch),
    )
    rows = []
    for name in ("validation", "test"):
        cells = part[name]
        found = score(cells.labels, predict(scoring(model), cells.pixels))
        disease = cells.labels.mean()
        sizes = f"{len(cells.present_patients)} | {len(cells)}"
        numbers = " | ".join(
            f"{value:.3f}"
            for value in (max(disease, 1 - disease), found.accuracy, found.recall, found.specificity, found.auroc)
        )
        rows.append(f"| {task.name} | {seed} | {name} | {sizes} | {fitted.best_epoch} | {numbers} |")
    return rows


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", nargs="+", default=["runx1", "npm1"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1])
    options = parser.parse_args()
    tensorflow_runtime.start(threads=1)
    rows = []
    with tempfile.TemporaryDirectory() as place:
        for seed in options.seeds:
            root = draw_cohort(Path(place) / f"cohort-{seed}", seed=seed)
            for name in options.tasks:
                rows += measure(find_task(name), root, seed, Path(place) / f"{name}-{seed}")
    lines = [
        "# How hard the drawn cohort is",
        "",
        f"The default CNN on {IMAGE_PX} px, {EPOCHS} epochs, weights of the epoch with the best validation log loss, "
        "threshold 0.5. Each seed draws, splits and trains anew. Majority: the accuracy of always answering the larger "
        "class. No image is of a patient, so nothing here says what a model is worth on leukemia.",
        "",
        "| task | seed | part | patients | cells | epoch | majority | accuracy | recall | specificity | AUROC |",
        "| --- | ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        *rows,
    ]
    publish("cohort-difficulty", lines)


if __name__ == "__main__":
    main()
