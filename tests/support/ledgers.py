"""The audit as the oracle of the tests that break things."""

from pathlib import Path

from search.audit import audit
from search.study import journal
from search.study.folder import StudyFolder
from search.study.records import StudyRecord, TrialState


def ends(folder: Path) -> list[int]:
    """Return the trials in the order in which they ended, by the journal; one that ended twice stands there twice."""
    events = journal.read(StudyFolder(folder).journal)
    return [event["trial"] for event in events if event["event"] == "trial_finished"]


def check_ledgers_agree(folder: Path, *, trials: int) -> StudyRecord:
    """Check that journal, Optuna and MLflow agree on so many trials, all ended, and return the journal's record."""
    found = audit(StudyFolder(folder))
    assert found.differences == ()
    assert sorted(found.record.trials) == list(range(trials))
    assert found.record.count(TrialState.RUNNING) == 0
    return found.record
