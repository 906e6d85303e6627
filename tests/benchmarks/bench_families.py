"""What each family of hyperparameters adds to the published CNN, at equal epochs: searched alone, beside luck.

    PYTHONPATH=.:tests python tests/benchmarks/bench_families.py [--seeds 2] [--trials 16] [--epochs 12] [--image-px 24]

Every search is `python -m search.run` with a space of its own (--space FILE), nobody stopped, so that all train the
same number of epochs; the first trial is the published CNN. "Luck" trains that CNN again and again with other seeds: a
family that adds less adds nothing. Writes results/benchmarks/families.md.
"""

import argparse
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from publishing import publish
from searching import search

from leukmodels.cohort import draw_cohort
from leukmodels.hparams import allowed
from leukmodels.space import Choice
from search.aims import Aims
from search.records import TrialState
from search.standing import stand

AIMS = Aims(min_specificity=0.5)
LUCK = "luck: the published CNN, other seeds"
TRANSFER = "transfer from pml_rara"
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
}
_NAMED = {"the space small": "small", "the space full": "full"}


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a search found: its hypervolume, the published CNN's point in it, and members above that in both."""

    volume: float
    first: tuple[float, float]
    above: tuple[tuple[float, float], ...]
    epochs: int


class Bench:
    """One cohort, and the searches on it in turn."""

    def __init__(self, place: Path, options: argparse.Namespace) -> None:
        self._place, self._options = place, options
        self._cohort = draw_cohort(place / "cohort", cells_per_patient=16, progress=lambda *_: None)
        self._search("base", "pml_rara", seed=0, space="small")

    def run(self, family: str, seed: int) -> Found:
        """Search a family."""
        file = self._place / "space.toml"
        file.write_text(_space(_FAMILIES[family]))
        more = {"base_model": self._place / "studies" / "base"} if family == TRANSFER else {}
        name = f"{list(_FAMILIES).index(family)}-{seed}"
        return self._search(name, "runx1", seed=seed, space=_NAMED.get(family, file), **more)

    def _search(self, name: str, task: str, *, seed: int, space: str | Path, **more: object) -> Found:
        options = self._options
        record = search(
            self._place,
            name,
            task=task,
            data=self._cohort,
            space=space,
            trials=options.trials,
            epochs=options.epochs,
            patience=options.epochs,
            scheduler="none",
            image_px=options.image_px,
            seed=seed,
            **more,
        )
        standing = stand(record, AIMS)
        complete = record.by_state(TrialState.COMPLETE)
        points = {trial.number: (trial.metrics["recall"], trial.metrics["accuracy"]) for trial in complete}
        first = points[0]
        above = tuple(
            points[trial.number]
            for trial in standing.front
            if points[trial.number][0] > first[0] and points[trial.number][1] > first[1]
        )
        return Found(volume=standing.hypervolume, first=first, above=above, epochs=record.epochs)


def _space(names: tuple[str, ...]) -> str:
    """Return a space file that searches these hyperparameters in full and nothing else."""
    lines = ['base = "none"', "[ranges]"]
    for name in names:
        dimension = allowed()[name]
        lines.append(f"{name} = {list(dimension.options) if isinstance(dimension, Choice) else '{}'}")
    return "\n".join(lines if names else [*lines, "dropout = 0.0"]) + "\n"


def report(found: Mapping[str, list[Found]], options: argparse.Namespace, busy: float) -> list[str]:
    """Return the lines of the table."""
    luck = [each.volume for each in found[LUCK]]
    lines = [
        "# What each family of hyperparameters adds",
        "",
        f"Drawn cohort (task runx1, patient split, {options.image_px} px), {options.trials} trials of {options.epochs} "
        f"epochs each, nobody stopped, {options.seeds} seed(s) (load average before: {busy:.1f}). Each family is "
        "searched alone, everything else as in the published CNN, which is the first trial. Hypervolume of recall and "
        "accuracy from (0, 0), specificity at least 0.5, on validation cells; the best of as many trainings of the "
        "published CNN itself is the first row. Above it in both: members of the front with more recall and more "
        "accuracy than the published CNN of the same search.",
        "",
        "| family | hypervolume, mean (least to most) | more than luck | above it in both | best recall / accuracy |",
        "| --- | ---: | ---: | ---: | --- |",
    ]
    for family, runs in found.items():
        volumes = [run.volume for run in runs]
        best = max(((point, run.first) for run in runs for point in run.above), default=None)
        told = "none"
        if best is not None:
            told = f"{best[0][0]:.3f} / {best[0][1]:.3f}, the CNN's {best[1][0]:.3f} / {best[1][1]:.3f}"
        lines.append(
            f"| {family} | {mean(volumes):.3f} ({min(volumes):.3f} to {max(volumes):.3f}) | "
            f"{mean(volumes) - mean(luck):+.3f} | {sum(bool(run.above) for run in runs)} of {len(runs)} | {told} |"
        )
    return lines


def main() -> None:
    """Run, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--trials", type=int, default=16)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--image-px", type=int, default=24)
    parser.add_argument("--only", nargs="*", help="families, of those in the table")
    options = parser.parse_args()
    busy = os.getloadavg()[0]
    place = Path(tempfile.mkdtemp(prefix="bench-families-"))
    found: dict[str, list[Found]] = {family: [] for family in _FAMILIES if family in (options.only or _FAMILIES)}
    try:
        bench = Bench(place, options)
        for seed in range(options.seeds):
            for family, runs in found.items():
                runs.append(bench.run(family, seed))
                print(f"{seed} {family}: {runs[-1]}", flush=True)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    if not options.only:
        publish("families", report(found, options, busy))


if __name__ == "__main__":
    main()
