"""Whom of a study to take: the trial that a user prefers, mostly one of the front."""

from dataclasses import dataclass
from typing import Literal, get_args

from leukmodels.errors import StudyError
from search.study.front import ParetoFront, complete
from search.study.objectives import Objectives
from search.study.records import TrialRecord, TrialState

By = Literal["recall", "accuracy", "balanced", "cost"]

_REMEDY = {
    True: "Resume the study with more --trials, or start one with wider bounds (a lower --min-specificity).",
    False: "Resume the study, or give it more time.",
}


@dataclass(frozen=True, kw_only=True)
class Preference:
    """What a user prefers.

    by           recall or accuracy: the front's highest, the other among equals; balanced: the member whose worse one
                 of the two is best; cost: the lowest third objective; None: as if recall, and once the test patients
                 were opened, whom they were opened for first (see ``operating_point``)
    trial        comes before ``by``: this trial, on the front or not, if it is complete
    min_recall   comes before both: the model and threshold with the highest accuracy at this recall (see
                 ``operating_point``)
    sure         other patients are to have that recall, with 95 % confidence; else validation patients alone
    """

    by: By | None = None
    trial: int | None = None
    min_recall: float | None = None
    sure: bool = True

    def describe(self) -> str:
        """Return the preference in a few words, for "chosen by ..."."""
        if self.min_recall is not None:
            return f"{of_recall(self.min_recall, sure=self.sure)}, then accuracy"
        return (self.by or "recall") if self.trial is None else "its number"

    def choose(self, front: ParetoFront, objectives: Objectives) -> TrialRecord:
        """Return the trial by number or ``by``; StudyError, with what to do, where there is none."""
        if self.trial is not None:
            return self._numbered(front)
        members = front.trials
        if not members:
            raise StudyError(f"{front.why_empty} {_REMEDY[bool(front.infeasible)]}")
        match self.by:
            case "recall" | None:
                return max(members, key=_merits)
            case "accuracy":
                return max(members, key=lambda trial: _merits(trial)[::-1])
            case "balanced":
                return max(members, key=lambda trial: (min(_merits(trial)), _merits(trial)))
            case "cost":
                if not objectives.cost:
                    raise StudyError(
                        "This study has no cost to prefer by: recall and accuracy are its objectives. Choose a trial "
                        "by its number (--trial), or search with a third objective (--objectives)."
                    )
                return min(
                    members, key=lambda trial: (trial.metrics[objectives.cost], [-merit for merit in _merits(trial)])
                )

    def _numbered(self, front: ParetoFront) -> TrialRecord:
        for trial in complete(front):
            if trial.number == self.trial:
                return trial
        raise StudyError(f"Trial {self.trial} has no model to choose: it is not a {TrialState.COMPLETE} trial.")


def of_recall(least: float, *, sure: bool) -> str:
    """Return what is asked for where a recall is: one that others will have, too, or the one measured on validation."""
    return f"{'guaranteed' if sure else 'measured'} recall of at least {least:g}"


def ways(objectives: Objectives) -> tuple[By, ...]:
    """Return what a study with these objectives can be chosen ``by``."""
    return tuple(by for by in get_args(By) if by != "cost" or objectives.cost)


def _merits(trial: TrialRecord) -> tuple[float, float]:
    return trial.metrics["recall"], trial.metrics["accuracy"]
