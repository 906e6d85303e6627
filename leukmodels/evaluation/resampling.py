"""Intervals by drawing patients with replacement, each class by itself: cells of one patient are alike.

A label is the patient's, so a part with 30 patients holds some thirty independent facts, however many thousand cells.
A draw is a weight for each patient, and a measure is a function of such weights, so that cells are sorted and counted
once and not once a draw.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from leukmodels.errors import DataError
from leukmodels.evaluation.interval import (
    CONFIDENCE,
    Floats,
    Interval,
    Spread,
    limits,
    limits_of_difference,
    low_of_sizes,
)
from leukmodels.evaluation.scored import Groups

DRAWS = 2000
Basis = Literal["leukemic", "healthy", "all", "both"]

_AT_ONCE = 2**20  # weights of rows: with what a measure makes of them, some 50 MB


@dataclass(frozen=True, kw_only=True, eq=False)
class Measure:
    """k numbers in [0, 1] as functions of the patients' weights.

    groups   who is drawn
    basis    of each number, by name: a proportion of the "leukemic", of the "healthy" or of "all" rows, or a number
             that depends on "both" classes in another way
    of       weights (draws, groups) -> values (draws, k), in the order of ``basis``
    gaps     of a number that is a sum of sizes of gaps, by name: weights (draws, groups) -> these gaps (draws, gaps)
    """

    groups: Groups
    basis: Mapping[str, Basis]
    of: Callable[[Floats], Floats]
    gaps: Mapping[str, Callable[[Floats], Floats]] = field(default_factory=dict)

    @property
    def patients(self) -> npt.NDArray[np.int64]:
        """Patients of the class with fewest of those that each number depends on; shape (k,)."""
        return self._counts(all_rows=min)

    @property
    def trials(self) -> npt.NDArray[np.int64]:
        """How many independent answers each number is made of at least; shape (k,)."""
        return self._counts(all_rows=sum)

    @property
    def proportions_of_patients(self) -> npt.NDArray[np.bool_]:
        """Which numbers are proportions of patients that are right or wrong as a whole; shape (k,)."""
        rows_are_patients = len(self.groups.of_row) == len(self.groups)
        return np.array([rows_are_patients and basis != "both" for basis in self.basis.values()])

    def _counts(self, all_rows: Callable[[tuple[int, int]], int]) -> npt.NDArray[np.int64]:
        healthy, leukemic = len(self.groups.members(0)), len(self.groups.members(1))
        sizes = (healthy, leukemic)
        count = {"leukemic": leukemic, "healthy": healthy, "all": all_rows(sizes), "both": min(sizes)}
        return np.array([count[basis] for basis in self.basis.values()])


def intervals(*measures: Measure, confidence: float = CONFIDENCE) -> dict[str, Interval]:
    """Return the numbers of the measures by name, each with its two-sided interval.

    Proportions of patients get the exact limits, all others those of ``interval.limits``, from 2,000 draws of patients
    that are the same every time. A sum of sizes of gaps has the low end of ``interval.low_of_sizes``.
    """
    found: dict[str, Interval] = {}
    for measure in measures:
        estimate, drawn = spread(measure.groups, measure.of)
        whole = measure.proportions_of_patients
        drawn = replace(drawn, error=np.where(whole, 0.0, drawn.error))
        tail = (1 - confidence) / 2
        low, high = limits(estimate, drawn, patients=measure.patients, trials=measure.trials, tail=tail)
        for name, gaps in measure.gaps.items():
            place = list(measure.basis).index(name)
            _, of_gaps = spread(measure.groups, gaps)
            low[place] = min(low[place], low_of_sizes(estimate, drawn, of_gaps, tail)[place])
        found |= _named(measure, estimate, low, high)
    return found


def differences(first: Measure, second: Measure, *, confidence: float = CONFIDENCE) -> dict[str, Interval]:
    """Return by how much the second is above the first, by name, with intervals from the same draws for both.

    Raises DataError unless both are measures of the same rows in the same order.
    """
    if not (
        np.array_equal(first.groups.of_row, second.groups.of_row)
        and np.array_equal(first.groups.labels, second.groups.labels)
        and first.basis == second.basis
    ):
        raise DataError(
            "These models cannot be compared:",
            ["they did not score the same cells in the same order; score the same part with both."],
        )
    estimate, drawn = spread(first.groups, lambda weights: second.of(weights) - first.of(weights))
    tail = (1 - confidence) / 2
    low, high = limits_of_difference(estimate, drawn, patients=first.patients, trials=first.trials, tail=tail)
    return _named(first, estimate, low, high)


def spread(groups: Groups, of: Callable[[Floats], Floats]) -> tuple[Floats, Spread]:
    """Return numbers (k,) of these groups, and how far they spread over 2,000 draws; ``of`` is that of a Measure.

    The pull of a patient is the covariance of its weight with the number (Efron 2014,
    doi:10.1080/01621459.2013.823775): defined for numbers with steps too, such as the recall at a specificity.
    """
    estimate = of(np.ones((1, len(groups))))[0]
    pull = np.zeros((len(groups), len(estimate)))
    total, squares = np.zeros_like(estimate), np.zeros_like(estimate)
    for weights in draws(groups):
        away = of(weights) - estimate
        pull += (weights - 1).T @ away
        total += away.sum(axis=0)
        squares += (away**2).sum(axis=0)
    variance = (squares - total**2 / DRAWS) / (DRAWS - 1)
    sizes = np.bincount(groups.labels, minlength=2)[groups.labels][:, None]
    more = pull / DRAWS * (sizes - 1) / (sizes + 1)
    return estimate, Spread(
        error=np.sqrt(np.maximum(variance, 0)),
        freedom=_freedom(groups, pull),
        down=np.minimum(more.min(axis=0), 0),
        up=np.maximum(more.max(axis=0), 0),
        bias=total / DRAWS,
    )


def _freedom(groups: Groups, pull: Floats) -> Floats:
    """Return the degrees of freedom (k,) of a sum of the variances that the classes contribute."""
    shares, loss = np.zeros(pull.shape[1]), np.zeros(pull.shape[1])
    for label in (0, 1):
        members = groups.members(label)
        if len(members) > 1:
            share = (pull[members] ** 2).sum(axis=0)
            shares += share
            loss += share**2 / (len(members) - 1)
    return np.divide(shares**2, loss, out=np.ones_like(loss), where=loss > 0)


def draws(groups: Groups) -> Iterator[Floats]:
    """Yield 2,000 draws of the groups' weights, some at a time, (some, groups); the same for as many groups every time.

    Of m patients of a class m - 1 are drawn and count m / (m - 1) times each, so that the standard error is that of m
    patients, and not too small by the square root of (m - 1) / m (Rao and Wu 1988, doi:10.1080/01621459.1988.10478591).
    A class of one patient stays as it is.
    """
    classes = [(members, np.random.default_rng(label)) for label in (0, 1) if len(members := groups.members(label)) > 1]
    size = max(1, _AT_ONCE // len(groups.of_row))
    for first in range(0, DRAWS, size):
        some = min(size, DRAWS - first)
        weights = np.ones((some, len(groups)))
        for members, rng in classes:
            m = len(members)
            drawn = rng.integers(m, size=(some, m - 1)) + m * np.arange(some)[:, None]
            weights[:, members] = np.bincount(drawn.ravel(), minlength=some * m).reshape(some, m) * (m / (m - 1))
        yield weights


def _named(measure: Measure, estimate: Floats, low: Floats, high: Floats) -> dict[str, Interval]:
    return {
        name: Interval(estimate=float(estimate[place]), low=float(low[place]), high=float(high[place]))
        for place, name in enumerate(measure.basis)
    }
