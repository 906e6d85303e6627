"""Where a study stands: who is feasible, who is on the front, how much they dominate, and whom to choose.

Recall and accuracy stay two numbers. The front is made of the feasible complete trials; a trial below the specificity
floor ("everything is leukemia") is kept, shown and told to the sampler, but is on no front.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from leukmodels.errors import StudyError
from search import front
from search.records import StudyRecord, TrialRecord, TrialState

OBJECTIVES = ("recall", "accuracy")
Preference = Literal["recall", "accuracy", "balanced"]


@dataclass(frozen=True, kw_only=True)
class Floors:
    """The least specificity and recall that a trial must reach to be feasible, each in [0, 1]."""

    specificity: float = 0.0
    recall: float = 0.0

    def violations(self, metrics: Mapping[str, float]) -> dict[str, float]:
        """Return floor minus value of each floor: the constraints, feasible at zero or less."""
        return {"specificity": self.specificity - metrics["specificity"], "recall": self.recall - metrics["recall"]}

    def admit(self, metrics: Mapping[str, float]) -> bool:
        """Say whether ``metrics`` reach every floor."""
        return all(value <= 0 for value in self.violations(metrics).values())


@dataclass(frozen=True, kw_only=True)
class Standing:
    """The front (by recall, highest first), the other feasible and the infeasible complete trials; the hypervolume."""

    front: tuple[TrialRecord, ...]
    dominated: tuple[TrialRecord, ...]
    infeasible: tuple[TrialRecord, ...]
    hypervolume: float


def values(trial: TrialRecord) -> tuple[float, ...]:
    """Return the objectives of a complete trial, higher is better."""
    return tuple(float(trial.metrics[name]) for name in OBJECTIVES)


def stand(record: StudyRecord, floors: Floors) -> Standing:
    """Return where the study stands; the hypervolume is measured from recall 0 and accuracy 0, so it lies in [0, 1]."""
    complete = record.by_state(TrialState.COMPLETE)
    feasible = [trial for trial in complete if floors.admit(trial.metrics)]
    losses = _losses(feasible)
    mask = front.pareto_mask(losses)
    members = [trial for trial, on_front in zip(feasible, mask, strict=True) if on_front]
    return Standing(
        front=tuple(sorted(members, key=lambda trial: (*(-value for value in values(trial)), trial.number))),
        dominated=tuple(trial for trial, on_front in zip(feasible, mask, strict=True) if not on_front),
        infeasible=tuple(trial for trial in complete if not floors.admit(trial.metrics)),
        hypervolume=front.hypervolume(losses, np.ones(len(OBJECTIVES))),
    )


def advance(standing: Standing, finished: Iterable[TrialRecord], floors: Floors) -> Standing:
    """Return the standing of the front so far and the newcomers.

    Front and hypervolume are those of all trials, for the price of a front; ``dominated`` and ``infeasible`` hold only
    who has come or gone just now.
    """
    return stand(StudyRecord(trials={trial.number: trial for trial in (*standing.front, *finished)}), floors)


def hypervolumes(record: StudyRecord, floors: Floors) -> list[tuple[int, float]]:
    """Return (trial number, hypervolume once it had finished) over the complete trials in order of finishing."""
    standing = stand(StudyRecord(), floors)
    reached: list[tuple[int, float]] = []
    for trial in sorted(record.by_state(TrialState.COMPLETE), key=lambda trial: (trial.finished or 0.0, trial.number)):
        standing = advance(standing, [trial], floors)
        reached.append((trial.number, standing.hypervolume))
    return reached


def choose(standing: Standing, *, prefer: Preference = "recall", min_recall: float | None = None) -> TrialRecord:
    """Return the member of the front that the user prefers.

    ``recall``: the highest recall, accuracy among equals; ``accuracy``: the other way round; ``balanced``: the member
    whose worse objective is best. ``min_recall`` comes first: the most accurate member that reaches it.
    """
    members: Sequence[TrialRecord] = standing.front
    if not members:
        if standing.infeasible:
            raise StudyError(
                f"No trial is on the front: all {len(standing.infeasible)} complete trials are below the floors. "
                "Resume the study with more --trials, or start one with a lower --min-specificity."
            )
        raise StudyError("No trial is on the front: none is complete. Resume the study, or give it more time.")
    if min_recall is not None:
        reaching = [trial for trial in members if trial.metrics["recall"] >= min_recall]
        if not reaching:
            raise StudyError(
                f"No trial reaches a recall of {min_recall:g}; the front's highest is "
                f"{members[0].metrics['recall']:.3f}. Ask for less, or resume the study with more trials."
            )
        return max(reaching, key=lambda trial: values(trial)[::-1])
    match prefer:
        case "recall":
            return max(members, key=values)
        case "accuracy":
            return max(members, key=lambda trial: values(trial)[::-1])
        case "balanced":
            return max(members, key=lambda trial: (min(values(trial)), values(trial)))


def _losses(trials: Sequence[TrialRecord]) -> front.Points:
    return 1.0 - np.array([values(trial) for trial in trials], dtype=np.float64).reshape(-1, len(OBJECTIVES))
