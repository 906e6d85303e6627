"""Hypervolume over the epochs spent: this project's search and its peers, replayed on recorded learning curves.

    PYTHONPATH=.:tests/support python tests/benchmarks/bench_replay.py [--seeds 30] [--epochs 1620] [--workers 4]

Needs the packages of requirements-bench.txt, and the curves of record_curves.py; tests/support/simulation.py says how a
configuration gets its curve. Every search gets the same budget in epochs and the same workers, and is worth what its
whole trials are: those that ran to their last epoch. Once on all recorded configurations, and once, with half the
budget, on the half of them that this project's defaults were not chosen on (bench_defaults.py). Takes half an
hour to an hour. Prints the tables and writes results/benchmarks/replay.md and replay.png.
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
from search.study.config import SearchConfig
from search.study.objectives import Objectives
from search.tuning.successive_halving import RungSchedule
from simulation import Curves, Ours, Search, replay

OBJECTIVES = Objectives(min_specificity=0.5)
Make = Callable[[Curves, int, int], Search]


def ours(curves: Curves, seed: int, epochs: int, *, sampler: str = "", stops: bool = True) -> Search:
    """Return this project's search with its defaults, but for what is given."""
    usual = SearchConfig(task="runx1")
    grace = usual.grace_period if stops else curves.epochs
    ladder = RungSchedule(
        reduction_factor=usual.reduction_factor, grace_period=grace, rung_factor=usual.rung_factor, epochs=curves.epochs
    )
    return Ours(curves, OBJECTIVES, seed=seed, trials=epochs, ladder=ladder, sampler=sampler or usual.sampler)


SEARCHES: dict[str, Make] = {
    OURS: ours,
    "random search": lambda curves, seed, _: OptunaAlone(curves, OBJECTIVES, optuna.samplers.RandomSampler(seed=seed)),
    "Optuna TPE": lambda curves, seed, _: OptunaAlone(curves, OBJECTIVES, optuna.samplers.TPESampler(seed=seed)),
    "Optuna NSGA-II": lambda curves, seed, _: OptunaAlone(curves, OBJECTIVES, optuna.samplers.NSGAIISampler(seed=seed)),
    "Ray Tune ASHA on recall": lambda curves, seed, _: AshaOnRecall(curves, seed=seed),
    "KerasTuner Hyperband": lambda curves, seed, epochs: KerasTuner(curves, seed=seed, hyperband=True, trials=epochs),
    "KerasTuner random": lambda curves, seed, epochs: KerasTuner(curves, seed=seed, hyperband=False, trials=epochs),
    "Syne Tune MOASHA": lambda curves, seed, _: SyneTune(curves, seed=seed, mended=False),
    "Syne Tune MOASHA, its sort mended": lambda curves, seed, _: SyneTune(curves, seed=seed, mended=True),
}
ABLATIONS: dict[str, Make] = {
    "this project without patience": ours,
    "random search with patience": SEARCHES["random search"],
    "Optuna TPE with patience": SEARCHES["Optuna TPE"],
    "this project, stopping nobody": functools.partial(ours, stops=False),
    "this project, drawing at random": functools.partial(ours, sampler="random"),
}


PATIENCE = SearchConfig(task="runx1", epochs=27).patience_in_epochs()
PATIENT = (
    *(OURS, "this project, stopping nobody", "this project, drawing at random"),
    *("random search with patience", "Optuna TPE with patience"),
)
# Its sort takes minutes for what takes others seconds, so it gets a sixth of the seeds.
SLOW = "Syne Tune MOASHA"


def volumes(name: str, seed: int, *, half: int | None, epochs: int, workers: int) -> np.ndarray:
    """Return the hypervolumes at each of POINTS budgets, (2, POINTS): of whole trials, and with stopped ones."""
    curves = _curves(half)
    search = {**SEARCHES, **ABLATIONS}[name](curves, seed, epochs)
    patience = PATIENCE if name in PATIENT else None
    found = replay(search, curves, epochs=epochs, workers=workers, seed=seed, patience=patience)
    grid = np.linspace(0, epochs, POINTS + 1)[1:]
    reached = np.zeros((2, POINTS))
    for row, whole_only in enumerate((True, False)):
        for spent, volume in found.hypervolumes(OBJECTIVES, whole_only=whole_only):
            reached[row, grid >= spent] = volume
    return reached


@functools.cache
def _curves(half: int | None) -> Curves:
    return Curves(CURVES, half=half)


def run(half: int | None, options: argparse.Namespace, epochs: int) -> tuple[dict[str, np.ndarray], list[str]]:
    """Replay every search on the curves or a half of them; return the volumes of whole trials, and the section."""
    every = (*SEARCHES, *ABLATIONS)
    tasks = [
        (name, seed) for seed in range(options.seeds) for name in every if name != SLOW or 6 * seed < options.seeds
    ]
    one = functools.partial(volumes, half=half, epochs=epochs, workers=options.workers)
    with multiprocessing.get_context("spawn").Pool() as pool:
        results = pool.starmap(one, tasks, chunksize=1)
    found, stopped_too = (
        {
            name: np.array([reached[row] for (of, _), reached in zip(tasks, results, strict=True) if of == name])
            for name in every
        }
        for row in range(2)
    )
    curves = _curves(half)
    fidelity = ", ".join(f"{name} {value:.2f}" for name, value in curves.fidelity().items())
    which = "all recorded configurations" if half is None else "the half that the defaults were not chosen on"
    return found, [
        f"## {which.capitalize()}",
        "",
        f"{len(curves)} configurations, {epochs:,} epochs: as many as {epochs / curves.epochs:.0f} whole trials. The "
        f"forest foretells how unseen configurations end with a rank correlation of: {fidelity}.",
        "",
        *table(found, stopped_too),
        "",
    ]


def main() -> None:
    """Replay, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--epochs", type=int, default=1620)
    parser.add_argument("--workers", type=int, default=4)
    options = parser.parse_args()
    usual = SearchConfig(task="runx1")
    found, on_all = run(None, options, options.epochs)
    _, on_half = run(1, options, options.epochs // 2)
    lines = [
        "# Search quality, replayed",
        "",
        f"{options.seeds} seeds ({SLOW}, whose sort is slow, a sixth of them), {options.workers} workers, on "
        "recorded learning curves (drawn cells). A configuration gets the curve of one like it "
        "(tests/support/simulation.py). Hypervolume of recall and accuracy from (0, 0), specificity at least 0.5; a "
        "trial is worth its best epoch by log loss. Only whole trials count, of every search; the last column counts "
        "those that were stopped as well, "
        f"which nobody could export. This project: {usual.sampler}, reduction factor {usual.reduction_factor}, grace "
        f"period {usual.grace_period}, rung factor {usual.rung_factor}; here, and where it says so, a patience of "
        f"{PATIENCE} epochs ends trials as whole. The "
        "default configuration comes first where a search can be told one (not in KerasTuner and Syne Tune); Optuna "
        "and this project are told the constraint, the others have no means for it.",
        "",
        *on_all,
        *on_half,
    ]
    publish("replay", lines[:-1])
    draw(found, [*SEARCHES], options.epochs, RESULTS / "replay.png")


if __name__ == "__main__":
    main()
