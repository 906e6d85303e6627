"""How often intervals hold, and promises: on drawn patients whose truth is known.

    PYTHONPATH=.:tests/support python tests/benchmarks/bench_coverage.py [--cohorts 1000] [--choices 100]

Many cohorts are drawn and every way to make a two-sided 95 % interval from the same 2,000 draws of patients is tried on
each, of Brier score and calibration error too; then models and thresholds are chosen on some patients for a recall that
other patients are held against. Prints the tables and writes them to results/benchmarks/coverage.md; nine minutes on
one core.
"""

import argparse
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from math import floor

import numpy as np
from scipy.special import expit, logit, ndtr, ndtri, stdtrit

from leukmodels.errors import StudyError
from leukmodels.evaluation.calibration import probability_metrics
from leukmodels.evaluation.interval import Spread, limits
from leukmodels.evaluation.operating import RISK, choose, most_promised
from leukmodels.evaluation.resampling import Measure, draws, intervals, spread
from publishing import publish
from toy_scores import Cohort

TAIL = 0.025
AT_ONCE = 50
SIZES = ((8, 12), (15, 15), (30, 30))
KINDS = {
    "alike": {"mean": 1.5, "between": 0.4},
    "as usual": {"mean": 1.5, "between": 0.8},
    "far apart": {"mean": 2.4, "between": 1.4},
    "nearly perfect": {"mean": 2.6, "between": 0.8},
}
PROMISED = {"as usual": KINDS["as usual"], "far apart": KINDS["far apart"], "farthest": {"mean": 2.4, "between": 2.5}}
PROBABILITIES = {
    "calibrated": {"mean": 2.5, "between": 1.2, "within": 1.89},  # 2 * mean = between**2 + within**2
    "nearly calibrated": {"mean": 2.0, "between": 1.2, "within": 1.89},
    "too sure": {"mean": 4.0, "between": 2.5, "within": 2.5},
    "not sure enough": {"mean": 1.5, "between": 0.8},
    "too sure, rows are patients": {"mean": 4.0, "between": 2.5, "within": 2.5, "cells": (1, 1)},
    "calibrated, rows are patients": {"mean": 2.5, "between": 1.2, "within": 1.89, "cells": (1, 1)},
}
Limits = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True, kw_only=True)
class Resampled:
    """What the ways make intervals of: k estimates, their 2,000 draws (draws, k), and without each patient in turn."""

    measure: Measure
    estimate: np.ndarray
    spread: Spread
    drawn: np.ndarray
    without: np.ndarray

    @classmethod
    def of(cls, measure: Measure) -> "Resampled":
        """Draw."""
        estimate, found = spread(measure.groups, measure.of)
        classes = measure.groups.labels
        left = 1 - np.eye(len(classes))
        sizes = np.bincount(classes, minlength=2)[classes][:, None]
        left *= np.where(classes[:, None] == classes, sizes / (sizes - 1), 1)  # the class keeps its weight
        drawn = np.concatenate([measure.of(weights) for weights in draws(measure.groups)])
        return cls(measure=measure, estimate=estimate, spread=found, drawn=drawn, without=measure.of(left))


def percentile(each: Resampled) -> Limits:
    """Return the percentiles of the draws."""
    low, high = np.quantile(each.drawn, [TAIL, 1 - TAIL], axis=0)
    return low, high


def expanded_percentile(each: Resampled) -> Limits:
    """Return percentiles that leave out less, as a t interval does (Hesterberg 2015)."""
    n = each.measure.patients[0]
    level = ndtr(np.sqrt(n / (n - 1)) * stdtrit(n - 1, TAIL))
    low, high = np.quantile(each.drawn, [level, 1 - level], axis=0)
    return low, high


def accelerated(each: Resampled) -> Limits:
    """Return the BCa limits (Efron 1987)."""
    below = (each.drawn < each.estimate).mean(axis=0) + (each.drawn == each.estimate).mean(axis=0) / 2
    shift = ndtri(np.clip(below, 1e-3, 1 - 1e-3))
    pull = each.without.mean(axis=0) - each.without
    rate = (pull**3).sum(axis=0) / (6 * np.maximum((pull**2).sum(axis=0), 1e-30) ** 1.5)
    ends = []
    for z in (ndtri(TAIL), -ndtri(TAIL)):
        levels = ndtr(shift + (shift + z) / (1 - rate * (shift + z)))
        places = np.clip((levels * (len(each.drawn) - 1)).round().astype(int), 0, len(each.drawn) - 1)
        ends.append(np.take_along_axis(np.sort(each.drawn, axis=0), places[None], axis=0)[0])
    return ends[0], ends[1]


def plain_t(each: Resampled) -> Limits:
    """Return the t interval."""
    reach = -stdtrit(each.spread.freedom, TAIL) * each.spread.error
    return each.estimate - reach, each.estimate + reach


def log_odds_t(each: Resampled) -> Limits:
    """Return the t interval on the log odds."""
    reach = -stdtrit(each.spread.freedom, TAIL) * each.spread.error / (each.estimate * (1 - each.estimate))
    return expit(logit(each.estimate) - reach), expit(logit(each.estimate) + reach)


def wilson(each: Resampled) -> Limits:
    """Return Wilson's interval for as many independent cells as would spread as much, with the quantile of t."""
    t2 = stdtrit(each.spread.freedom, TAIL) ** 2
    variance = each.spread.error**2
    cells = each.estimate * (1 - each.estimate) / variance
    centre = (each.estimate + t2 / (2 * cells)) / (1 + t2 / cells)
    reach = np.sqrt(t2 * variance + (t2 / (2 * cells)) ** 2) / (1 + t2 / cells)
    return centre - reach, centre + reach


def ours(each: Resampled) -> Limits:
    """Return what leukmodels.evaluation does; proportions of patients are exact."""
    error = np.where(each.measure.proportions_of_patients, 0.0, each.spread.error)
    sizes = {"patients": each.measure.patients, "trials": each.measure.trials}
    return limits(each.estimate, replace(each.spread, error=error), **sizes, tail=TAIL)


WAYS: Mapping[str, Callable[[Resampled], Limits]] = {
    "percentile": percentile,
    "expanded percentile": expanded_percentile,
    "BCa": accelerated,
    "t": plain_t,
    "Wilson, effective cells, t": wilson,
    "log odds, t": log_odds_t,
    "**ours**": ours,
}


def coverage(cohort: Cohort, cohorts: int) -> dict[str, dict[str, tuple[float, float]]]:
    """Return by way and rate how often intervals held, and how wide they were.

    Where the estimates do not spread, every way falls back on the exact limits, as ours does.
    """
    rng = np.random.default_rng(0)
    held = {way: {name: np.zeros(2) for name in cohort.truth} for way in WAYS}
    for _ in range(cohorts // AT_ONCE):
        for name, measure in cohort.repeat(rng, AT_ONCE).items():
            each = Resampled.of(measure)
            fallback, flat = ours(each), each.spread.error < 1e-9
            for way, make in WAYS.items():
                with np.errstate(all="ignore"):
                    low, high = (np.where(flat, *ends) for ends in zip(fallback, make(each), strict=True))
                holds = (low <= cohort.truth[name]) & (cohort.truth[name] <= high)
                held[way][name] += (holds.sum(), (high - low).sum())
    total = cohorts // AT_ONCE * AT_ONCE
    return {way: {name: tuple(sums / total) for name, sums in rates.items()} for way, rates in held.items()}


def coverage_lines(cohorts: int) -> list[str]:
    """Return the tables of intervals: of cells for each kind of patient, and of patients."""
    lines: list[str] = []
    shown = [(f"cells, patients {kind}", {**values, "cells": (5, 30)}) for kind, values in KINDS.items()]
    shown.append(("rows are patients", {**KINDS["as usual"], "cells": (1, 1)}))
    for title, values in shown:
        made = [(size, Cohort(leukemic=size[0], healthy=size[1], **values)) for size in SIZES]
        truth = ", ".join(f"{name} {value:.3f}" for name, value in made[0][1].truth.items())
        heads = " | ".join(f"{name}, {sum(size)}" for size in SIZES for name in made[0][1].truth)
        lines += ["", f"{title.capitalize()} ({truth}):", "", f"| interval | {heads} |"]
        lines.append("| --- |" + " ---: |" * (len(SIZES) * len(made[0][1].truth)))
        found = [coverage(cohort, cohorts) for _, cohort in made]
        for way in WAYS:
            cells = [f"{held:.3f} ({width:.2f})" for each in found for held, width in each[way].values()]
            lines.append(f"| {way} | " + " | ".join(cells) + " |")
    return lines


def basic(each: Resampled) -> Limits:
    """Return the basic bootstrap's limits, 0 or more, the high one no lower than the estimate."""
    low, high = percentile(each)
    return np.maximum(2 * each.estimate - high, 0), np.maximum(2 * each.estimate - low, each.estimate)


def whole(each: Resampled) -> Limits:
    """Return what leukmodels.evaluation does, the low end of a sum of sizes included."""
    found = intervals(each.measure).values()
    return np.array([one.low for one in found]), np.array([one.high for one in found])


OF_PROBABILITIES = {"percentile": percentile, "basic": basic, "as a proportion": ours, "**ours**": whole}


def probability_lines(cohorts: int) -> list[str]:
    """Return the table of Brier score and calibration error."""
    lines = [
        "",
        "## Probabilities",
        "",
        f"Calibration error (ECE) and Brier score of {cohorts} cohorts each: how often the intervals hold the truth "
        "and, in brackets, the mean low end. Chance makes the ECE larger: its estimate is the mean one. As a "
        "proportion: as all other rates.",
        "",
        f"| scores | patients | ECE | estimate | {' | '.join(OF_PROBABILITIES)} | Brier | **ours** |",
        "| --- | ---: | ---: | ---: |" + " ---: |" * (len(OF_PROBABILITIES) + 2),
    ]
    for title, values in PROBABILITIES.items():
        for size in ((10, 10), (15, 15), (30, 30)):
            cohort, rng = Cohort(leukemic=size[0], healthy=size[1], **values), np.random.default_rng(0)
            truth, found = np.array([cohort.calibration[name] for name in ("brier", "ece")]), []
            for _ in range(cohorts):
                each = Resampled.of(probability_metrics(cohort.draw(rng)[0]))
                found.append((each.estimate, *(end for way in OF_PROBABILITIES.values() for end in way(each))))
            estimate, *ends = np.stack(found, axis=1)  # (cohorts, 2) each: Brier score, ECE
            ways = list(zip(ends[::2], ends[1::2], strict=True))
            held = [((low <= truth + 1e-9) & (truth <= high)).mean(axis=0) for low, high in ways]
            figures = [f"{truth[1]:.3f}", f"{estimate[:, 1].mean():.3f}"]
            figures += [
                f"{share:.3f} ({low[:, 1].mean():.3f})" for (_, share), (low, _) in zip(held, ways, strict=True)
            ]
            figures += [f"{truth[0]:.3f}", f"{held[-1][0]:.3f}"]
            lines.append(f"| {title} | {sum(size)} | " + " | ".join(figures) + " |")
    return lines


def promise(
    cohort: Cohort, recall: float, *, models: int, shown: int, alike: float, choices: int
) -> tuple[float, float, float]:
    """Return how often a recall is promised, how often it is and is broken, and how often where it was only measured.

    ``shown`` of the models are chosen from: those with the highest accuracy at 0.5 on the same patients.
    """
    rng = np.random.default_rng(0)
    made = broken = missed = 0
    for _ in range(choices):
        validation, test = (cohort.draw(rng, models=models, alike=alike) for _ in range(2))
        right = [((part.scores >= 0.5) == part.labels).mean() for part in validation]
        few = {number: validation[number] for number in np.argsort(right)[::-1][:shown].tolist()}
        for sure in (True, False):
            with suppress(StudyError):
                chosen = choose(few, min_recall=recall, min_specificity=0.5, sure=sure)
                part = test[chosen.model]
                reached = (part.scores[part.labels == 1] >= chosen.point.threshold).mean() >= recall
                made, broken = made + sure, broken + (sure and not reached)
                missed += not sure and not reached
    return made / choices, broken / choices, missed / choices


def promise_lines(choices: int) -> list[str]:
    """Return the table of promises."""
    lines = [
        "",
        "## Promises",
        "",
        f"{choices} times each: a model and a threshold are chosen on validation patients, for the highest recall "
        "that so many can promise and a specificity of 0.5, and held against as many others. Promised: how often it "
        "could be. Broken: how often it was and others have less, 0.05 at most by what is promised. Measured: how "
        "often others have less where the recall was only measured. Agree: the correlation of two models. 3 of 30: "
        "the three most accurate of thirty on the same patients, which the promise does not know.",
        "",
        "| patients of each class | recall | models | agree | patients | promised | broken | measured |",
        "| ---: | ---: | ---: | ---: | --- | ---: | ---: | ---: |",
    ]
    for size in (6, 12, 26):
        for models, shown, alike in ((1, 1, 1.0), (5, 5, 0.5), (5, 5, 0.9), (30, 3, 0.5)):
            recall = floor(100 * most_promised(size, risk=RISK / shown)) / 100
            for kind, values in PROMISED.items():
                cohort = Cohort(leukemic=size, healthy=size, cells=(20, 60), **values)
                found = promise(cohort, recall, models=models, shown=shown, alike=alike, choices=choices)
                names = str(models) if models == shown else f"{shown} of {models}"
                figures = " | ".join(f"{share:.2f}" for share in found)
                lines.append(f"| {size} | {recall:.2f} | {names} | {alike:.1f} | {kind} | {figures} |")
    return lines


def main() -> None:
    """Simulate, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cohorts", type=int, default=1000)
    parser.add_argument("--choices", type=int, default=100)
    options = parser.parse_args()
    lines = [
        "# How often intervals hold, and promises",
        "",
        f"Two-sided 95 % intervals on {options.cohorts:,} drawn cohorts: how often they hold the truth and, in "
        "brackets, how wide they are, by rate and number of patients (8 + 12, 15 + 15, 30 + 30). Cells of a patient "
        "are alike: their log odds have a normal part for the patient and one for the cell.",
        *coverage_lines(options.cohorts),
        *probability_lines(options.cohorts),
        *promise_lines(options.choices),
    ]
    publish("coverage", lines)


if __name__ == "__main__":
    main()
