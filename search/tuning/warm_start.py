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
from search.selection.nondominated import epsilon_net, rank
from search.study.folder import StudyFolder
from search.study.manifest import Manifest, WarmStart
from search.study.opened import Study
from search.study.records import DEFAULT, TrialState

TRIED = 5  # of the other front, spread over it
LEARNT = 25


def refuse_known_test(folder: StudyFolder, split: Split) -> None:
    """Raise StudyError where patients that a study was developed on are to test one that begins with what it found."""
    other = Split.load(folder.split)
    developed = {*other.patients("train"), *other.patients("validation")}
    if known := sorted(developed & {*split.patients("test")}):
        units = Manifest.read(folder).terms.units
        raise StudyError(
            f"{folder.name} chose its best trials on {units} that are to test this study ({len(known):,}: "
            f"{', '.join(known[:3])}{', ...' if len(known) > 3 else ''}), so nothing of it may be begun with here. "
            "Split both alike (--split-seed)."
        )


def read_prior(folder: StudyFolder) -> WarmStart:
    """Return what a study has to give to a search of the same space; StudyError where nothing."""
    study = Study.open(folder)
    record, objectives, front = study.record, study.objectives, study.front.trials
    if not front:
        raise StudyError(f"{folder.name} has no front to begin with: none of its trials is complete and within bounds.")
    chosen = epsilon_net(np.array([objectives.minimised(trial.metrics) for trial in front]))[:TRIED]
    complete = record.by_state(TrialState.COMPLETE)
    default = next((trial.metrics for trial in complete if trial.source == DEFAULT), {})
    others = [trial for trial in complete if trial.source != DEFAULT]
    losses = np.array([objectives.minimised(trial.metrics) for trial in others]).reshape(-1, len(objectives.names))
    best = rank(losses, [objectives.violation(trial.metrics) for trial in others])[:LEARNT]
    return WarmStart(
        study=folder.name,
        task=study.manifest.task.name,
        front=[dict(front[row].params) for row in chosen if front[row].source != DEFAULT],
        params=[dict(others[row].params) for row in best],
        metrics=[dict(others[row].metrics) for row in best],
        default=dict(default),
    )
