"""The table of a classifier: precision, recall, F1 and support of each class, accuracy and averages."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from leukmodels.evaluation.interval import Floats, Interval
from leukmodels.evaluation.resampling import Basis, Measure, intervals
from leukmodels.evaluation.scored import Scored

_BASIS: Mapping[str, Basis] = {
    "recall": "leukemic",
    "specificity": "healthy",
    "accuracy": "all",
    "balanced_accuracy": "both",
    "precision": "both",
    "f1": "both",
    "control_precision": "both",
    "control_f1": "both",
    "macro_precision": "both",
    "macro_f1": "both",
    "weighted_precision": "both",
    "weighted_f1": "both",
}


@dataclass(frozen=True, kw_only=True)
class Row:
    """A class, or an average of both; support is the number of its rows."""

    precision: Interval
    recall: Interval
    f1: Interval
    support: int


@dataclass(frozen=True, kw_only=True)
class Table:
    """How the answers at a threshold are, by class; macro averages classes, weighted averages rows."""

    control: Row
    leukemia: Row
    accuracy: Interval
    macro: Row
    weighted: Row


def rates(counts: Floats) -> dict[str, Floats]:
    """Return the rates (...) of counts (..., 4): true negatives, false positives, false negatives, true positives.

    recall               leukemic rows found (sensitivity)
    specificity          healthy rows left alone
    accuracy             rows answered rightly
    balanced_accuracy    mean of recall and specificity
    precision            leukemic rows among those called leukemic; 0 when none is called so
    f1                   harmonic mean of precision and recall
    control_precision    healthy rows among those left alone; 0 when none is
    control_f1           harmonic mean of it and the specificity
    macro_, weighted_    means over the classes, and weighted by their rows
    """
    spared, alarms, missed, found = np.moveaxis(counts, -1, 0)
    leukemic, healthy = found + missed, spared + alarms
    rows = leukemic + healthy
    recall, specificity = found / leukemic, spared / healthy
    precision, control_precision = _share(found, found + alarms), _share(spared, spared + missed)
    f1, control_f1 = 2 * found / (leukemic + found + alarms), 2 * spared / (healthy + spared + missed)
    return {
        "recall": recall,
        "specificity": specificity,
        "accuracy": (found + spared) / rows,
        "balanced_accuracy": (recall + specificity) / 2,
        "precision": precision,
        "f1": f1,
        "control_precision": control_precision,
        "control_f1": control_f1,
        "macro_precision": (precision + control_precision) / 2,
        "macro_f1": (f1 + control_f1) / 2,
        "weighted_precision": (precision * leukemic + control_precision * healthy) / rows,
        "weighted_f1": (f1 * leukemic + control_f1 * healthy) / rows,
    }


def outcomes(labels: npt.NDArray[np.uint8], called: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Return the place of each row's outcome (n,) in the counts of ``rates``."""
    return 2 * labels.astype(np.int64) + called


def classification_rates(scored: Scored, threshold: float = 0.5) -> Measure:
    """Return the rates of the answers at a threshold (score >= threshold is leukemic) as a measure."""
    counts = scored.groups.sums(outcomes(scored.labels, scored.scores >= threshold), 4)
    return Measure(
        groups=scored.groups,
        basis=_BASIS,
        of=lambda weights: np.stack(list(rates(weights @ counts).values()), axis=-1),
    )


def table(scored: Scored, threshold: float = 0.5) -> Table:
    """Return the table of the answers at a threshold, of cells or of patients as the rows are."""
    found = intervals(classification_rates(scored, threshold))
    healthy, leukemic = np.bincount(scored.labels, minlength=2).tolist()

    def row(precision: str, recall: str, f1: str, support: int) -> Row:
        return Row(precision=found[precision], recall=found[recall], f1=found[f1], support=support)

    return Table(
        control=row("control_precision", "specificity", "control_f1", healthy),
        leukemia=row("precision", "recall", "f1", leukemic),
        accuracy=found["accuracy"],
        macro=row("macro_precision", "balanced_accuracy", "macro_f1", healthy + leukemic),
        weighted=row("weighted_precision", "accuracy", "weighted_f1", healthy + leukemic),
    )


def _share(part: Floats, whole: Floats) -> Floats:
    return np.divide(part, whole, out=np.zeros_like(whole), where=whole > 0)
