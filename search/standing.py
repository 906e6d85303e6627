"""Where a study stands: who is feasible, who is on the front, how much they dominate, and whom to choose.

The front is made of the complete trials that keep the study's bounds (see ``aims``).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from leukmodels.errors import StudyError
from search import front
from search.aims import Aims
from search.records import StudyRecord, TrialRecord, TrialState

Preference = Literal["recall", "accuracy", "balanced"]


@dataclass(frozen=True, kw_only=True)
class Standing:
    """The front (by recall, highest first), the other feasible and the infeasible complete trials; the hypervolume."""

    front: tuple[TrialRecord, ...]
    dominated: tuple[TrialRecord, ...]
    infeasible: tuple[TrialRecord, ...]
    hypervolume: float


def stand(record: StudyRecord, aims: Aims) -> Standing:
    """Return where the study stands; the hypervolume is measured from recall 0 and accuracy 0, so it lies in [0, 1].

    That of a third objective is measured from its ceiling, see ``aims.COSTS``.
    """
    complete = record.by_state(TrialState.COMPLETE)
    feasible = [trial for trial in complete if aims.admit(trial.metrics)]
    losses = np.array([aims.losses(trial.metrics) for trial in feasible]).reshape(-1, len(aims.objectives))
    mask = front.pareto_mask(losses)
    members = [trial for trial, on_front in zip(feasible, mask, strict=True) if on_front]
    return Standing(
        front=tuple(sorted(members, key=lambda trial: (*aims.losses(trial.metrics), trial.number))),
        dominated=tuple(trial for trial, on_front in zip(feasible, mask, strict=True) if not on_front),
        infeasible=tuple(trial for trial in complete if not aims.admit(trial.metrics)),
        hypervolume=front.hypervolume(losses, np.ones(len(aims.objectives))),
    )


def advance(standing: Standing, finished: Iterable[TrialRecord], aims: Aims) -> Standing:
    """Return the standing of the front so far and the newcomers.

    Front and hypervolume are those of all trials, for the price of a front; ``dominated`` and ``infeasible`` hold only
    who has come or gone just now.
    """
    return stand(StudyRecord(trials={trial.number: trial for trial in (*standing.front, *finished)}), aims)


def hypervolumes(record: StudyRecord, aims: Aims) -> list[tuple[int, float]]:
    """Return (trial number, hypervolume once it had finished) over the complete trials in order of finishing."""
    standing = stand(StudyRecord(), aims)
    reached: list[tuple[int, float]] = []
    for trial in sorted(record.by_state(TrialState.COMPLETE), key=lambda trial: (trial.finished or 0.0, trial.number)):
        standing = advance(standing, [trial], aims)
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
                f"No trial is on the front: all {len(standing.infeasible)} complete trials break a bound. "
                "Resume the study with more --trials, or start one with wider bounds (a lower --min-specificity)."
            )
        raise StudyError("No trial is on the front: none is complete. Resume the study, or give it more time.")
    if min_recall is not None:
        reaching = [trial for trial in members if trial.metrics["recall"] >= min_recall]
        if not reaching:
            raise StudyError(
                f"No trial reaches a recall of {min_recall:g}; the front's highest is "
                f"{members[0].metrics['recall']:.3f}. Ask for less, or resume the study with more trials."
            )
        return max(reaching, key=lambda trial: _merits(trial)[::-1])
    match prefer:
        case "recall":
            return max(members, key=_merits)
        case "accuracy":
            return max(members, key=lambda trial: _merits(trial)[::-1])
        case "balanced":
            return max(members, key=lambda trial: (min(_merits(trial)), _merits(trial)))


def _merits(trial: TrialRecord) -> tuple[float, float]:
    return trial.metrics["recall"], trial.metrics["accuracy"]
