"""What another study found out, for a search on another leukemia to begin with.

Its front is tried first: what is good for one leukemia is rarely bad for the next. Its best trials are given to TPE as
well, once the default has ended here: two tasks are not equally hard, so their values are moved by what the default
differs between them, the one configuration that both have tried. They are few: TPE takes a tenth of all trials for good
ones, theirs among them as long as nothing here is better. (Optuna's genetic samplers count trials of their own
generations only.)
"""

import numpy as np

from leukmodels.dataset.split import Split
from leukmodels.errors import StudyError
from search.selection.front import stand
from search.selection.nondominated import best_first, spread
from search.study import journal
from search.study.folder import StudyFolder
from search.study.manifest import Prior
from search.study.objectives import Aims
from search.study.records import DEFAULT, TrialState, fold

TRIED = 5  # of the other front, spread over it
LEARNT = 25


def refuse_known_test(folder: StudyFolder, split: Split) -> None:
    """Raise StudyError where patients that a study was developed on are to test one that begins with what it found."""
    other = Split.load(folder.split)
    developed = {*other.patients("train"), *other.patients("validation")}
    if known := sorted(developed & {*split.patients("test")}):
        raise StudyError(
            f"{folder.name} chose its best trials on patients who are to test this study ({len(known)}: "
            f"{', '.join(known[:3])}{', ...' if len(known) > 3 else ''}), so nothing of it may be begun with here. "
            "Split both alike (--split-seed)."
        )


def read_prior(folder: StudyFolder) -> Prior:
    """Return what a study has to give to a search of the same space; StudyError where nothing."""
    manifest = folder.read_manifest()
    record, aims = fold(journal.read(folder.journal)), Aims(**manifest["aims"])
    front = stand(record, aims).front
    if not front:
        raise StudyError(f"{folder.name} has no front to begin with: none of its trials is complete and within bounds.")
    chosen = spread(np.array([aims.losses(trial.metrics) for trial in front]))[:TRIED]
    complete = record.by_state(TrialState.COMPLETE)
    default = next((trial.metrics for trial in complete if trial.source == DEFAULT), {})
    others = [trial for trial in complete if trial.source != DEFAULT]
    losses = np.array([aims.losses(trial.metrics) for trial in others]).reshape(-1, len(aims.objectives))
    best = best_first(losses, [aims.violation(trial.metrics) for trial in others])[:LEARNT]
    return Prior(
        study=folder.name,
        task=manifest["task"]["name"],
        front=[dict(front[row].params) for row in chosen if front[row].source != DEFAULT],
        params=[dict(others[row].params) for row in best],
        metrics=[dict(others[row].metrics) for row in best],
        default=dict(default),
    )
