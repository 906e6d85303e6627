"""Where a study stands: who is feasible, who is on the front, and how much they dominate.

The front is made of the complete trials that keep the study's bounds (see ``objectives``).
"""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from leukmodels.process.words import plural
from search.study import dominance
from search.study.objectives import Objectives
from search.study.records import StudyRecord, TrialRecord, TrialState


@dataclass(frozen=True, kw_only=True)
class ParetoFront:
    """The front (by recall, highest first), the other feasible and the infeasible complete trials; the hypervolume."""

    trials: tuple[TrialRecord, ...]
    dominated: tuple[TrialRecord, ...]
    infeasible: tuple[TrialRecord, ...]
    hypervolume: float

    @property
    def why_empty(self) -> str:
        """Why there is no trial on the front, in a sentence."""
        if not self.infeasible:
            return "No trial is on the front: none is complete."
        of = plural(len(self.infeasible), "complete trial")
        return f"No trial is on the front: none of {of} keeps the bounds (specificity, recall or cost)."


def pareto_front(record: StudyRecord, objectives: Objectives) -> ParetoFront:
    """Return where the study stands; the hypervolume is measured from recall 0 and accuracy 0, so it lies in [0, 1].

    That of a third objective is measured from its ceiling, see ``COSTS``.
    """
    complete = record.by_state(TrialState.COMPLETE)
    feasible = [trial for trial in complete if objectives.is_feasible(trial.metrics)]
    losses = np.array([objectives.minimised(trial.metrics) for trial in feasible]).reshape(-1, len(objectives.names))
    mask = dominance.pareto_mask(losses)
    members = [trial for trial, on_front in zip(feasible, mask, strict=True) if on_front]
    return ParetoFront(
        trials=tuple(sorted(members, key=lambda trial: (*objectives.minimised(trial.metrics), trial.number))),
        dominated=tuple(trial for trial, on_front in zip(feasible, mask, strict=True) if not on_front),
        infeasible=tuple(trial for trial in complete if not objectives.is_feasible(trial.metrics)),
        hypervolume=dominance.hypervolume(losses, np.ones(len(objectives.names))),
    )


def complete(front: ParetoFront) -> tuple[TrialRecord, ...]:
    """Return every complete trial."""
    return (*front.trials, *front.dominated, *front.infeasible)


def extended(front: ParetoFront, finished: Iterable[TrialRecord], objectives: Objectives) -> ParetoFront:
    """Return the front of those so far and the newcomers.

    Front and hypervolume are those of all trials, for the price of a front; ``dominated`` and ``infeasible`` hold only
    who has come or gone just now.
    """
    return pareto_front(StudyRecord(trials={trial.number: trial for trial in (*front.trials, *finished)}), objectives)


def hypervolumes(record: StudyRecord, objectives: Objectives) -> list[tuple[int, float]]:
    """Return (trial number, hypervolume once it had finished) over the complete trials in order of finishing."""
    front = pareto_front(StudyRecord(), objectives)
    reached: list[tuple[int, float]] = []
    for trial in sorted(record.by_state(TrialState.COMPLETE), key=lambda trial: (trial.finished or 0.0, trial.number)):
        front = extended(front, [trial], objectives)
        reached.append((trial.number, front.hypervolume))
    return reached


@dataclass(frozen=True, kw_only=True)
class Effort:
    """What a search had reached for how much: after each ended trial the epochs and seconds of all, and the volume."""

    epochs: tuple[int, ...] = ()
    seconds: tuple[float, ...] = ()
    volumes: tuple[float, ...] = ()

    @property
    def spent(self) -> int:
        """The epochs of all trials that have ended."""
        return self.epochs[-1] if self.epochs else 0

    def volume_at(self, epochs: int) -> float:
        """Return the hypervolume when so many epochs were spent."""
        ended = bisect_right(self.epochs, epochs)
        return self.volumes[ended - 1] if ended else 0.0

    def seconds_at(self, epochs: int) -> float:
        """Return the seconds of training and validation when so many epochs were spent."""
        ended = bisect_right(self.epochs, epochs)
        return self.seconds[ended - 1] if ended else 0.0

    def epochs_to(self, volume: float) -> int | None:
        """Return the epochs after which the hypervolume was that large, None where it never was."""
        return next((spent for spent, had in zip(self.epochs, self.volumes, strict=True) if had >= volume), None)


def effort(record: StudyRecord, objectives: Objectives) -> Effort:
    """Return the effort of a study, its trials in order of finishing."""
    ended = sorted(
        (trial for trial in record.trials.values() if trial.finished is not None),
        key=lambda trial: (trial.finished or 0.0, trial.number),
    )
    reached = dict(hypervolumes(record, objectives))
    return Effort(
        epochs=tuple(accumulate(len(trial.epochs) for trial in ended)),
        seconds=tuple(accumulate(sum(epoch.get("seconds", 0.0) for epoch in trial.epochs) for trial in ended)),
        volumes=tuple(accumulate((reached.get(trial.number, 0.0) for trial in ended), max)),
    )
