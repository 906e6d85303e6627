"""Numbers that say how good scores are, for every epoch of a search; leukmodels.evaluation has those for readers.

A cell counts as leukemic when its score reaches the threshold (score >= threshold), here and in the exported predictor.
"""

from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from leukmodels.evaluation.calibration import log_loss
from leukmodels.evaluation.curves import auroc
from leukmodels.evaluation.tables import outcomes, rates

_RATES = ("recall", "accuracy", "specificity", "precision", "f1", "balanced_accuracy")


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
    truth, probability = _checked(labels, scores)
    found = rates(np.bincount(outcomes(truth, probability >= threshold), minlength=4).astype(np.float64))
    return Metrics(
        **{name: float(found[name]) for name in _RATES},
        auroc=auroc(truth, probability),
        log_loss=log_loss(truth, probability),
    )


def _checked(labels: npt.ArrayLike, scores: npt.ArrayLike) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float64]]:
    truth, probability = np.asarray(labels), np.asarray(scores, dtype=np.float64)
    if truth.ndim != 1 or truth.shape != probability.shape:
        raise ValueError(f"labels have shape {truth.shape} and scores {probability.shape}; expected (n,) for both")
    if not np.all((probability >= 0) & (probability <= 1)):
        raise ValueError("scores hold a value that is no probability; expected numbers from 0 to 1")
    if (found := set(np.unique(truth).tolist())) != {0, 1}:
        raise ValueError(f"labels hold {sorted(found)}; expected both classes, 0 (control) and 1 (leukemia)")
    return truth.astype(np.uint8), probability
