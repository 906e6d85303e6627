"""Which model is taken, and at which threshold: one half, or the one that keeps a promise of recall."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from leukmodels.errors import StudyError
from leukmodels.evaluation import read_scores
from leukmodels.evidence import operating
from leukmodels.evidence.bounds import lower_bounds
from leukmodels.evidence.scored import Scored
from leukmodels.metrics import score
from search.aims import THRESHOLD, Aims
from search.folder import StudyFolder
from search.preference import Preference
from search.records import TrialRecord
from search.standing import Standing

_COSTS = ("latency_ms", "parameters")


@dataclass(frozen=True, kw_only=True)
class Operation:
    """A model in use.

    threshold   a cell whose score reaches it is called leukemic; settled on validation patients
    metrics     of the validation cells at that threshold, with recall_low and specificity_low
    promised    what the recall of as many other patients exceeds with 95 % confidence; None where nothing was promised
    """

    trial: TrialRecord
    threshold: float
    metrics: Mapping[str, float]
    promised: float | None = None


def operate(folder: StudyFolder, standing: Standing, aims: Aims, preference: Preference) -> Operation:
    """Return what the user prefers; StudyError, with what to do, where there is none."""
    if preference.min_recall is None:
        trial = preference.choose(standing, aims)
        return Operation(trial=trial, threshold=THRESHOLD, metrics=trial.metrics)
    preference.choose(standing, aims)  # says why there is nobody to choose
    return promise(
        folder,
        standing.front,
        min_recall=preference.min_recall,
        min_specificity=aims.min_specificity,
        sure=preference.sure,
    )


def promise(
    folder: StudyFolder, trials: Sequence[TrialRecord], *, min_recall: float, min_specificity: float, sure: bool
) -> Operation:
    """Return the trial and threshold with the highest accuracy of those with this recall on validation patients.

    With ``sure`` as many other patients will have it, with 95 % confidence, as far as resampling the validation
    patients tells. StudyError where no trial has it, or a trial's scores are gone.
    """
    models = {trial.number: _scored(folder, trial) for trial in trials}
    choice = operating.choose(models, min_recall=min_recall, min_specificity=min_specificity, sure=sure)
    (trial,) = (trial for trial in trials if trial.number == choice.model)
    scored, threshold = models[choice.model], choice.point.threshold
    measured = score(scored.labels, scored.scores, threshold).to_dict()
    costs = {name: trial.metrics[name] for name in _COSTS if name in trial.metrics}
    metrics = {**measured, **lower_bounds(scored, threshold), **costs}
    return Operation(trial=trial, threshold=threshold, metrics=metrics, promised=choice.promised)


def _scored(folder: StudyFolder, trial: TrialRecord) -> Scored:
    path = folder.trial(trial.number) / "scores.parquet"
    try:
        return Scored.from_table(read_scores(path))
    except FileNotFoundError:
        raise StudyError(
            f"The scores of trial {trial.number} are gone ({path} is missing), so no threshold can be chosen. Choose a "
            "trial by --prefer or --trial, or resume the study."
        ) from None
