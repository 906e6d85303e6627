"""What was measured is what answers: files of models and of their scores, held against the journal's SHA-256 of them.

A version before kept none; what it left is taken as it is.
"""

from pathlib import Path

from leukmodels.errors import StudyError
from leukmodels.process.files import digest
from leukmodels.process.words import plural
from search.study.confirmation_log import TestAccess, test_scores
from search.study.folder import StudyFolder
from search.study.records import TrialRecord

MODEL, SCORES = "model.keras", "scores.parquet"


def refuse_lost_journal(folder: StudyFolder) -> None:
    """Raise StudyError where trials have ended and there is no journal of them: that is no new study."""
    if folder.journal.exists() and folder.journal.stat().st_size:
        return
    if ended := sorted(path.parent.name for path in folder.trials.glob("*/outcome.json")):
        raise StudyError(
            f"{folder.path} has {plural(len(ended), 'trial')} that ended and no journal of them: {folder.journal} is "
            "gone or empty. Restore it from a backup; begun again, the study would train them anew over what is there."
        )


def model_file(folder: StudyFolder, trial: TrialRecord, opening: TestAccess | None = None) -> Path:
    """Return where a complete trial's model is; StudyError where it is gone, or not the one that was scored.

    On the validation cells, and where an ``opening`` is given on the test cells as well.
    """
    ended = trial.sha256.get(MODEL), f"trial {trial.number} ended with"
    asked = (opening.sha256(trial.number).get(MODEL), "the test was opened for") if opening else (None, "")
    return _vouched(folder.trial(trial.number) / MODEL, ended, asked)


def validation_scores(folder: StudyFolder, trial: TrialRecord) -> Path:
    """Return where a complete trial's scores of the validation cells are; StudyError where they are gone or others."""
    return _vouched(folder.scores(trial.number), (trial.sha256.get(SCORES), f"trial {trial.number} ended with"))


def scores_on_test(folder: StudyFolder, opening: TestAccess, trial: int) -> Path:
    """Return where a model's scores of the test cells are; StudyError where they are gone or not that opening's."""
    path = test_scores(folder, opening) / f"{trial}.parquet"
    return _vouched(path, (opening.sha256(trial).get(SCORES), f"opening {opening.number} of the test gave"))


def _vouched(path: Path, *known: tuple[str | None, str]) -> Path:
    """Return ``path``; StudyError where its SHA-256 is not the known one, told with whose that was."""
    if not path.is_file():
        raise StudyError(
            f"{path} is missing. Put it back, from a backup, or choose another trial; a study that was moved must be "
            "moved whole."
        )
    told = [(sha256, whose) for sha256, whose in known if sha256]
    now = digest(path) if told else ""
    for sha256, whose in told:
        if now != sha256:
            raise StudyError(
                f"{path} is not the file that {whose}: its SHA-256 is {now}, the journal says {sha256}, so what was "
                "measured is not what would answer. Put that file back, from a backup, or choose another trial."
            )
    return path
