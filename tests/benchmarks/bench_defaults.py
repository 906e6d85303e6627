"""Which defaults the search should have: rungs, sampler and patience, swept on one half of the curves.

    PYTHONPATH=.:tests/support python tests/benchmarks/bench_defaults.py [--seeds 30] [--epochs 810] [--workers 4]

On the half that bench_replay.py does not use. Prints the table and writes results/benchmarks/defaults.md.
"""

import argparse
import functools
import itertools
import multiprocessing
from dataclasses import dataclass

import numpy as np

from publishing import publish
from record_curves import CURVES
from replay_report import interval
from search.study.objectives import Objectives
from search.tuning.successive_halving import RungSchedule
from simulation import Curves, Ours, replay

OBJECTIVES = Objectives(min_specificity=0.5)
HALF = 0


@dataclass(frozen=True, kw_only=True)
class Variant:
    """What the search might do: ``grace_period`` 0 stops nobody."""

    reduction_factor: int = 3
    grace_period: int = 1
    rung_factor: int = 9
    sampler: str = "tpe"
    patience: int | None = None


VARIANTS = [
    Variant(grace_period=0, sampler="random"),
    Variant(grace_period=0),
    Variant(rung_factor=3),
    Variant(grace_period=2, rung_factor=3),
    Variant(grace_period=3, rung_factor=3),
    Variant(grace_period=3),
    Variant(rung_factor=27),
    Variant(reduction_factor=2),
    Variant(),
    Variant(reduction_factor=4),
    Variant(sampler="random"),
    Variant(patience=3),
    Variant(patience=9),
]


def reached(variant: Variant, seed: int, *, epochs: int, workers: int) -> tuple[float, float, int]:
    """Return the hypervolume at a third of the budget and at the end, and how many trials were whole."""
    curves = _curves()
    grace = variant.grace_period or curves.epochs
    ladder = RungSchedule(
        reduction_factor=variant.reduction_factor,
        grace_period=grace,
        rung_factor=variant.rung_factor,
        epochs=curves.epochs,
    )
    search = Ours(curves, OBJECTIVES, seed=seed, trials=epochs, ladder=ladder, sampler=variant.sampler)
    found = replay(search, curves, epochs=epochs, workers=workers, seed=seed, patience=variant.patience)
    volumes = [*found.hypervolumes(OBJECTIVES, whole_only=True)]
    third = max((volume for spent, volume in volumes if 3 * spent <= epochs), default=0.0)
    return third, volumes[-1][1] if volumes else 0.0, sum(found.whole)


def words(variant: Variant) -> list[str]:
    """Return a variant's cells of the table."""
    rungs = (
        [str(variant.reduction_factor), str(variant.grace_period), str(variant.rung_factor)]
        if variant.grace_period
        else ["none", "", ""]
    )
    return [*rungs, variant.sampler, str(variant.patience or "")]


@functools.cache
def _curves() -> Curves:
    return Curves(CURVES, half=HALF)


def main() -> None:
    """Replay, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--epochs", type=int, default=810)
    parser.add_argument("--workers", type=int, default=4)
    options = parser.parse_args()
    one = functools.partial(reached, epochs=options.epochs, workers=options.workers)
    with multiprocessing.get_context("spawn").Pool() as pool:
        results = pool.starmap(one, itertools.product(VARIANTS, range(options.seeds)), chunksize=1)
    lines = [
        "# Which defaults",
        "",
        f"{options.seeds} seeds, {options.epochs:,} epochs, {options.workers} workers, replayed on {len(_curves())} "
        "recorded configurations that the comparison with peers does not use. Mean hypervolume of whole trials.",
        "",
        "| eta | grace | spacing | sampler | patience | at 1/3 | at the end (95 %) | whole |",
        "| ---: | ---: | ---: | --- | ---: | ---: | ---: | ---: |",
    ]
    for place, variant in enumerate(VARIANTS):
        rows = np.array(results[place * options.seeds : (place + 1) * options.seeds])
        low, high = interval(rows[:, 1])
        numbers = [f"{rows[:, 0].mean():.4f}", f"{rows[:, 1].mean():.4f} ({low:.4f} to {high:.4f})"]
        lines.append(f"| {' | '.join([*words(variant), *numbers, f'{rows[:, 2].mean():.0f}'])} |")
    publish("defaults", lines)


if __name__ == "__main__":
    main()
