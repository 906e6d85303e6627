"""Studies as pandas DataFrames, for notebooks."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from leukmodels.errors import UserError
from search.study.folder import StudyFolder
from search.study.objectives import OBJECTIVES
from search.study.opened import Study
from search.study.records import TrialRecord, TrialState


def studies_frame(storage: Path) -> pd.DataFrame:
    """Return the studies below ``storage``, a row each; one that cannot be read has the reason as its state."""
    rows = []
    for path in sorted(storage.glob("*/study.json")):
        try:
            study = Study.open(StudyFolder(path.parent))
            front = study.front.trials
            best = {name: max((trial.metrics[name] for trial in front), default=None) for name in OBJECTIVES}
            ended = len(study.record.trials) - study.record.count(TrialState.RUNNING)
            rows.append(
                {
                    "study": study.name,
                    "task": study.manifest.task.name,
                    "state": "finished" if study.record.finished else "unfinished",
                    "trials": ended,
                    "planned": study.config.trials,
                    **best,
                }
            )
        except UserError as error:  # the others are to be seen all the same
            rows.append({"study": path.parent.name, "state": str(error)})
    return pd.DataFrame(rows, columns=["study", "task", "state", "trials", "planned", *OBJECTIVES])


def trials_frame(study: Study) -> pd.DataFrame:
    """Return every trial by number: how it ended, its metrics, its hyperparameters."""
    trials = [study.record.trials[number] for number in sorted(study.record.trials)]
    frame = _rows(trials)
    on_front = {trial.number for trial in study.front.trials}
    frame.insert(0, "state", [str(trial.state) for trial in trials])
    frame.insert(1, "on_front", [trial.number in on_front for trial in trials])
    frame.insert(2, "reason", [trial.reason for trial in trials])
    return frame


def front_frame(study: Study) -> pd.DataFrame:
    """Return the trials of the front by number, the highest recall first."""
    return _rows(study.front.trials)


def epochs_frame(study: Study) -> pd.DataFrame:
    """Return every epoch: trial, epoch from 1, metrics of the validation cells."""
    rows = [
        {"trial": number, "epoch": epoch, **metrics}
        for number, trial in sorted(study.record.trials.items())
        for epoch, metrics in enumerate(trial.epochs, start=1)
    ]
    return pd.DataFrame(rows)


def _rows(trials: Iterable[TrialRecord]) -> pd.DataFrame:
    rows = [{"trial": trial.number, **trial.metrics, **trial.params} for trial in trials]
    return pd.DataFrame(rows).set_index("trial") if rows else pd.DataFrame(index=pd.Index([], name="trial"))
