"""Who of the front is best on other patients: the winner of many trials is partly luck, a mean of trainings less so.

A configuration is judged by the means of recall and accuracy over its retrainings, side by side and never added up:
over those that all of them had, on the same patients. One that could not be trained every time is behind all others.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from search.study.confirmation_log import Confirmation, Retraining
from search.study.dominance import pareto_mask
from search.study.objectives import OBJECTIVES, Objectives

SHOWN = ("recall", "accuracy", "specificity", "auroc", "balanced_accuracy", "precision", "f1", "log_loss")


@dataclass(frozen=True, kw_only=True)
class Ranked:
    """A configuration over its retrainings.

    means, spreads   of each metric of SHOWN at threshold 0.5; the spread is the standard deviation, 0 of one
    trainings        that succeeded, and ``failures`` that did not
    on_front         nobody has more recall and as much accuracy, or the reverse, of those within the study's bounds
    """

    trial: int
    means: Mapping[str, float]
    spreads: Mapping[str, float]
    trainings: int
    failures: int
    on_front: bool


def rank(confirmation: Confirmation, trials: Sequence[int], objectives: Objectives) -> tuple[Ranked, ...]:
    """Return the trials that were trained again, the front of their means first, each by recall and then accuracy.

    With other options some may have been trained on patients whom others were not, or a training may be missing still:
    what not all of them had does not count, unless nothing is left then.
    """
    measured: dict[int, dict[Retraining, Mapping[str, float]]] = {trial: {} for trial in trials}
    for retraining, metrics in confirmation.retrained.items():
        if retraining.trial in measured:
            measured[retraining.trial][replace(retraining, trial=0)] = metrics
    began = [known for known in measured.values() if known]
    common = set.intersection(*map(set, began)) if began else set()
    compared = {
        trial: [metrics for which, metrics in known.items() if which in common or not common]
        for trial, known in measured.items()
    }
    ranked = [_over(trial, metrics) for trial, metrics in compared.items() if any(metrics)]
    sound = [each for each in ranked if not each.failures and _keeps_bounds(each, objectives)]
    losses = -np.array([[each.means[name] for name in OBJECTIVES] for each in sound]).reshape(-1, len(OBJECTIVES))
    front = {each.trial for each, on_front in zip(sound, pareto_mask(losses), strict=True) if on_front}
    members = [Ranked(**{**vars(each), "on_front": each.trial in front}) for each in ranked]
    return tuple(sorted(members, key=_order))


def _over(trial: int, measured: Sequence[Mapping[str, float]]) -> Ranked:
    whole = [metrics for metrics in measured if metrics]
    values = {name: np.array([metrics[name] for metrics in whole]) for name in SHOWN}
    return Ranked(
        trial=trial,
        means={name: float(value.mean()) for name, value in values.items()},
        spreads={name: float(value.std(ddof=1)) if len(value) > 1 else 0.0 for name, value in values.items()},
        trainings=len(whole),
        failures=len(measured) - len(whole),
        on_front=False,
    )


def _keeps_bounds(each: Ranked, objectives: Objectives) -> bool:
    return each.means["recall"] >= objectives.min_recall and each.means["specificity"] >= objectives.min_specificity


def _order(each: Ranked) -> tuple[bool, bool, float, float, int]:
    return not each.on_front, each.failures > 0, -each.means["recall"], -each.means["accuracy"], each.trial
