"""Numbers that say how good scores are, in plain numpy.

A cell counts as leukemic when its score reaches the threshold (score >= threshold), here and in the exported predictor.
"""

from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

# Scores are float32 sigmoids: beyond this they saturate, and a log loss without a bound would be infinite.
SCORE_MARGIN = 1e-7


@dataclass(frozen=True, kw_only=True)
class Confusion:
    """Counts of cells by truth and answer; leukemia is the positive class."""

    true_positives: int
    false_positives: int
    true_negatives: int
    false_negatives: int


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """How good a set of scores is; everything lies in [0, 1] and is better when higher, but log_loss.

    recall              leukemic cells found (sensitivity)
    accuracy            cells answered rightly
    specificity         healthy cells left alone
    precision           leukemic cells among those called leukemic; 0 when none is called so
    f1                  harmonic mean of precision and recall
    balanced_accuracy   mean of recall and specificity
    auroc               chance that a leukemic cell outscores a healthy one, ties counted half
    log_loss            mean negative log likelihood in nats, lower is better
    """

    recall: float
    accuracy: float
    specificity: float
    precision: float
    f1: float
    balanced_accuracy: float
    auroc: float
    log_loss: float

    def to_dict(self) -> dict[str, float]:
        """Return name -> value in order of declaration."""
        return asdict(self)


def score(labels: npt.ArrayLike, scores: npt.ArrayLike, threshold: float = 0.5) -> Metrics:
    """Return the metrics of scores in [0, 1] against labels 0 or 1, both of shape (n,).

    Raises ValueError if the shapes differ, a score is no probability, or a class is missing (recall, specificity and
    AUROC would be undefined).
    """
    truth, probability = np.asarray(labels), np.asarray(scores, dtype=np.float64)
    _check(truth, probability)
    leukemic = truth == 1
    counts = confusion(leukemic, probability >= threshold)
    recall = counts.true_positives / (counts.true_positives + counts.false_negatives)
    specificity = counts.true_negatives / (counts.true_negatives + counts.false_positives)
    called = counts.true_positives + counts.false_positives
    return Metrics(
        recall=recall,
        accuracy=(counts.true_positives + counts.true_negatives) / truth.size,
        specificity=specificity,
        precision=counts.true_positives / called if called else 0.0,
        f1=2 * counts.true_positives / (2 * counts.true_positives + counts.false_positives + counts.false_negatives),
        balanced_accuracy=(recall + specificity) / 2,
        auroc=_auroc(leukemic, probability),
        log_loss=_log_loss(leukemic, probability),
    )


def tuned(labels: npt.ArrayLike, scores: npt.ArrayLike) -> dict[str, float]:
    """Return tuned_recall and tuned_accuracy: at the threshold with the highest mean of recall and specificity.

    What the scores are worth apart from where 0.5 happens to lie among them, which moves from epoch to epoch. Of equal
    thresholds the lowest is taken, with the highest recall. Arguments and errors as in ``score``.
    """
    truth, probability = np.asarray(labels), np.asarray(scores, dtype=np.float64)
    _check(truth, probability)
    thresholds, place = np.unique(probability, return_inverse=True)
    leukemic, healthy = (np.bincount(place[truth == label], minlength=len(thresholds)) for label in (1, 0))
    found = leukemic[::-1].cumsum()[::-1]  # at each threshold, from the lowest
    spared = healthy.cumsum() - healthy
    best = int(np.argmax(found * healthy.sum() + spared * leukemic.sum()))  # in whole numbers, so that ties are ties
    return {
        "tuned_recall": float(found[best] / leukemic.sum()),
        "tuned_accuracy": float((found[best] + spared[best]) / truth.size),
    }


def confusion(truth: npt.NDArray[np.bool_], answer: npt.NDArray[np.bool_]) -> Confusion:
    """Return the counts of two boolean arrays of shape (n,), True for leukemia."""
    return Confusion(
        true_positives=int(np.count_nonzero(truth & answer)),
        false_positives=int(np.count_nonzero(~truth & answer)),
        true_negatives=int(np.count_nonzero(~truth & ~answer)),
        false_negatives=int(np.count_nonzero(truth & ~answer)),
    )


def _check(truth: npt.NDArray[np.generic], probability: npt.NDArray[np.float64]) -> None:
    if truth.ndim != 1 or truth.shape != probability.shape:
        raise ValueError(f"labels have shape {truth.shape} and scores {probability.shape}; expected (n,) for both")
    if not np.all((probability >= 0) & (probability <= 1)):
        raise ValueError("scores hold a value that is no probability; expected numbers from 0 to 1")
    if (found := set(np.unique(truth).tolist())) != {0, 1}:
        raise ValueError(f"labels hold {sorted(found)}; expected both classes, 0 (control) and 1 (leukemia)")


def _auroc(leukemic: npt.NDArray[np.bool_], probability: npt.NDArray[np.float64]) -> float:
    """Return the Mann-Whitney statistic over its maximum, from mean ranks of tied scores."""
    _, position, counts = np.unique(probability, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[position]
    positives = int(np.count_nonzero(leukemic))
    negatives = leukemic.size - positives
    return float((ranks[leukemic].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def _log_loss(leukemic: npt.NDArray[np.bool_], probability: npt.NDArray[np.float64]) -> float:
    bounded = np.clip(probability, SCORE_MARGIN, 1 - SCORE_MARGIN)
    return float(-np.log(np.where(leukemic, bounded, 1 - bounded)).mean())
