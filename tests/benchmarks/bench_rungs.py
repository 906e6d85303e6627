"""What an early epoch says about the end: by what, and how early, trials can be compared.

    PYTHONPATH=.:tests/support python tests/benchmarks/bench_rungs.py

On the recorded curves (record_curves.py). Spearman's rank correlation of recall and accuracy at a rung with those that
the trial ends with, over all configurations, computed in four ways; and what a rung keeps: of 27 configurations drawn
at random the best third at the rung train on, and the hypervolume of their ends is set beside that of all 27. Prints
the tables and writes them to results/benchmarks/rungs.md.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from scipy.stats import spearmanr

from publishing import publish
from record_curves import CURVES
from search.selection.nondominated import rank
from search.study.dominance import hypervolume
from search.study.objectives import Objectives
from simulation import Curves

OBJECTIVES = Objectives(min_specificity=0.5)
RUNGS = (1, 2, 3, 4, 6, 9, 13, 18)
DRAWS, DRAWN, ETA = 1000, 27, 3
Curve = Sequence[Mapping[str, float]]
Way = Callable[[Curve], Mapping[str, float]]


def leukemic_share(curves: Curves) -> float:
    """Return the share of leukemic cells, which accuracy, recall and specificity of any epoch hold."""
    every = [metrics for row in range(len(curves)) for metrics in curves.of(row)]
    clear = max(every, key=lambda metrics: abs(metrics["recall"] - metrics["specificity"]))
    return (clear["accuracy"] - clear["specificity"]) / (clear["recall"] - clear["specificity"])


def best(curve: Curve) -> Mapping[str, float]:
    """Return the epoch with the lowest log loss."""
    return min(curve, key=lambda metrics: metrics["log_loss"])


def best_three(curve: Curve) -> Mapping[str, float]:
    """Return the mean of the three epochs with the lowest log losses."""
    three = sorted(curve, key=lambda metrics: metrics["log_loss"])[:3]
    return {name: float(np.mean([metrics[name] for metrics in three])) for name in (*OBJECTIVES.names, "specificity")}


def ways(share: float) -> dict[str, Way]:
    """Return the ways to compare trials by their curves so far, where ``share`` of the cells are leukemic."""

    def tuned(metrics: Mapping[str, float]) -> Mapping[str, float]:
        """Return an epoch's metrics at the threshold that validation picks."""
        recall, accuracy = metrics["tuned_recall"], metrics["tuned_accuracy"]
        specificity = (accuracy - share * recall) / (1 - share)
        return {**metrics, "recall": recall, "accuracy": accuracy, "specificity": specificity}

    return {
        "that epoch, at 0.5": lambda curve: curve[-1],
        "best epoch so far, at 0.5": best,
        "best three so far, at 0.5": best_three,
        "that epoch, tuned threshold": lambda curve: tuned(curve[-1]),
        "best epoch so far, tuned threshold": lambda curve: tuned(best(curve)),
    }


def correlation(curves: Curves, way: Way, rung: int, objective: str) -> float:
    """Return the rank correlation of an objective at a rung with the end."""
    pairs = [(way(curves.of(row)[:rung])[objective], best(curves.of(row))[objective]) for row in range(len(curves))]
    return float(spearmanr(*zip(*pairs, strict=True)).statistic)


def kept(curves: Curves, way: Way, rung: int) -> float:
    """Return the mean share of the hypervolume that the best third at a rung end with."""
    rng = np.random.default_rng(0)
    ends = [best(curves.of(row)) for row in range(len(curves))]
    now = [way(curves.of(row)[:rung]) for row in range(len(curves))]
    losses = np.array([OBJECTIVES.minimised(metrics) for metrics in now])
    over = np.array([OBJECTIVES.violation(metrics) for metrics in now])
    final = np.array([OBJECTIVES.minimised(metrics) for metrics in ends])
    feasible = np.array([OBJECTIVES.is_feasible(metrics) for metrics in ends])
    shares = []
    for _ in range(DRAWS):
        drawn = rng.choice(len(curves), DRAWN, replace=False)
        chosen = drawn[rank(losses[drawn], over[drawn])[: DRAWN // ETA]]
        whole, part = (hypervolume(final[rows[feasible[rows]]], np.ones(2)) for rows in (drawn, chosen))
        shares.append(part / whole)
    return float(np.mean(shares))


def main() -> None:
    """Compute, print and write."""
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    curves = Curves(CURVES)
    known = ways(leukemic_share(curves))
    heads = " | ".join(f"epoch {rung}" for rung in RUNGS)
    lines = [
        "# What an early epoch says about the end",
        "",
        f"{len(curves)} random configurations, {curves.epochs} epochs each, on the drawn cohort. A trial ends with its "
        "best epoch by log loss, at threshold 0.5.",
    ]
    for objective in OBJECTIVES.names:
        lines += ["", f"Rank correlation of {objective} with the end:", "", f"| compared by | {heads} |"]
        lines.append("| --- |" + " ---: |" * len(RUNGS))
        for name, way in known.items():
            found = " | ".join(f"{correlation(curves, way, rung, objective):.2f}" for rung in RUNGS)
            lines.append(f"| {name} | {found} |")
    lines += [
        "",
        f"Hypervolume that is left where the best third of {DRAWN} train on, over that of all {DRAWN} "
        f"({DRAWS:,} draws; a third drawn at random leaves {by_chance(curves):.3f}):",
        "",
        f"| compared by | {heads} |",
        "| --- |" + " ---: |" * len(RUNGS),
    ]
    for name, way in known.items():
        lines.append(f"| {name} | " + " | ".join(f"{kept(curves, way, rung):.3f}" for rung in RUNGS) + " |")
    publish("rungs", lines)


def by_chance(curves: Curves) -> float:
    """Return what ``kept`` is when the third that trains on is drawn."""
    rng = np.random.default_rng(1)
    noise = {
        row: {"recall": a, "accuracy": b, "specificity": 1.0} for row, (a, b) in enumerate(rng.random((len(curves), 2)))
    }
    rows = iter(range(len(curves)))
    return kept(curves, lambda _: noise[next(rows)], 1)


if __name__ == "__main__":
    main()
