"""Hypervolume over the epochs spent: this project's search and its peers, replayed on recorded learning curves.

    PYTHONPATH=.:tests python tests/benchmarks/bench_replay.py [--seeds 30] [--epochs 1620] [--workers 4]

Needs the packages of requirements-bench.txt, and the curves of record_curves.py. Every search gets the same budget in
epochs and the same workers; tests/simulation.py says how a configuration gets its curve. Of this project only trials
that ran to their end count, since only those can be exported; of a peer every trial counts with its best epoch so far,
stopped ones too. Takes some minutes. Prints the table and writes results/benchmarks/replay.md and replay.png.
"""

import argparse
import functools
import multiprocessing
from collections.abc import Callable, Sequence

import numpy as np
import optuna
from matplotlib.figure import Figure
from publishing import RESULTS, publish
from record_curves import CURVES
from replay_peers import AshaOnRecall, KerasTuner, OptunaAlone, SyneTune

from search.aims import Aims
from search.rungs import Ladder
from simulation import Curves, Ours, Search, replay

AIMS = Aims(min_specificity=0.5)
OURS = "this project"
POINTS = 200  # budgets at which curves are compared
Make = Callable[[Curves, int, int], Search]


def ours(curves: Curves, seed: int, trials: int, *, sampler: str = "tpe", eta: int = 3, grace: int = 2) -> Search:
    """Return this project's search; a grace of all epochs stops nobody."""
    ladder = Ladder(eta=eta, grace=min(grace, curves.epochs), epochs=curves.epochs)
    return Ours(curves, AIMS, seed=seed, trials=trials, ladder=ladder, sampler=sampler)


SEARCHES: dict[str, Make] = {
    OURS: ours,
    "random search": lambda curves, seed, _: OptunaAlone(curves, AIMS, optuna.samplers.RandomSampler(seed=seed)),
    "Optuna TPE": lambda curves, seed, _: OptunaAlone(curves, AIMS, optuna.samplers.TPESampler(seed=seed)),
    "Optuna NSGA-II": lambda curves, seed, _: OptunaAlone(curves, AIMS, optuna.samplers.NSGAIISampler(seed=seed)),
    "Ray Tune ASHA on recall": lambda curves, seed, _: AshaOnRecall(curves, seed=seed),
    "KerasTuner Hyperband": lambda curves, seed, trials: KerasTuner(curves, seed=seed, hyperband=True, trials=trials),
    "KerasTuner random": lambda curves, seed, trials: KerasTuner(curves, seed=seed, hyperband=False, trials=trials),
    "Syne Tune MOASHA": lambda curves, seed, _: SyneTune(curves, seed=seed, mended=False),
    "Syne Tune MOASHA, its sort mended": lambda curves, seed, _: SyneTune(curves, seed=seed, mended=True),
}


def volumes(name: str, seed: int, *, epochs: int, workers: int) -> np.ndarray:
    """Return the hypervolume at each of POINTS budgets up to ``epochs``."""
    curves = _curves()
    found = replay(SEARCHES[name](curves, seed, epochs), curves, epochs=epochs, workers=workers)
    grid = np.linspace(0, epochs, POINTS + 1)[1:]
    reached = np.zeros(POINTS)
    for spent, volume in found.hypervolumes(AIMS, whole_only=name == OURS):
        reached[grid >= spent] = volume
    return reached


@functools.cache
def _curves() -> Curves:
    return Curves(CURVES)


def interval(values: np.ndarray) -> tuple[float, float]:
    """Return the 95 % interval of the mean over seeds, by bootstrap."""
    rng = np.random.default_rng(0)
    means = rng.choice(values, (2000, len(values))).mean(axis=1)
    return float(np.quantile(means, 0.025)), float(np.quantile(means, 0.975))


def draw(found: dict[str, np.ndarray], epochs: int) -> None:
    """Draw the means over the budget, this project's in ink."""
    figure = Figure(figsize=(7.2, 5.0), dpi=150, layout="constrained")
    axes = figure.subplots()
    grid = np.linspace(0, epochs, POINTS + 1)[1:]
    styles = ["-", "--", "-.", ":", (0, (8, 2)), (0, (3, 1, 1, 1)), (0, (1, 3)), (0, (5, 5))]
    for (name, reached), style in zip(found.items(), styles, strict=True):
        mine = name == OURS
        axes.plot(
            grid,
            reached.mean(axis=0),
            color="#111111" if mine else "#777777",
            linewidth=2.2 if mine else 1.3,
            linestyle=style,
            label=name,
        )
    low = min(reached.mean(axis=0)[POINTS // 10] for reached in found.values())
    axes.set(xlabel="epochs trained, over all trials", ylabel="hypervolume (mean over seeds)", ylim=(low, None))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8.5, loc="lower right")
    axes.set_title("Replayed on curves of DRAWN cells", loc="left", fontsize=11)
    figure.savefig(RESULTS / "replay.png")


def report(found: dict[str, np.ndarray], *, seeds: int, epochs: int, workers: int) -> Sequence[str]:
    """Return the lines of the table."""
    curves = _curves()
    mine = found[OURS].mean(axis=0)
    lines = [
        "# Search quality, replayed",
        "",
        f"{seeds} seeds, {epochs:,} epochs each (as many as {epochs / curves.epochs:.0f} whole trials), {workers} "
        f"workers, on the recorded curves of {len(curves)} configurations ({curves.epochs} epochs, drawn cells). "
        "Hypervolume of recall and accuracy from (0, 0), specificity at least 0.5; a trial is worth its best epoch by "
        "log loss. Of this "
        "project whole trials count, of the others stopped ones too.",
        "",
        "| search | at 1/3 of the budget | at the end (95 % interval of the mean) | this project is there after | "
        "seeds on which it is ahead at the end |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for name, reached in found.items():
        end = reached[:, -1]
        low, high = interval(end)
        there = np.flatnonzero(mine >= end.mean())
        when = f"{(there[0] + 1) / POINTS:.2f} of the budget" if len(there) else "never"
        ahead = "" if name == OURS else f"{np.mean(found[OURS][:, -1] > end):.0%}"
        lines.append(
            f"| {name} | {reached[:, POINTS // 3 - 1].mean():.4f} | {end.mean():.4f} ({low:.4f} to {high:.4f}) | "
            f"{'' if name == OURS else when} | {ahead} |"
        )
    return lines


def main() -> None:
    """Replay, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--epochs", type=int, default=1620)
    parser.add_argument("--workers", type=int, default=4)
    options = parser.parse_args()
    tasks = [(name, seed) for seed in range(options.seeds) for name in SEARCHES]
    one = functools.partial(volumes, epochs=options.epochs, workers=options.workers)
    with multiprocessing.get_context("spawn").Pool() as pool:
        results = pool.starmap(one, tasks, chunksize=1)
    found = {name: np.array([r for (n, _), r in zip(tasks, results, strict=True) if n == name]) for name in SEARCHES}
    draw(found, options.epochs)
    publish("replay", report(found, seeds=options.seeds, epochs=options.epochs, workers=options.workers))


if __name__ == "__main__":
    main()
