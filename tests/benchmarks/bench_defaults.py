"""Which defaults the search should have: rungs, sampler and drawn suggestions, swept on one half of the curves.

    PYTHONPATH=.:tests python tests/benchmarks/bench_defaults.py [--seeds 15] [--epochs 2700] [--workers 4]

On the half that bench_replay.py does not use. Prints the table and writes results/benchmarks/defaults.md.
"""

import argparse
import functools
import itertools
import multiprocessing

import numpy as np
from publishing import publish
from record_curves import CURVES
from replay_report import interval

from search import samplers
from search.aims import Aims
from search.rungs import Ladder
from simulation import Curves, Ours, replay

AIMS = Aims(min_specificity=0.5)
HALF = 0
NEVER = 10**9
# eta, grace (0: nobody is stopped), spacing, sampler, every so manieth suggestion drawn at random
VARIANTS = [
    (3, 0, 3, "random", NEVER),
    (3, 0, 3, "tpe", NEVER),
    (3, 1, 3, "tpe", 3),
    (3, 2, 3, "tpe", 3),
    (3, 3, 3, "tpe", 3),
    (2, 1, 9, "tpe", 3),
    (3, 1, 9, "tpe", 3),
    (4, 1, 9, "tpe", 3),
    (3, 1, 27, "tpe", 3),
    (3, 3, 9, "tpe", 3),
    (3, 1, 9, "tpe", NEVER),
    (3, 1, 9, "tpe", 2),
    (3, 1, 9, "random", NEVER),
]


def reached(
    variant: tuple[int, int, int, str, int], seed: int, *, epochs: int, workers: int
) -> tuple[float, float, int]:
    """Return the hypervolume at a third of the budget and at the end, and how many trials were whole."""
    eta, grace, spacing, sampler, every = variant
    samplers.DRAWN_EVERY = every
    curves = _curves()
    ladder = Ladder(eta=eta, grace=grace or curves.epochs, spacing=spacing, epochs=curves.epochs)
    search = Ours(curves, AIMS, seed=seed, trials=epochs, ladder=ladder, sampler=sampler)
    found = replay(search, curves, epochs=epochs, workers=workers, seed=seed)
    volumes = [*found.hypervolumes(AIMS, whole_only=True)]
    third = max((volume for spent, volume in volumes if 3 * spent <= epochs), default=0.0)
    return third, volumes[-1][1] if volumes else 0.0, sum(found.whole)


@functools.cache
def _curves() -> Curves:
    return Curves(CURVES, half=HALF)


def main() -> None:
    """Replay, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=15)
    parser.add_argument("--epochs", type=int, default=2700)
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
        "| eta | grace | spacing | sampler | drawn at random | at 1/3 | at the end (95 % interval) | whole trials |",
        "| ---: | ---: | ---: | --- | --- | ---: | ---: | ---: |",
    ]
    for place, (eta, grace, spacing, sampler, every) in enumerate(VARIANTS):
        rows = np.array(results[place * options.seeds : (place + 1) * options.seeds])
        low, high = interval(rows[:, 1])
        drawn = "all" if sampler == "random" else "the first only" if every == NEVER else f"every {every}."
        lines.append(
            f"| {eta if grace else ''} | {grace or 'nobody is stopped'} | {spacing if grace else ''} | {sampler} | {drawn} "
            f"| {rows[:, 0].mean():.4f} | {rows[:, 1].mean():.4f} ({low:.4f} to {high:.4f}) | {rows[:, 2].mean():.0f} |"
        )
    publish("defaults", lines)


if __name__ == "__main__":
    main()
