"""Compares the three ledgers of a study: its journal, Optuna and MLflow."""

from pathlib import Path

import pytest

from search import journal
from search.folder import StudyFolder
from search.journal import Journal
from search.manifest import Space, keras_space
from search.recorder import Recorder
from search.records import StudyRecord, TrialState, fold
from search.searcher import OptunaSearcher
from search.standing import Floors
from search.tracking.ledger import ledger
from search.tracking.tracker import default_uri

FINISHED_IN_MLFLOW = {TrialState.COMPLETE: "FINISHED", TrialState.STOPPED: "KILLED", TrialState.FAILED: "FAILED"}


def ends(folder: Path) -> list[int]:
    """Return the trials in the order in which they ended, by the journal; one that ended twice stands there twice."""
    events = journal.read(StudyFolder(folder).journal)
    return [event["trial"] for event in events if event["event"] == "trial_finished"]


def check_ledgers_agree(folder: Path, *, trials: int, search_space: Space | None = None) -> StudyRecord:
    """Compare journal, Optuna and MLflow trial by trial and return the journal's record."""
    study = StudyFolder(folder)
    search_space = search_space or keras_space()
    record = fold(journal.read(study.journal))
    assert sorted(ends(folder)) == list(range(trials))
    with Journal(study.journal) as writing:
        searcher = OptunaSearcher(
            Recorder(writing, record),
            space=search_space.dimensions,
            default=search_space.default,
            floors=Floors(),
            trials=trials,
            seed=0,
        )
    assert [trial.state.is_finished() for trial in searcher.study.trials] == [True] * trials
    told = ledger(default_uri(study.path.parent), study.read_manifest()["study_id"])
    assert sorted(told) == list(range(trials))
    for number, entry in told.items():
        trial = record.trials[number]
        assert (entry.runs, entry.status) == (1, FINISHED_IN_MLFLOW[trial.state])
        assert entry.epochs == len(trial.epochs)
        assert entry.metrics.get("recall") == pytest.approx(trial.metrics.get("recall"))
        optuna_trial = searcher.study.trials[number]
        assert optuna_trial.values == ([*map(trial.metrics.get, ("recall", "accuracy"))] if trial.metrics else None)
    return record
