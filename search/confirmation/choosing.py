"""Whom the test patients are opened for, at which threshold, and what validation promised of them.

Decided on training and validation patients alone, and written to the journal before the first test image is read.
"""

from collections.abc import Mapping, Sequence

import pyarrow as pa

from leukmodels.evaluation import read_scores
from leukmodels.metrics import score
from search.aims import THRESHOLD
from search.confirmation.ranking import Ranked
from search.confirmation.record import Chosen
from search.folder import StudyFolder
from search.records import DEFAULT, StudyRecord, TrialRecord, TrialState

REFERENCE = "the published CNN, for comparison"


def choose(folder: StudyFolder, record: StudyRecord, ranking: Sequence[Ranked], *, at_most: int) -> tuple[Chosen, ...]:
    """Return ``at_most`` of those that kept on top on other patients, and the default CNN for comparison.

    In this order: the highest mean recall of the front, the member whose worse mean of the two is best, the highest
    mean accuracy, and then the rest of the front by recall; each once, at threshold 0.5.
    """
    front = [each for each in ranking if each.on_front] or list(ranking[:1])
    wanted: dict[int, str] = {}
    for trial, why in (
        (front[0].trial, "highest mean recall"),
        (max(front, key=lambda each: min(each.means["recall"], each.means["accuracy"])).trial, "most balanced means"),
        (max(front, key=lambda each: each.means["accuracy"]).trial, "highest mean accuracy"),
        *((each.trial, "on the front of the means") for each in front),
    ):
        wanted.setdefault(trial, why)
    chosen = dict(list(wanted.items())[:at_most])
    if reference := reference_of(record):
        chosen.setdefault(reference.number, REFERENCE)
    return tuple(
        Chosen(trial=trial, threshold=THRESHOLD, why=why, promise=promise(folder, trial, THRESHOLD))
        for trial, why in chosen.items()
    )


def reference_of(record: StudyRecord) -> TrialRecord | None:
    """Return the default CNN's trial, None where it did not complete."""
    complete = record.by_state(TrialState.COMPLETE)
    return next((trial for trial in complete if trial.source == DEFAULT), None)


def promise(folder: StudyFolder, trial: int, threshold: float) -> Mapping[str, float]:
    """Return the metrics of a trial's validation cells at a threshold."""
    return measured(read_scores(folder.trial(trial) / "scores.parquet"), threshold)


def measured(scores: pa.Table, threshold: float) -> Mapping[str, float]:
    """Return the metrics of a table of scores at a threshold."""
    return score(scores["label"].to_numpy(), scores["score"].to_numpy(), threshold).to_dict()
