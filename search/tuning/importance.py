"""Which hyperparameters mattered: Optuna's PED-ANOVA (Watanabe 2023, arXiv:2304.10255).

Of the complete trials within the bounds: "everything is leukemia" has the best recall of all. Stopped trials have no
outcome, so what made trials so bad that they were stopped is not seen here.
"""

import warnings
from collections.abc import Mapping

import optuna

from leukmodels.space.dimensions import Space
from search.study.objectives import Objectives
from search.study.records import StudyRecord, TrialState
from search.tuning.optuna_study import told

# Of fewer trials the best quarter is too small to say anything.
FEWEST = 12
_BEST = 0.25


def importances(record: StudyRecord, space: Space, objectives: Objectives) -> Mapping[str, Mapping[str, float]]:
    """Return for each objective the share of each hyperparameter in what the best quarter of the trials have in common.

    Shares add up to 1 over the hyperparameters, the largest first. Empty where too few trials are complete and within
    the bounds.
    """
    feasible = [trial for trial in record.by_state(TrialState.COMPLETE) if objectives.is_feasible(trial.metrics)]
    if len(feasible) < FEWEST:
        return {}
    # Only now: it brings scikit-learn, a second of the start of every search.
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    study = told(StudyRecord(trials={trial.number: trial for trial in feasible}), space, objectives)
    evaluator = PedAnovaImportanceEvaluator(target_quantile=_BEST)
    found = {}
    with warnings.catch_warnings(action="ignore"):  # it warns that lower is taken for better, which is meant
        for place, (name, direction) in enumerate(zip(objectives.names, objectives.directions, strict=True)):
            sign = 1.0 if direction == "minimize" else -1.0

            def loss(trial: optuna.trial.FrozenTrial, place: int = place, sign: float = sign) -> float:
                return sign * float(trial.values[place])

            found[name] = get_param_importances(study, evaluator=evaluator, target=loss)
    return found
