"""What the list of disputed cells is worth on the drawn cohort, where the truth of each cell is known.

    PYTHONPATH=. python tests/benchmarks/bench_curate.py [--seeds 6] [--workers 2]

Each seed draws a cohort, splits its patients, ranks the training cells as python -m search.curate does, and trains
the default CNN on all training cells, without those listed, without as many drawn at random, and without every cell
whose label is wrong; in another order for each seed and training. About 20 minutes on two cores. Prints the tables and
writes them to results/benchmarks/curate.md.
"""

import argparse
import csv
import functools
import math
import multiprocessing
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from bench_cohort_difficulty import EPOCHS, IMAGE_PX, read_cells
from cluster.session import open_session
from leukmodels import collections
from leukmodels.collections.source import open_source
from leukmodels.collections.tasks import Task, find_task
from leukmodels.dataset.cells import Cells
from leukmodels.label_issues.ranking import Ranking, rank
from leukmodels.label_issues.training_cells import TrainingCells
from leukmodels.process import tensorflow_runtime
from leukmodels.synthetic import draw_cohort
from publishing import publish
from search.cache.store import PixelCache
from search.curate.__main__ import training_cells
from search.study.config import SearchConfig

TOPS = (0.05, 0.1, 0.2)
SPECIFICITY = 0.9
PARTS = ("validation", "test")
ALL, LISTED, DRAWN, WRONG = "all cells", "without those listed", "without as many, drawn", "without every wrong label"

Truth = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Found:
    """What one seed gave.

    wrong      share of the leukemic patients' training cells that are no blasts
    right      of the top of the ranking of these cells, the share that are none, by TOPS
    listed     cells on the list; those of them that are no blasts; control cells on a list of both sides
    measured   (arm, part, by what) -> recall at SPECIFICITY, mean over the trainings
    """

    wrong: float
    right: tuple[float, ...]
    listed: tuple[int, int, int]
    measured: Mapping[tuple[str, str, str], float]


def measure(seed: int, *, options: argparse.Namespace) -> Found:
    """Draw, rank, train and evaluate."""
    tensorflow_runtime.start(threads=1)
    from leukmodels.label_issues.out_of_fold import CrossValidation, predict_out_of_fold
    from leukmodels.space.hyperparameters import HyperParams

    task = find_task(options.task)
    with tempfile.TemporaryDirectory() as folder:
        classes = (*task.disease, *task.control)
        root = draw_cohort(
            Path(folder) / "cohort", seed=seed, cells_per_patient=options.cells_per_patient, classes=classes, workers=1
        )
        truth = blasts(root)
        config = SearchConfig(task=task.name, data=root, image_px=IMAGE_PX, split_seed=seed, max_bad=0)
        with open_session(dashboard=False):
            training = training_cells(open_source(root), task, config, PixelCache(Path(folder) / "cache"))
        validation = CrossValidation(
            hparams=HyperParams(),
            folds=5,
            repeats=options.repeats,
            epochs=options.epochs,
            seed=seed,
            precision="float32",
        )
        predicted = predict_out_of_fold(training, validation, progress=lambda *_: None)
        ranking = rank(training.cells.labels, predicted.probabilities.mean(axis=0))
        is_blast = np.array([truth[name] for name in training.cells.image_ids.tolist()])
        at_most = math.ceil(options.share * len(training.cells))
        listed = ranking.listed(training.cells.labels == 1, at_most=at_most)
        parts = evaluated(root, task, training, truth)
        measured = trained(training, listed, is_blast, parts, seed=seed, options=options)
    leukemic = training.cells.labels == 1
    both = ranking.listed(np.full(len(leukemic), True), at_most=at_most)
    return Found(
        wrong=float(1 - is_blast[leukemic].mean()),
        right=precisions(ranking, leukemic, is_blast),
        listed=(len(listed), int((~is_blast[listed]).sum()), int((~leukemic[both]).sum())),
        measured=measured,
    )


def blasts(root: Path) -> dict[str, bool]:
    """Return whether each image of a drawn cohort shows a blast, by its path below the root."""
    with (root / "truth.csv").open(encoding="utf-8", newline="") as file:
        return {row["path"]: row["is_blast"] == "1" for row in csv.DictReader(file)}


def evaluated(
    root: Path, task: Task, training: TrainingCells, truth: Mapping[str, bool]
) -> dict[str, tuple[Cells, Truth]]:
    """Return the cells of the other parts, and which of them are blasts."""
    listing = collections.read(task.reader, root, task.read_options)
    table = task.select(training.split.assign(listing.cells))
    parts = {}
    for part in PARTS:
        cells = read_cells(table.filter(pc.equal(table["part"], part)))
        names = [Path(name).relative_to(root).as_posix() for name in cells.image_ids.tolist()]
        parts[part] = (cells, np.array([truth[name] for name in names]))
    return parts


def precisions(ranking: Ranking, leukemic: Truth, is_blast: Truth) -> tuple[float, ...]:
    """Return the share of cells that are no blasts in the top of the ranking of leukemic patients' cells, by TOPS."""
    order = ranking.order[leukemic[ranking.order]]
    return tuple(float((~is_blast[order[: max(1, round(top * len(order)))]]).mean()) for top in TOPS)


def trained(
    training: TrainingCells,
    listed: npt.NDArray[np.int64],
    is_blast: Truth,
    parts: Mapping[str, tuple[Cells, Truth]],
    *,
    seed: int,
    options: argparse.Namespace,
) -> dict[tuple[str, str, str], float]:
    """Train with and without lists; return the mean recalls over the trainings."""
    rng = np.random.default_rng([seed, 7])
    labels = training.cells.labels
    drawn = np.concatenate(
        [
            rng.choice(np.flatnonzero(labels == label), int((labels[listed] == label).sum()), replace=False)
            for label in (0, 1)
        ]
    )
    left_out = {
        ALL: np.empty(0, dtype=np.int64),
        LISTED: listed,
        DRAWN: drawn,
        WRONG: np.flatnonzero((labels == 1) & ~is_blast),
    }
    every: dict[tuple[str, str, str], list[float]] = {}
    for training in range(options.trainings):
        for arm in np.roll(list(left_out), seed + training).tolist():
            rows = np.setdiff1d(np.arange(len(labels)), left_out[arm])
            scores = train(training, rows, parts, seed=1000 * seed + training, epochs=options.epochs)
            for part, (cells, truth) in parts.items():
                for by, positive in (("patients' labels", cells.labels == 1), ("truth", truth)):
                    every.setdefault((arm, part, by), []).append(recall(scores[part], positive))
    return {key: float(np.mean(values)) for key, values in every.items()}


def train(
    training: TrainingCells,
    rows: npt.NDArray[np.int64],
    parts: Mapping[str, tuple[Cells, Truth]],
    *,
    seed: int,
    epochs: int,
) -> dict[str, npt.NDArray[np.float64]]:
    """Train the default CNN on some rows, the epoch chosen on the validation cells; return the scores of the parts."""
    import keras

    from leukmodels.dataset.cells import TrainingData
    from leukmodels.model.build import build
    from leukmodels.space.hyperparameters import HyperParams
    from leukmodels.training.scoring import predict, scoring
    from leukmodels.training.training_loop import Budget, fit

    data = TrainingData(
        train=training.cells.take(rows),
        validation=parts["validation"][0],
        black_background=training.black_background,
        split_fingerprint=training.split.fingerprint,
    )
    tensorflow_runtime.seed_everything(seed)
    try:
        model = build(HyperParams(), image_px=IMAGE_PX, black_background=training.black_background)
        budget = Budget(epochs=epochs, patience=epochs, checkpoint_every_s=math.inf)
        with tempfile.TemporaryDirectory() as folder:
            fit(model, data, HyperParams(), budget=budget, seed=seed, folder=Path(folder), report=lambda *_: None)
        score = scoring(model)
        return {part: predict(score, cells.pixels) for part, (cells, _) in parts.items()}
    finally:
        keras.utils.clear_session()


def recall(scores: npt.NDArray[np.float64], positive: Truth) -> float:
    """Return the share of positives above the threshold that SPECIFICITY of the others stay below."""
    return float((scores[positive] > np.quantile(scores[~positive], SPECIFICITY)).mean())


def spread(values: Sequence[float], form: str = ".2f") -> str:
    """Return the median and the range."""
    return f"{np.median(values):{form}} ({min(values):{form}} to {max(values):{form}})"


def report(found: Sequence[Found], options: argparse.Namespace) -> list[str]:
    """Return the result as lines of Markdown."""
    total, wrong, controls = (np.array([one.listed for one in found]).T).tolist()
    lines = [
        "# What the list of disputed cells is worth",
        "",
        f"Task {options.task}, drawn cohorts of {options.cells_per_patient} cells a patient, {len(found)} seeds, each "
        f"with a cohort, a split and models of its own. The default CNN, {IMAGE_PX} px, {options.epochs} epochs; 5 "
        f"folds, {options.repeats} times over. Medians, and lowest and highest, over the seeds. No image is of a "
        "patient, so nothing here says what curation is worth on leukemia.",
        "",
        "Of the training cells of patients with leukemia those that are no blasts bear a wrong label. Of the cells "
        "that the ranking puts first, so many do:",
        "",
        "| of the ranking | wrong labels | by chance | gain | above chance in |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for place, top in enumerate(TOPS):
        gains = [one.right[place] - one.wrong for one in found]
        columns = [spread([one.right[place] for one in found]), spread([one.wrong for one in found])]
        above = f"{sum(gain > 0 for gain in gains)} of {len(gains)}"
        lines.append(f"| first {top:.0%} | {' | '.join(columns)} | {spread(gains, '+.2f')} | {above} |")
    lines += [
        "",
        f"The list (--share {options.share:g}) holds {spread(total, '.0f')} cells, of which {spread(wrong, '.0f')} "
        f"bear a wrong label. One of both sides (--sides both) holds {spread(controls, '.0f')} cells of control "
        "patients, whose labels are all right.",
        "",
        f"Recall at a specificity of {SPECIFICITY:g}, the threshold taken from the same cells; epochs are chosen on "
        f"validation. Mean of {options.trainings} trainings a seed; gains are over all cells, seed by seed:",
        "",
        "| patients | recall of | trained on | recall | gain | better, worse |",
        "| --- | --- | --- | ---: | ---: | ---: |",
    ]
    for part in PARTS:
        for by in ("patients' labels", "truth"):
            for arm in (ALL, LISTED, DRAWN, WRONG):
                values = [one.measured[arm, part, by] for one in found]
                gains = [value - one.measured[ALL, part, by] for value, one in zip(values, found, strict=True)]
                told = [spread(gains, "+.3f"), f"{sum(g > 0 for g in gains)}, {sum(g < 0 for g in gains)}"]
                told = ["", ""] if arm == ALL else told
                lines.append(f"| {part} | {by} | {arm} | {spread(values, '.3f')} | {' | '.join(told)} |")
    return lines


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--task", default="runx1")
    parser.add_argument("--cells-per-patient", type=int, default=16)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--trainings", type=int, default=2)
    parser.add_argument("--share", type=float, default=0.1)
    parser.add_argument("--no-write", action="store_true", help="print only")
    options = parser.parse_args()
    found = []
    with multiprocessing.get_context("spawn").Pool(options.workers, maxtasksperchild=1) as pool:
        for one in pool.imap(functools.partial(measure, options=options), range(options.seeds), chunksize=1):
            found.append(one)
            print(f"{len(found)} of {options.seeds} seeds: listed {one.listed}, top {one.right}", flush=True)
    publish("curate", report(found, options), write=not options.no_write)


if __name__ == "__main__":
    main()
