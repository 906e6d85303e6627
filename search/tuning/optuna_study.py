"""What the journal says, as an Optuna study in memory: each trial is told as what it is, see ``searcher``."""

from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState as OptunaState
from optuna.trial import create_trial

from leukmodels.space.dimensions import Choice, Dimension, Float, Int, Space
from search.study.objectives import Objectives
from search.study.records import StudyRecord, TrialRecord, TrialState

STATES = {
    TrialState.COMPLETE: OptunaState.COMPLETE,
    TrialState.STOPPED: OptunaState.PRUNED,
    TrialState.FAILED: OptunaState.FAIL,
}


def told(
    record: StudyRecord,
    space: Space,
    objectives: Objectives,
    sampler: optuna.samplers.BaseSampler | None = None,
    *,
    learnt: Sequence[optuna.trial.FrozenTrial] = (),
) -> optuna.Study:
    """Return an Optuna study that knows what the journal's fold says of every trial; unfinished ones are enqueued.

    ``learnt`` are another study's trials, which come first.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(directions=objectives.directions, sampler=sampler)
    study.add_trials(learnt)
    for number in sorted(record.trials):
        trial = record.trials[number]
        if trial.state is TrialState.RUNNING:
            study.enqueue_trial(dict(trial.params), user_attrs={"number": number})
        else:
            study.add_trial(_as_told(trial, space, objectives))
    return study


def constraints(trial: TrialRecord, objectives: Objectives) -> dict[str, float]:
    """Return by how much an ended trial breaks what it should keep, as Optuna is told it."""
    match trial.state:
        case TrialState.COMPLETE:
            return objectives.violations(trial.metrics)
        case TrialState.STOPPED:
            last = trial.decisions[-1] if trial.decisions else None
            place = last.rank / last.size if last else 1.0
            return {"stopped": (1.0 + place) / (1.0 + len(trial.epochs))}
        case _:
            return {}


def _as_told(trial: TrialRecord, space: Space, objectives: Objectives) -> optuna.trial.FrozenTrial:
    if trial.state is TrialState.COMPLETE:
        return complete(trial.params, trial.metrics, space, objectives)
    return create_trial(
        state=STATES[trial.state],
        params=dict(trial.params),
        distributions={name: distribution(space.dimensions[name]) for name in trial.params},
        constraints=constraints(trial, objectives),
    )


def complete(
    params: Mapping[str, Any], metrics: Mapping[str, float], space: Space, objectives: Objectives
) -> optuna.trial.FrozenTrial:
    """Return a complete trial with these hyperparameters and metrics."""
    return create_trial(
        state=OptunaState.COMPLETE,
        params=dict(params),
        distributions={name: distribution(space.dimensions[name]) for name in params},
        values=objectives.values(metrics),
        constraints=objectives.violations(metrics),
    )


def distribution(dimension: Dimension) -> BaseDistribution:
    """Return Optuna's distribution of ``dimension``; both ends of a range are included on both sides."""
    match dimension:
        case Int(low=low, high=high, log=log, step=step):
            return IntDistribution(low, high, log=log, step=step)
        case Float(low=low, high=high, log=log):
            return FloatDistribution(low, high, log=log)
        case Choice(options=options):
            return CategoricalDistribution(options)
