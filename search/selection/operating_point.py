"""Which model is taken, and at which threshold: that of its test, one that keeps a promise of recall, or one half."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from leukmodels.evaluation import operating
from leukmodels.evaluation.bounds import lower_bounds
from leukmodels.evaluation.costs import COSTS
from leukmodels.evaluation.metrics import score
from leukmodels.evaluation.scored import Scored
from leukmodels.training.scoring import read_scores
from search.selection.preference import Preference
from search.study.confirmation_log import TestAccess
from search.study.folder import StudyFolder
from search.study.integrity import validation_scores
from search.study.manifest import Manifest
from search.study.objectives import THRESHOLD
from search.study.opened import Study
from search.study.records import TrialRecord


@dataclass(frozen=True, kw_only=True)
class OperatingPoint:
    """A model in use.

    threshold   a cell whose score reaches it is called leukemic; settled on validation patients
    metrics     of the validation cells at that threshold, with recall_low and specificity_low
    promised    what the recall of as many other patients exceeds with 95 % confidence; None where nothing was promised
    why         what it was chosen by
    """

    trial: TrialRecord
    threshold: float
    metrics: Mapping[str, float]
    promised: float | None = None
    why: str


def select_operating_point(study: Study, preference: Preference, opening: TestAccess | None = None) -> OperatingPoint:
    """Return what the user prefers; StudyError, with what to do, where there is none.

    ``opening`` is the last of the test patients. Unless a recall is wished for, a model that they were opened for is
    used at the threshold that it was then held to; and who says nothing prefers the first of those models. A recall
    that validation patients are to have is looked for at all thresholds of all trials; one that others are to have on
    the front alone, as every model to choose from makes a promise harder.
    """
    folder, front, objectives = study.folder, study.front, study.objectives
    confirmed = opening.chosen if opening else ()
    if preference == Preference() and confirmed:
        preference, why = Preference(trial=confirmed[0].trial), f"its confirmation: {confirmed[0].why}"
    else:
        why = preference.describe()
    others = (*front.dominated, *front.infeasible)
    usable = [
        trial
        for trial in others
        if objectives.within_cost_limits(trial.metrics) and folder.scores(trial.number).is_file()
    ]
    candidates = front.trials if preference.sure else (*front.trials, *usable)
    if preference.min_recall is not None and candidates:
        return with_guaranteed_recall(
            folder,
            candidates,
            min_recall=preference.min_recall,
            min_specificity=objectives.min_specificity,
            sure=preference.sure,
            why=why,
        )
    trial = preference.choose(front, objectives)
    held = next((each for each in confirmed if each.trial == trial.number), None)
    if held is None:
        return OperatingPoint(trial=trial, threshold=THRESHOLD, metrics=trial.metrics, why=why)
    metrics = _measured(trial, _scored(folder, trial), held.threshold)
    return OperatingPoint(trial=trial, threshold=held.threshold, metrics=metrics, promised=held.promised, why=why)


def with_guaranteed_recall(
    folder: StudyFolder,
    trials: Sequence[TrialRecord],
    *,
    min_recall: float,
    min_specificity: float,
    sure: bool,
    why: str,
) -> OperatingPoint:
    """Return the trial and threshold with the highest accuracy of those with this recall on validation patients.

    With ``sure`` as many other patients will have it, with 95 % confidence, as far as resampling the validation
    patients tells. StudyError where no trial has it, or a trial's scores are gone.
    """
    models = {trial.number: _scored(folder, trial) for trial in trials}
    choice = operating.choose(
        models,
        min_recall=min_recall,
        min_specificity=min_specificity,
        sure=sure,
        kind="trial",
        terms=Manifest.read(folder).terms,
    )
    (trial,) = (trial for trial in trials if trial.number == choice.model)
    threshold = choice.point.threshold
    metrics = _measured(trial, models[choice.model], threshold)
    return OperatingPoint(trial=trial, threshold=threshold, metrics=metrics, promised=choice.promised, why=why)


def _measured(trial: TrialRecord, scored: Scored, threshold: float) -> Mapping[str, float]:
    """Return a trial's metrics of the validation cells at a threshold; what it costs does not depend on that."""
    measured = score(scored.labels, scored.scores, threshold).to_dict()
    costs = {name: trial.metrics[name] for name in COSTS if name in trial.metrics}
    return {**measured, **lower_bounds(scored, threshold), **costs}


def _scored(folder: StudyFolder, trial: TrialRecord) -> Scored:
    return Scored.from_table(read_scores(validation_scores(folder, trial)))
