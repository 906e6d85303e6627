"""Whom the test patients are opened for, at which threshold, and what validation promised of them.

Decided on training and validation patients alone, and written to the journal before the first test image is read.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

import pyarrow as pa

from leukmodels.errors import StudyError
from leukmodels.evaluation.metrics import score
from leukmodels.training.scoring import read_scores
from search.selection.confirmed_ranking import Ranked
from search.selection.operating_point import with_guaranteed_recall
from search.selection.preference import of_recall
from search.study.confirmation_log import TestCandidate
from search.study.folder import StudyFolder
from search.study.integrity import validation_scores
from search.study.objectives import THRESHOLD
from search.study.records import DEFAULT, StudyRecord, TrialRecord, TrialState

REFERENCE = "the published CNN, for comparison"
BEYOND = "the first of those that were all beyond the study's bounds, or could not be trained every time"


def choose(
    folder: StudyFolder,
    record: StudyRecord,
    ranking: Sequence[Ranked],
    *,
    count: int,
    min_specificity: float,
    min_recall: float | None = None,
    sure: bool = True,
) -> tuple[TestCandidate, ...]:
    """Return the ``count`` that kept on top on other patients, and the default CNN for comparison.

    First the one, and its threshold, that has the recall that was asked for, if any was. The others in this order, at
    threshold 0.5: the highest mean recall of the front, the member whose worse mean of the two is best, the highest
    mean accuracy, and the rest of the front by recall. StudyError where that recall cannot be had.
    """
    front = [each for each in ranking if each.on_front]
    chosen: dict[int, TestCandidate] = {}
    if min_recall is not None:
        trials = [record.trials[each.trial] for each in front or ranking[:1]]
        first = with_recall(folder, trials, min_recall=min_recall, min_specificity=min_specificity, sure=sure)
        chosen[first.trial] = first
    for trial, why in _in_order(front) if front else ((ranking[0].trial, BEYOND),):
        if len(chosen) < count:
            chosen.setdefault(trial, _at_one_half(folder, record.trials[trial], why))
    if reference := reference_of(record):
        chosen.setdefault(reference.number, _at_one_half(folder, reference, REFERENCE))
    return tuple(chosen.values())


def _in_order(front: Sequence[Ranked]) -> Iterator[tuple[int, str]]:
    """Yield the trials of the front of the means, and what each is chosen for; some of them twice."""
    yield front[0].trial, "highest mean recall"
    yield max(front, key=lambda each: min(each.means["recall"], each.means["accuracy"])).trial, "most balanced means"
    yield max(front, key=lambda each: each.means["accuracy"]).trial, "highest mean accuracy"
    yield from ((each.trial, "on the front of the means") for each in front)


def reference_of(record: StudyRecord) -> TrialRecord | None:
    """Return the default CNN's trial, None where it did not complete."""
    complete = record.by_state(TrialState.COMPLETE)
    return next((trial for trial in complete if trial.source == DEFAULT), None)


def measured(scores: pa.Table, threshold: float) -> Mapping[str, float]:
    """Return the metrics of a table of scores at a threshold."""
    return score(scores["label"].to_numpy(), scores["score"].to_numpy(), threshold).to_dict()


def refuse_hopeless(
    folder: StudyFolder, trials: Sequence[TrialRecord], *, min_recall: float, min_specificity: float, sure: bool
) -> None:
    """Raise StudyError where none of the trials has this recall, not even without the others."""
    for trial in trials:
        with suppress(StudyError):
            with_recall(folder, [trial], min_recall=min_recall, min_specificity=min_specificity, sure=sure)
            return
    with_recall(folder, trials, min_recall=min_recall, min_specificity=min_specificity, sure=sure)


def with_recall(
    folder: StudyFolder, trials: Sequence[TrialRecord], *, min_recall: float, min_specificity: float, sure: bool
) -> TestCandidate:
    """Return the one, and its threshold, that has the recall; StudyError where it cannot be had.

    With ``sure`` it is the recall of other patients, else that of the validation patients alone.
    """
    why = of_recall(min_recall, sure=sure)
    kept = with_guaranteed_recall(
        folder, trials, min_recall=min_recall, min_specificity=min_specificity, sure=sure, why=why
    )
    return TestCandidate(
        trial=kept.trial.number,
        threshold=kept.threshold,
        why=why,
        promise=_of_validation(folder, kept.trial, kept.threshold),
        promised=kept.promised,
    )


def _at_one_half(folder: StudyFolder, trial: TrialRecord, why: str) -> TestCandidate:
    promise = _of_validation(folder, trial, THRESHOLD)
    return TestCandidate(trial=trial.number, threshold=THRESHOLD, why=why, promise=promise)


def _of_validation(folder: StudyFolder, trial: TrialRecord, threshold: float) -> Mapping[str, float]:
    return measured(read_scores(validation_scores(folder, trial)), threshold)
