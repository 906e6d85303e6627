"""Hypervolume over wall time, trained and not replayed: this project beside plain Optuna and plain Ray Tune.

    PYTHONPATH=.:tests/support python tests/benchmarks/bench_real.py [--minutes 10] [--runs 1] [--epochs 27]

Each search in fresh processes, one after the other, from its command's start: the same drawn cells, the same training,
the same space (real_peers.py). The cohort is drawn, and this project's images are in its cache, before the clock runs;
the peers get theirs as arrays. Nothing else should use the machine. Writes results/benchmarks/real.md and real.png.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from leukmodels.synthetic import draw_cohort
from publishing import RESULTS, publish
from real_peers import OBJECTIVES, PEERS
from search.study.dominance import hypervolume
from search.study.folder import StudyFolder
from search.study.journal import read
from search.study.objectives import Objectives
from search.study.records import TrialState, fold

HERE = Path(__file__).resolve().parent
OURS = "this project"
NAMES = {"optuna": "Optuna", "ray-tune": "Ray Tune with OptunaSearch"}
Curve = Sequence[tuple[float, float]]  # seconds since the command, hypervolume


class Race:
    """One machine, one cohort, and the searches that run on it in turn."""

    def __init__(self, place: Path, options: argparse.Namespace) -> None:
        self._place, self._options = place, options
        self._cohort = draw_cohort(place / "cohort", cells_per_patient=16, progress=lambda *_: None)
        self._arrays = place / "arrays"
        self._run("real_peers.py", "arrays", self._cohort, self._arrays, options.image_px)

    def run(self, name: str, seed: int) -> tuple[Curve, int, int]:
        """Run a search; return its curve, the trials that ended and the epochs that they trained."""
        folder = Path(tempfile.mkdtemp(prefix=f"{name.replace(' ', '-')}-", dir=self._place))
        start = time.time()
        if name == OURS:
            rows = self._ours(folder, seed)
        else:
            seconds = 60 * self._options.minutes
            self._run("real_peers.py", name, self._arrays, folder, self._options.epochs, seconds, seed)
            kept = folder / "trials.jsonl"
            rows = [json.loads(line) for line in kept.read_text().splitlines()] if kept.exists() else []
        rows = [row for row in rows if row["time"] - start <= 60 * self._options.minutes]
        return [(0.0, 0.0), *_volumes(rows, start)], len(rows), sum(row["epochs"] for row in rows)

    def _ours(self, folder: Path, seed: int) -> list[dict]:
        options = self._options
        given = {
            "task": "runx1",
            "data": self._cohort,
            "storage": folder,
            "cache": self._arrays / "cache",
            "name": "study",
            "trials": 10_000,
            "epochs": options.epochs,
            "patience": options.epochs,
            "plateau": 0,
            "image-px": options.image_px,
            "time-budget": 60 * options.minutes,
            "seed": seed,
            "out": folder / "export",
        }
        self._run("-m", "search.run", "--no-dashboard", *(f"--{name}={value}" for name, value in given.items()))
        record = fold(read(StudyFolder(folder / "study").journal))
        ended = sorted((t for t in record.trials.values() if t.finished), key=lambda trial: trial.finished)
        return [
            {
                "time": trial.finished,
                "epochs": len(trial.epochs),
                "metrics": trial.metrics if trial.state is TrialState.COMPLETE else None,
            }
            for trial in ended
        ]

    def _run(self, *command: object) -> None:
        first = [] if command[0] == "-m" else [HERE]
        words = [sys.executable, *(HERE / str(c) if str(c).endswith(".py") else str(c) for c in command)]
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("RAY_", "TUNE_"))} | {
            "PYTHONPATH": os.pathsep.join(map(str, [HERE.parents[1], HERE.parent / "support", *first])),
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "CUDA_VISIBLE_DEVICES": "",
        }
        done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{words}:\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}")


def _volumes(rows: Sequence[dict], start: float, objectives: Objectives = OBJECTIVES) -> Iterator[tuple[float, float]]:
    points: list[tuple[float, ...]] = []
    for row in rows:
        if row["metrics"] and objectives.is_feasible(row["metrics"]):
            points.append(objectives.minimised(row["metrics"]))
        yield row["time"] - start, hypervolume(np.array(points).reshape(-1, 2), np.ones(2))


def when(curve: Curve, volume: float) -> float | None:
    """Return the seconds after which a curve had a hypervolume, None where it never had."""
    return next((seconds for seconds, had in curve if had >= volume), None)


def draw(curves: dict[str, list[Curve]], seconds: float) -> None:
    """Draw every run: this project's in ink, the others' in grey."""
    figure = Figure(figsize=(7.2, 4.4), dpi=150, layout="constrained")
    axes = figure.subplots()
    for (name, runs), style in zip(curves.items(), ("-", "--", ":"), strict=True):
        for number, curve in enumerate(runs):
            times, volumes = zip(*curve, (seconds, curve[-1][1]), strict=True)
            axes.step(
                np.array(times) / 60,
                volumes,
                where="post",
                linestyle=style,
                color="#111111" if name == OURS else "#777777",
                linewidth=2.0 if name == OURS else 1.4,
                label=None if number else NAMES.get(name, name),
            )
    ends = [curve[-1][1] for runs in curves.values() for curve in runs]
    axes.set(xlabel="minutes since the command", ylabel="hypervolume", ylim=(min(ends) - 0.08, None))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=9, loc="lower right")
    axes.set_title("Searched on DRAWN cells", loc="left", fontsize=11)
    figure.savefig(RESULTS / "real.png")


def report(found: dict[str, list[tuple[Curve, int, int]]], options: argparse.Namespace, busy: float) -> list[str]:
    """Return the lines of the table."""
    lines = [
        "# Search quality, trained",
        "",
        f"Drawn cohort (task runx1, {options.image_px} px), {options.epochs} epochs a trial at most, "
        f"{options.minutes:g} minutes each from the command's start, one after the other on "
        f"{len(os.sched_getaffinity(0))} cores (load average before: {busy:.1f}), {options.runs} run(s). Hypervolume "
        "of recall and accuracy from (0, 0), specificity at least 0.5, on validation cells. This project counts "
        "complete trials only; the peers train every trial to its end. Optuna's trials run one after the other with "
        "TensorFlow on all cores, the others' two at a time; Ray Tune's OptunaSearch takes no constraint. Trials and "
        "epochs are those that ended in time.",
        "",
        "| run | search | trials ended | epochs | hypervolume at the end | this project had it after | of the time |",
        "| ---: | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for run in range(options.runs):
        mine = found[OURS][run][0]
        for name, runs in found.items():
            curve, trials, epochs = runs[run]
            end = curve[-1][1]
            reached, own = when(mine, end), when(curve, end)
            told = ("", "")
            if name != OURS:
                told = ("never", "")
                if reached is not None and own:
                    told = (f"{reached:.0f} s", f"{reached / own:.2f} of the {own:.0f} s")
            lines.append(
                f"| {run + 1} | {NAMES.get(name, name)} | {trials} | {epochs:,} | {end:.4f} | {told[0]} | {told[1]} |"
            )
    return lines


def main() -> None:
    """Run, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=27)
    parser.add_argument("--image-px", type=int, default=16)
    options = parser.parse_args()
    busy = os.getloadavg()[0]
    place = Path(tempfile.mkdtemp(prefix="bench-real-"))
    try:
        race = Race(place, options)
        found: dict[str, list[tuple[Curve, int, int]]] = {name: [] for name in (OURS, *PEERS)}
        for run in range(options.runs):
            turn = run % len(found)
            for name in [*found][turn:] + [*found][:turn]:
                curve, trials, epochs = race.run(name, run)
                found[name].append((curve, trials, epochs))
                print(f"{name}: {curve[-1]}, {trials} trials, {epochs} epochs", flush=True)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    publish("real", report(found, options, busy))
    draw({name: [curve for curve, _, _ in runs] for name, runs in found.items()}, 60 * options.minutes)


if __name__ == "__main__":
    main()
