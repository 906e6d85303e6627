"""Where a study stands: who is feasible, who is on the front, and how much they dominate.

The front is made of the complete trials that keep the study's bounds (see ``aims``).
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from search import front
from search.aims import Aims
from search.records import StudyRecord, TrialRecord, TrialState


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


def complete(standing: Standing) -> tuple[TrialRecord, ...]:
    """Return every complete trial."""
    return (*standing.front, *standing.dominated, *standing.infeasible)


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
