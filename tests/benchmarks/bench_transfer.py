"""Transfer beside a cold start: how many epochs until a search has what one from nothing ends with.

    PYTHONPATH=.:tests/support python tests/benchmarks/bench_transfer.py [--seeds 3] [--trials 24] [--epochs 12]

Everything is `python -m search.run` on one drawn cohort: a study of each base task, and then, seed by seed, one of
runx1 from nothing and one with each base model. Trials that start from a trained model end sooner, by patience, so
those searches get more trials, and are compared after as many epochs as the cold start took. Writes
results/benchmarks/transfer.md.
"""

import argparse
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from statistics import mean, median

from leukmodels.synthetic import draw_cohort
from publishing import publish
from search.study.front import Effort, effort, pareto_front
from search.study.objectives import Objectives
from search.study.records import LOADED, StudyRecord
from searching import search

OBJECTIVES = Objectives(min_specificity=0.5)
BASES = ("aml", "pml_rara")
_MORE = 2  # times the trials of a cold start, so that a search from a base model has its epochs too


class Bench:
    """One cohort, and the searches on it in turn."""

    def __init__(self, place: Path, options: argparse.Namespace) -> None:
        self._place, self._options = place, options
        self._cohort = draw_cohort(place / "cohort", cells_per_patient=16, progress=lambda *_: None)

    def search(self, name: str, task: str, *, seed: int = 0, base: str | None = None) -> StudyRecord:
        """Search, and return what the study found."""
        options = self._options
        trials = options.trials * (_MORE if base else 1)
        return search(
            self._place,
            name,
            task=task,
            data=self._cohort,
            trials=trials,
            epochs=options.epochs,
            image_px=options.image_px,
            seed=seed,
            **({"base_model": self._place / "studies" / base} if base else {}),
        )


def transferred(record: StudyRecord) -> str:
    """Return how much of the front, and of the trials, started from the base model."""
    front = pareto_front(record, OBJECTIVES).trials
    of_base = [trial for trial in record.trials.values() if trial.params["backbone"] == "base"]
    return f"{sum(trial in of_base for trial in front)} of {len(front)}, {len(of_base)} of {len(record.trials)}"


def report(
    cold: list[StudyRecord], warm: Mapping[str, list[StudyRecord]], options: argparse.Namespace, busy: float
) -> list[str]:
    """Return the lines of the table."""
    lines = [
        "# Transfer beside a cold start",
        "",
        f"Drawn cohort (task runx1, {options.image_px} px), {options.trials} trials of {options.epochs} epochs at "
        f"most, stopped as by default, {options.seeds} seed(s) (load average before: {busy:.1f}); with a base model "
        f"{_MORE} times the trials, looked at after as many epochs as the cold start took. The base model is "
        "the preferred trial of a study of as many trials on the base task; its own epochs are not counted. "
        f"With it, trial 1 is the default with all its blocks loaded (source: {LOADED}). Hypervolume from (0, 0), "
        "specificity at least 0.5, on validation cells. Share: of the cold start's epochs, until the search had the "
        "cold start's final hypervolume.",
        "",
        "| base | seed | epochs of cold | cold: half, end | with it: half, end | reached after | share "
        "| front, trials from it |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    shares: dict[str, list[float]] = {base: [] for base in warm}
    for base, runs in warm.items():
        for seed, run in enumerate(runs):
            mine, theirs = effort(run, OBJECTIVES), effort(cold[seed], OBJECTIVES)
            reached = mine.epochs_to(_end(theirs))
            shares[base].append(reached / theirs.spent if reached else float("inf"))
            half, whole = (mine.volume_at(int(part * theirs.spent)) for part in (0.5, 1.0))
            lines.append(
                f"| {base} | {seed} | {theirs.spent} | {theirs.volume_at(theirs.spent // 2):.3f}, {_end(theirs):.3f} | "
                f"{half:.3f}, {whole:.3f} | {reached or 'never'} | {shares[base][-1]:.2f} | {transferred(run)} |"
            )
    lines += ["", *(f"Median share with {base}: {median(each):.2f}." for base, each in shares.items())]
    ends = mean(_end(effort(each, OBJECTIVES)) for each in cold)
    lines.append(f"Mean hypervolume of the cold starts at their end: {ends:.3f}.")
    return lines


def _end(reached: Effort) -> float:
    return reached.volume_at(reached.spent)


def main() -> None:
    """Run, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--trials", type=int, default=24)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--image-px", type=int, default=24)
    options = parser.parse_args()
    busy = os.getloadavg()[0]
    place = Path(tempfile.mkdtemp(prefix="bench-transfer-"))
    cold: list[StudyRecord] = []
    warm: dict[str, list[StudyRecord]] = {base: [] for base in BASES}
    try:
        bench = Bench(place, options)
        for base in BASES:
            bench.search(base, base)
        for seed in range(options.seeds):
            cold.append(bench.search(f"cold-{seed}", "runx1", seed=seed))
            print(f"cold {seed}: {_end(effort(cold[-1], OBJECTIVES)):.3f}", flush=True)
            for base, runs in warm.items():
                runs.append(bench.search(f"{base}-{seed}", "runx1", seed=seed, base=base))
                print(f"{base} {seed}: {_end(effort(runs[-1], OBJECTIVES)):.3f}", flush=True)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    publish("transfer", report(cold, warm, options, busy))


if __name__ == "__main__":
    main()
