"""Hypervolume over the epochs spent: this project's search and its peers, replayed on recorded learning curves.

    PYTHONPATH=.:tests python tests/benchmarks/bench_replay.py [--seeds 30] [--epochs 2700] [--workers 4]

Needs the packages of requirements-bench.txt, and the curves of record_curves.py; tests/simulation.py says how a
configuration gets its curve. Every search gets the same budget in epochs and the same workers. This project's defaults
were chosen on one half of the recorded configurations (bench_defaults.py); the searches run on the other half here, and
are worth what their whole trials are: those that ran to their last epoch. Takes some minutes. Prints the table and
writes results/benchmarks/replay.md and replay.png.
"""

import argparse
import functools
import multiprocessing
from collections.abc import Callable

import numpy as np
import optuna
from publishing import RESULTS, publish
from record_curves import CURVES
from replay_peers import AshaOnRecall, KerasTuner, OptunaAlone, SyneTune
from replay_report import OURS, POINTS, draw, table

from search.aims import Aims
from search.config import SearchConfig
from search.rungs import Ladder
from simulation import Curves, Ours, Search, replay

AIMS = Aims(min_specificity=0.5)
HALF = 1
Make = Callable[[Curves, int, int], Search]


def ours(curves: Curves, seed: int, epochs: int, *, sampler: str = "", stops: bool = True) -> Search:
    """Return this project's search with its defaults, but for what is given."""
    usual = SearchConfig(task="runx1")
    grace = usual.grace if stops else curves.epochs
    ladder = Ladder(eta=usual.eta, grace=grace, spacing=usual.spacing, epochs=curves.epochs)
    return Ours(curves, AIMS, seed=seed, trials=epochs, ladder=ladder, sampler=sampler or usual.sampler)


SEARCHES: dict[str, Make] = {
    OURS: ours,
    "random search": lambda curves, seed, _: OptunaAlone(curves, AIMS, optuna.samplers.RandomSampler(seed=seed)),
    "Optuna TPE": lambda curves, seed, _: OptunaAlone(curves, AIMS, optuna.samplers.TPESampler(seed=seed)),
    "Optuna NSGA-II": lambda curves, seed, _: OptunaAlone(curves, AIMS, optuna.samplers.NSGAIISampler(seed=seed)),
    "Ray Tune ASHA on recall": lambda curves, seed, _: AshaOnRecall(curves, seed=seed),
    "KerasTuner Hyperband": lambda curves, seed, epochs: KerasTuner(curves, seed=seed, hyperband=True, trials=epochs),
    "KerasTuner random": lambda curves, seed, epochs: KerasTuner(curves, seed=seed, hyperband=False, trials=epochs),
    "Syne Tune MOASHA": lambda curves, seed, _: SyneTune(curves, seed=seed, mended=False),
    "Syne Tune MOASHA, its sort mended": lambda curves, seed, _: SyneTune(curves, seed=seed, mended=True),
}
ABLATIONS: dict[str, Make] = {
    "this project, stopping nobody": functools.partial(ours, stops=False),
    "this project, drawing at random": functools.partial(ours, sampler="random"),
}


def volumes(name: str, seed: int, *, epochs: int, workers: int) -> np.ndarray:
    """Return the hypervolumes at each of POINTS budgets, (2, POINTS): of whole trials, and with stopped ones."""
    curves = _curves()
    search = {**SEARCHES, **ABLATIONS}[name](curves, seed, epochs)
    found = replay(search, curves, epochs=epochs, workers=workers, seed=seed)
    grid = np.linspace(0, epochs, POINTS + 1)[1:]
    reached = np.zeros((2, POINTS))
    for row, whole_only in enumerate((True, False)):
        for spent, volume in found.hypervolumes(AIMS, whole_only=whole_only):
            reached[row, grid >= spent] = volume
    return reached


@functools.cache
def _curves() -> Curves:
    return Curves(CURVES, half=HALF)


def main() -> None:
    """Replay, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--epochs", type=int, default=2700)
    parser.add_argument("--workers", type=int, default=4)
    options = parser.parse_args()
    tasks = [(name, seed) for seed in range(options.seeds) for name in (*SEARCHES, *ABLATIONS)]
    one = functools.partial(volumes, epochs=options.epochs, workers=options.workers)
    with multiprocessing.get_context("spawn").Pool() as pool:
        results = pool.starmap(one, tasks, chunksize=1)
    found, stopped_too = (
        {
            name: np.array([reached[row] for (of, _), reached in zip(tasks, results, strict=True) if of == name])
            for name in (*SEARCHES, *ABLATIONS)
        }
        for row in range(2)
    )
    curves, usual = _curves(), SearchConfig(task="runx1")
    fidelity = ", ".join(f"{name} {value:.2f}" for name, value in curves.fidelity().items())
    lines = [
        "# Search quality, replayed",
        "",
        f"{options.seeds} seeds, {options.epochs:,} epochs each (as many as {options.epochs / curves.epochs:.0f} whole "
        f"trials), {options.workers} workers, on the recorded curves of {len(curves)} configurations ({curves.epochs} "
        "epochs, drawn cells) that had no part in choosing the defaults. A configuration gets the curve of one that is "
        "like it (tests/simulation.py); the forest that says so foretells how unseen ones end with a rank correlation "
        f"of: {fidelity}. Hypervolume of recall and accuracy from (0, 0), specificity at least 0.5; a trial is worth "
        "its best epoch by log loss. Only whole trials count, of every search; the last column counts those that were "
        f"stopped as well, which nobody could export. This project: {usual.sampler}, eta {usual.eta}, grace "
        f"{usual.grace}, spacing {usual.spacing}, no patience. The default configuration comes first where a search "
        "can be told one (not in KerasTuner and Syne Tune), and Optuna and this project are told the constraint.",
        "",
        *table(found, stopped_too),
    ]
    publish("replay", lines)
    draw(found, [*SEARCHES], options.epochs, RESULTS / "replay.png")


if __name__ == "__main__":
    main()
