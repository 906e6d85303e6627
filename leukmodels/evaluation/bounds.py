"""What recall and specificity exceed on other patients, for a search that holds its trials against it every epoch."""

from collections.abc import Mapping

from leukmodels.evaluation.interval import CONFIDENCE
from leukmodels.evaluation.resampling import intervals
from leukmodels.evaluation.scored import Scored
from leukmodels.evaluation.tables import classification_rates


def lower_bounds(scored: Scored, threshold: float = 0.5) -> Mapping[str, float]:
    """Return recall_low and specificity_low: what recall and specificity exceed with 95 % confidence, one-sided.

    The low ends of ``intervals``, but none above the exact bound of as many patients who are all answered rightly
    (Clopper and Pearson 1934): a search keeps the best of many bounds, so an error must never raise one. Of ten
    patients none exceeds 0.74, of thirty 0.90; of a single patient nothing follows.
    """
    measure = classification_rates(scored, threshold)
    found = intervals(measure, confidence=2 * CONFIDENCE - 1)
    most = dict(zip(measure.basis, (1 - CONFIDENCE) ** (1 / measure.trials), strict=True))
    return {f"{name}_low": float(min(found[name].low, most[name])) for name in ("recall", "specificity")}
