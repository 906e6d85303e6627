"""Whom of a study to take: the trial that a user prefers, mostly one of the front."""

from dataclasses import dataclass
from typing import Literal, get_args

from leukmodels.errors import StudyError
from search.aims import Aims
from search.records import TrialRecord, TrialState
from search.standing import Standing, complete

By = Literal["recall", "accuracy", "balanced", "cost"]


@dataclass(frozen=True, kw_only=True)
class Preference:
    """What a user prefers.

    by           recall or accuracy: the front's highest, the other among equals; balanced: the member whose worse one
                 of the two is best; cost: the lowest third objective
    min_recall   comes before ``by``: the most accurate member that reaches it
    trial        comes before both: this trial, on the front or not, if it is complete
    """

    by: By = "recall"
    min_recall: float | None = None
    trial: int | None = None

    def words(self) -> str:
        """Return the preference in a few words, for "chosen by ..."."""
        if self.trial is not None:
            return "its number"
        if self.min_recall is not None:
            return f"recall of at least {self.min_recall:g}, then accuracy"
        return self.by

    def choose(self, standing: Standing, aims: Aims) -> TrialRecord:
        """Return the trial; StudyError, with what to do, where there is none."""
        if self.trial is not None:
            return self._numbered(standing)
        members = standing.front
        if not members:
            raise StudyError(_no_front(standing))
        if self.min_recall is not None:
            reaching = [trial for trial in members if trial.metrics["recall"] >= self.min_recall]
            if not reaching:
                raise StudyError(
                    f"No trial reaches a recall of {self.min_recall:g}; the front's highest is "
                    f"{members[0].metrics['recall']:.3f}. Ask for less, or resume the study with more trials."
                )
            return max(reaching, key=lambda trial: _merits(trial)[::-1])
        match self.by:
            case "recall":
                return max(members, key=_merits)
            case "accuracy":
                return max(members, key=lambda trial: _merits(trial)[::-1])
            case "balanced":
                return max(members, key=lambda trial: (min(_merits(trial)), _merits(trial)))
            case "cost":
                if not aims.cost:
                    raise StudyError(
                        "This study has no cost to prefer by: recall and accuracy are its objectives. Choose a trial "
                        "by its number (--trial), or search with a third objective (--objectives)."
                    )
                return min(members, key=lambda trial: (trial.metrics[aims.cost], [-merit for merit in _merits(trial)]))

    def _numbered(self, standing: Standing) -> TrialRecord:
        for trial in complete(standing):
            if trial.number == self.trial:
                return trial
        raise StudyError(f"Trial {self.trial} has no model to choose: it is not a {TrialState.COMPLETE} trial.")


def ways(aims: Aims) -> tuple[By, ...]:
    """Return what a study with these aims can be chosen ``by``."""
    return tuple(by for by in get_args(By) if by != "cost" or aims.cost)


def _merits(trial: TrialRecord) -> tuple[float, float]:
    return trial.metrics["recall"], trial.metrics["accuracy"]


def _no_front(standing: Standing) -> str:
    if standing.infeasible:
        return (
            f"No trial is on the front: all {len(standing.infeasible)} complete trials break a bound. "
            "Resume the study with more --trials, or start one with wider bounds (a lower --min-specificity)."
        )
    return "No trial is on the front: none is complete. Resume the study, or give it more time."
