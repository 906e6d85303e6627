"""Whether a probability is one: Brier score and calibration error, temperature, and what an answer means elsewhere."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit

from leukmodels.evaluation.interval import Floats, Interval
from leukmodels.evaluation.resampling import Basis, Measure
from leukmodels.evaluation.scored import Scored

# Scores are float32 sigmoids: beyond this they saturate, and a log loss without a bound would be infinite.
SCORE_MARGIN = 1e-7
BINS = 15

_BASIS: Mapping[str, Basis] = {"brier": "both", "ece": "both"}
_TEMPERATURES = (0.05, 20.0)
_ALIKE = 1e-6  # nats; the search stops within less of an end of the range where there is no lowest loss


@dataclass(frozen=True, kw_only=True)
class Bin:
    """The rows with scores from ``low`` to below ``high``: their mean score and, beside it, how many are leukemic."""

    low: float
    high: float
    mean_score: float
    leukemic_share: float
    count: int


def probability_metrics(scored: Scored) -> Measure:
    """Return how good the scores are as probabilities of leukemia as a measure; both are better when lower.

    brier   mean squared difference of score and truth (Brier 1950)
    ece     expected calibration error: mean over the rows of |mean score - share of leukemic rows| of their bin, of 15
            of equal width (Guo et al. 2017, arXiv:1706.04599). Chance makes it larger, the more so of few patients:
            the low end of its interval allows for that, and is 0 where scores may be probabilities
    """
    groups, gaps = scored.groups, scored.scores - scored.labels
    whole = np.zeros(len(scored), dtype=np.int64)
    rows, squares = groups.sums(whole, 1), groups.sums(whole, 1, gaps**2)
    gaps_of_bins = groups.sums(_bins(scored.scores), BINS, gaps)

    def of(weights: Floats) -> Floats:
        return np.concatenate([weights @ squares / (weights @ rows), np.abs(gaps_of(weights)).sum(1)[:, None]], axis=1)

    def gaps_of(weights: Floats) -> Floats:
        return np.asarray(weights @ gaps_of_bins / (weights @ rows))

    return Measure(groups=groups, basis=_BASIS, of=of, gaps={"ece": gaps_of})


def reliability(scored: Scored) -> tuple[Bin, ...]:
    """Return the bins of the calibration error that hold a row, by rising score."""
    bins = _bins(scored.scores)
    counts, leukemic, total = (
        np.bincount(bins, weights, minlength=BINS) for weights in (None, scored.labels, scored.scores)
    )
    return tuple(
        Bin(
            low=place / BINS,
            high=(place + 1) / BINS,
            mean_score=float(total[place] / counts[place]),
            leukemic_share=float(leukemic[place] / counts[place]),
            count=int(counts[place]),
        )
        for place in np.flatnonzero(counts).tolist()
    )


def log_loss(labels: npt.NDArray[np.uint8], scores: Floats) -> float:
    """Return the mean negative log likelihood in nats, of scores kept 1e-7 from 0 and 1."""
    bounded = np.clip(scores, SCORE_MARGIN, 1 - SCORE_MARGIN)
    return float(-np.log(np.where(labels == 1, bounded, 1 - bounded)).mean())


def fit_temperature(scored: Scored) -> float:
    """Return the temperature, 0.05 to 20, with which validation scores have the lowest log loss; NaN where none has.

    Above 1 the scores were too sure, below 1 not sure enough. One number (Guo et al. 2017) cannot change the order of
    scores, nor what a threshold that moves along separates. The loss is convex in 1 / temperature.

    Not identified (NaN): the loss is as low at an end of the range. Scores that separate the classes could be ever
    surer, those that say the opposite ever less sure, and for scores of 0.5 all temperatures are the same.
    """
    from scipy.optimize import minimize_scalar  # takes longer to import than all else that training measures with

    low, high = _TEMPERATURES
    odds = _log_odds(scored.scores)
    right = np.where(scored.labels == 1, odds, -odds)

    def loss(sharpness: float) -> float:
        return float(np.logaddexp(0, -sharpness * right).mean())  # without a bound, which would make it flat

    found = minimize_scalar(loss, bounds=(1 / high, 1 / low), method="bounded", options={"xatol": 1e-6})
    identified = found.fun < min(loss(1 / high), loss(1 / low)) - _ALIKE
    return float(1 / found.x) if identified else math.nan


def temper(scored: Scored, temperature: float) -> Scored:
    """Return the scores with their log odds divided by a temperature; as they are where it is NaN, not identified."""
    return scored if math.isnan(temperature) else replace(scored, scores=_divided(scored.scores, temperature))


def predictive_values(recall: Interval, specificity: Interval, prevalence: float) -> tuple[Interval, Interval]:
    """Return PPV and NPV where this share of the cells (or patients) is leukemic, 0 to 1 exclusive.

    That a row called leukemic is so, and that one left alone is healthy, by Bayes' rule. The ends come from the ends of
    recall and specificity, as both values rise with both: not less sure than either.
    """
    if not 0 < prevalence < 1:
        raise ValueError(f"prevalence is {prevalence}; expected a share above 0 and below 1")
    pairs = [(getattr(recall, end), getattr(specificity, end)) for end in ("estimate", "low", "high")]
    ill, well = prevalence, 1 - prevalence
    positive = [_posterior(ill * r, well * (1 - s)) for r, s in pairs]
    negative = [_posterior(well * s, ill * (1 - r)) for r, s in pairs]
    ppv, npv = (Interval(estimate=each[0], low=each[1], high=each[2]) for each in (positive, negative))
    return ppv, npv


def _posterior(right: float, wrong: float) -> float:
    return right / (right + wrong) if right + wrong else 0.0


def _divided(scores: Floats, temperature: float) -> Floats:
    return np.asarray(expit(_log_odds(scores) / temperature))


def _log_odds(scores: Floats) -> Floats:
    return np.asarray(logit(np.clip(scores, SCORE_MARGIN, 1 - SCORE_MARGIN)))


def _bins(scores: Floats) -> npt.NDArray[np.int64]:
    """Return the bin of each score; 1 belongs to the last."""
    return np.minimum((scores * BINS).astype(np.int64), BINS - 1)
