"""A number and how sure it is: limits for few patients, and exact ones."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv, expit, logit, stdtrit

CONFIDENCE = 0.95
_SIZE_BY_CHANCE = np.sqrt(2 / np.pi)  # mean size of a normal number with mean 0, in standard deviations
_ROUNDING = 1e-9  # an error below this is that of the arithmetic

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.integer | np.floating]


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A number for a reader; on patients like these the truth lies from low to high 95 times in 100."""

    estimate: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Spread:
    """What it does to k estimates that these patients were drawn, and not others; each (k,).

    error     standard error
    freedom   its degrees of freedom, of Welch and Satterthwaite where both classes have a share
    down      what one patient more, like the one who pulls it down most, would do to it; 0 or less
    up        the same upwards; 0 or more
    bias      how much too high it is on average
    """

    error: Floats
    freedom: Floats
    down: Floats
    up: Floats
    bias: Floats


def exact(estimate: Floats, trials: Counts, tail: float) -> tuple[Floats, Floats]:
    """Return the limits (k,) of Clopper and Pearson (1934) for proportions of so many trials, ``tail`` beyond each.

    12 of 12 is surely (tail 0.025) above 0.735, 30 of 30 above 0.884, 60 of 60 above 0.940. Estimates that are no
    proportion of whole trials lie between those that are.
    """
    right = estimate * trials
    low = np.where(right > 0, betaincinv(np.maximum(right, 1e-12), trials - right + 1, tail), 0.0)
    high = np.where(right < trials, betaincinv(right + 1, np.maximum(trials - right, 1e-12), 1 - tail), 1.0)
    return low, high


def limits(estimate: Floats, spread: Spread, *, patients: Counts, trials: Counts, tail: float) -> tuple[Floats, Floats]:
    """Return the limits (k,) of estimates in [0, 1], ``tail`` beyond each.

    A t interval on the log odds, whose end towards one half moves by one patient more, like the one who pulls hardest
    that way: rates are skewed, the hard case is often not among a few patients, and then the standard error is too
    small as well. Chosen among others by simulation (results/benchmarks/coverage.md). A bias moves the end on its side.

    No limit is farther than if every patient were all right or all wrong (``exact``, of so many trials), which is also
    what remains where the estimates do not spread, as with perfect scores. ``patients`` are those of the class with
    fewest: of a single one nothing follows.
    """
    low, high = exact(estimate, trials, tail)
    slope = estimate * (1 - estimate)
    with np.errstate(divide="ignore", invalid="ignore"):
        reach = -stdtrit(spread.freedom, tail) * spread.error
        below = reach + np.maximum(spread.bias, 0) - np.where(estimate > 0.5, spread.down, 0)
        above = reach + np.maximum(-spread.bias, 0) + np.where(estimate < 0.5, spread.up, 0)
        nearer, farther = expit(logit(estimate) - below / slope), expit(logit(estimate) + above / slope)
    spreads = (spread.error > _ROUNDING) & (slope > 0)
    low = np.where(spreads, np.maximum(low, nearer), low)
    high = np.where(spreads, np.minimum(high, farther), high)
    return np.where(patients < 2, 0.0, low), np.where(patients < 2, 1.0, high)


def low_of_sizes(estimate: Floats, spread: Spread, gaps: Spread, tail: float) -> Floats:
    """Return the low limits (k,), 0 or more, of sums of the sizes of ``gaps``, ``tail`` below each.

    Chance makes gaps where there are none: one with the standard error s has a size of s * sqrt(2 / pi) on average. The
    low end of a t interval therefore moves down by what chance makes of all gaps. It holds where there is no gap, and
    is too low rather than too high where there are some (the bias: Kumar et al. 2019, arXiv:1909.10155; Roelofs et al.
    2022, arXiv:2012.08668). The draws start from gaps that chance made larger, and see but two fifths of the bias where
    there is none: neither the basic bootstrap nor a correction by their mean holds (results/benchmarks/coverage.md).
    """
    by_chance = _SIZE_BY_CHANCE * gaps.error.sum()
    return np.asarray(np.maximum(estimate - by_chance + stdtrit(spread.freedom, tail) * spread.error, 0))


def limits_of_difference(
    estimate: Floats, spread: Spread, *, patients: Counts, trials: Counts, tail: float
) -> tuple[Floats, Floats]:
    """Return the limits (k,) of differences of two such estimates, in [-1, 1].

    A t interval with one patient more at both ends; where nobody tells the two apart, the exact limits of so many
    patients who do not.
    """
    with np.errstate(invalid="ignore"):
        reach = -stdtrit(spread.freedom, tail) * spread.error
    spreads = spread.error > _ROUNDING
    unseen = 1 - tail ** (1 / trials)
    low = estimate - np.where(spreads, reach - spread.down, unseen)
    high = estimate + np.where(spreads, reach + spread.up, unseen)
    return np.where(patients < 2, -1.0, np.maximum(low, -1)), np.where(patients < 2, 1.0, np.minimum(high, 1))
