"""What each family of hyperparameters adds to the published CNN, at equal epochs: searched alone, beside luck.

    PYTHONPATH=.:tests/support python tests/benchmarks/bench_families.py [--seeds 1 3] [--trials 12] [--epochs 8]

Every search is `python -m search.run` with a space of its own (--space FILE), nobody stopped, so that all train the
same number of epochs; the first trial is the published CNN. "Luck" trains that CNN again and again with other seeds: a
family that adds less adds nothing. The full space is also searched as by default, bad trials stopped, with as many more
trials as those epochs allow. Writes results/benchmarks/families.md.
"""

import argparse
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import numpy as np

from leukmodels.evaluation.curves import curve_of
from leukmodels.evaluation.operating import operating_front
from leukmodels.evaluation.scored import Scored
from leukmodels.space.dimensions import Choice
from leukmodels.space.hyperparameters import allowed
from leukmodels.synthetic import draw_cohort
from leukmodels.training.scoring import read_scores
from publishing import publish
from search.study.dominance import hypervolume
from search.study.folder import StudyFolder
from search.study.front import complete, pareto_front
from search.study.objectives import Objectives
from search.study.records import StudyRecord, TrialRecord
from searching import search

OBJECTIVES = Objectives(min_specificity=0.5)
CELLS = 32
LUCK = "luck: the published CNN, other seeds"
TRANSFER = "transfer from pml_rara"
STOPPED = "the space full, bad trials stopped"
_FAMILIES: Mapping[str, tuple[str, ...]] = {
    LUCK: (),
    "width and depth": ("blocks", "filters", "widen", "kernel", "dense_units"),
    "activation": ("activation",),
    "pooling and head": ("pooling", "head"),
    "normalisation": ("normalisation",),
    "residual and separable blocks": ("convolution", "residual", "stochastic_depth"),
    "image filters and colour": ("edges", "edges_sigma", "edges_use", "colour"),
    "resolution": ("resolution",),
    "regularisation": ("dropout", "spatial_dropout", "l1", "l2"),
    "noise-robust losses": ("loss", "label_smoothing", "generalised_q", "bootstrapped_beta"),
    "bags of a patient": ("instances", "bag", "top_share"),
    "optimizer and schedule": ("optimizer", "learning_rate", "schedule", "warm_up", "batch_size"),
    "augmentation": ("augmentation", "rotation", "brightness", "contrast", "tint"),
    "class balance": ("class_balance",),
    TRANSFER: (),
    "the space small": (),
    "the space full": (),
    STOPPED: (),
}
_NAMED = {"the space small": "small", "the space full": "full", STOPPED: "full"}
_MORE = 4  # times the trials where bad ones are stopped; looked at after the epochs of the other searches


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a search found.

    volume      hypervolume of the trials at threshold 0.5
    operating   that of the front over all their thresholds
    first       recall and accuracy of the published CNN in this search
    above       members of the front with more of both
    trials      that had ended, after ``epochs`` of all
    """

    volume: float
    operating: float
    first: tuple[float, float]
    above: tuple[tuple[float, float], ...]
    trials: int
    epochs: int


class Bench:
    """One cohort, and the searches on it in turn."""

    def __init__(self, place: Path, options: argparse.Namespace) -> None:
        self._place, self._options = place, options
        self._cohort = draw_cohort(place / "cohort", cells_per_patient=CELLS, progress=lambda *_: None)

    def run(self, family: str, seed: int) -> Found:
        """Search a family."""
        file = self._place / "space.toml"
        file.write_text(_space(_FAMILIES[family]))
        more: dict[str, object] = {}
        if family == TRANSFER:
            base = self._place / "studies" / "base"
            if not base.exists():
                self._search("base", "pml_rara", seed=0, space="small")
            more["base_model"] = base
        if family == STOPPED:
            more |= {"scheduler": "asha", "trials": _MORE * self._options.trials}
        name = f"{list(_FAMILIES).index(family)}-{seed}"
        return self._search(name, "runx1", seed=seed, space=_NAMED.get(family, file), **more)

    def _search(self, name: str, task: str, *, seed: int, space: str | Path, **more: object) -> Found:
        options = self._options
        usual = {"trials": options.trials, "scheduler": "none"}
        record = search(
            self._place,
            name,
            task=task,
            data=self._cohort,
            space=space,
            epochs=options.epochs,
            patience=options.epochs,
            image_px=options.image_px,
            seed=seed,
            **(usual | more),
        )
        return found(StudyFolder(self._place / "studies" / name), record, options.trials * options.epochs)


def found(folder: StudyFolder, record: StudyRecord, epochs: int) -> Found:
    """Return what a search had found when the trials that had ended took this many epochs."""
    spent, ended = 0, dict[int, TrialRecord]()
    for trial in sorted(record.trials.values(), key=lambda trial: (trial.finished, trial.number)):
        if spent + len(trial.epochs) > epochs:
            break
        spent += len(trial.epochs)
        ended[trial.number] = trial
    front = pareto_front(StudyRecord(trials=ended), OBJECTIVES)
    points = {trial.number: (trial.metrics["recall"], trial.metrics["accuracy"]) for trial in complete(front)}
    curves = {number: curve_of(Scored.from_table(read_scores(folder.scores(number)))) for number in points}
    front = operating_front(curves, min_specificity=OBJECTIVES.min_specificity)
    members, first = (points[trial.number] for trial in front.trials), points[0]
    return Found(
        volume=front.hypervolume,
        operating=hypervolume(-np.column_stack([front.recall, front.accuracy]), (0, 0)),
        first=first,
        above=tuple(point for point in members if point[0] > first[0] and point[1] > first[1]),
        trials=len(ended),
        epochs=spent,
    )


def _space(names: tuple[str, ...]) -> str:
    """Return a space file that searches these hyperparameters in full and nothing else."""
    lines = ['base = "none"', "[ranges]"]
    for name in names:
        dimension = allowed()[name]
        lines.append(f"{name} = {list(dimension.options) if isinstance(dimension, Choice) else '{}'}")
    return "\n".join(lines if names else [*lines, "dropout = 0.0"]) + "\n"


def report(found: Mapping[str, list[Found]], options: argparse.Namespace) -> list[str]:
    """Return the lines of the table."""
    lines = [
        "# What each family of hyperparameters adds",
        "",
        f"Drawn cohort (task runx1, patient split, {options.image_px} px, {CELLS} cells a patient), {options.trials} "
        f"trials of {options.epochs} epochs each, nobody stopped, {options.seeds[0]} seed(s), of "
        f"the first and the last row {options.seeds[1]}. Each family is searched alone, everything else as in the "
        "published CNN, which is the first trial. The last row stops bad trials as by default, and is looked at after "
        "as many epochs. Hypervolume of recall and accuracy from (0, 0), specificity at least 0.5, on validation "
        "cells: of the trials at threshold 0.5, and of all their thresholds, where no trial gains by being lucky at "
        "0.5. The best of as many trainings of the published CNN itself is the first row, luck; more than luck: than "
        "that of the same seeds. Above it in both: members of the front with more recall and more accuracy than the "
        "published CNN of the same search.",
        "",
        "| family | hypervolume at 0.5 | more than luck | over all thresholds | more than luck "
        "| trials | above it in both | best of those, recall / accuracy |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    for family, runs in found.items():
        best = max(((min(point), point, run.first) for run in runs for point in run.above), default=None)
        told = "none"
        if best is not None:
            told = f"{best[1][0]:.3f} / {best[1][1]:.3f}, the CNN's {best[2][0]:.3f} / {best[2][1]:.3f}"
        volumes = " | ".join(beside(runs, found[LUCK][: len(runs)], measure) for measure in ("volume", "operating"))
        lines.append(
            f"| {family} | {volumes} | {mean(run.trials for run in runs):.0f} | "
            f"{sum(bool(run.above) for run in runs)} of {len(runs)} | {told} |"
        )
    return lines


def beside(runs: Sequence[Found], luck: Sequence[Found], measure: str) -> str:
    """Return the mean of a measure, of several runs the least and the most, and by how much it is above luck's."""
    values, lucky = ([getattr(each, measure) for each in those] for those in (runs, luck))
    spread = f" ({min(values):.3f} to {max(values):.3f})" if len(values) > 1 else ""
    return f"{mean(values):.3f}{spread} | {mean(values) - mean(lucky):+.3f}"


def main() -> None:
    """Run, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", nargs=2, type=int, default=[1, 3], help="of each family; of the first and last row")
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--image-px", type=int, default=24)
    parser.add_argument("--only", nargs="*", help="families, of those in the table")
    options = parser.parse_args()
    place = Path(tempfile.mkdtemp(prefix="bench-families-"))
    found: dict[str, list[Found]] = {family: [] for family in _FAMILIES if family in (options.only or _FAMILIES)}
    try:
        bench = Bench(place, options)
        for seed in range(max(options.seeds)):
            for family, runs in found.items():
                if seed < options.seeds[family in (LUCK, STOPPED)]:
                    runs.append(bench.run(family, seed))
                    print(f"{seed} {family}: {runs[-1]}", flush=True)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    if not options.only:
        publish("families", report(found, options))


if __name__ == "__main__":
    main()
