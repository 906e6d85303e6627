"""Files of models and scores, held against what the journal says of them."""

import hashlib

import pytest

import studies
from leukmodels.errors import StudyError
from search.study.confirmation_log import TestCandidate, as_event, confirmation_of
from search.study.folder import StudyFolder
from search.study.integrity import model_file, refuse_lost_journal, scores_on_test, validation_scores
from search.study.journal import Journal, read
from search.study.records import TrialState


def sha256(content):
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def study(tmp_path):
    """Return a study with one trial, whose model and scores the journal vouches for, and a test of it that it does."""
    folder = studies.begin(tmp_path / "runx1-1")
    folder.trial(0).mkdir(parents=True)
    (folder.trial(0) / "model.keras").write_bytes(b"model")
    folder.scores(0).write_bytes(b"scores")
    known = {"model.keras": sha256(b"model"), "scores.parquet": sha256(b"scores")}
    with studies.recording(folder) as recorder:
        studies.learn(recorder, 0, 0.9, 0.8)
        outcome = studies.outcome(studies.metrics(0.9, 0.8), 3) | {"sha256": known}
        recorder.trial_finished(0, TrialState.COMPLETE, outcome=outcome)
    return folder


def ask(folder, **files):
    """Open the test for trial 0, as a confirmation does."""
    with Journal(folder.journal) as journal:
        chosen = TestCandidate(trial=0, threshold=0.5, why="recall", promise={})
        journal.append("test_opened", chosen=[as_event(chosen)])
        journal.append("tested", opening=1, trial=0, metrics={"recall": 0.8}, **files)
    (opening,) = confirmation_of(read(folder.journal)).openings
    place = folder.confirmed / "test" / "1"
    place.mkdir(parents=True)
    (place / "0.parquet").write_bytes(b"answers")
    return opening


@pytest.mark.fault(
    "files", "the journal is deleted beside finished trials", "a sentence; no new study begins over them"
)
@pytest.mark.parametrize("left", [None, b""])
def test_a_lost_journal_beside_finished_trials_is_no_new_study(tmp_path, left):
    folder = StudyFolder(tmp_path / "study")
    folder.trial(3).mkdir(parents=True)
    refuse_lost_journal(folder)
    (folder.trial(3) / "outcome.json").write_text("{}")
    if left is not None:
        folder.journal.write_bytes(left)
    with pytest.raises(StudyError, match="has 1 trial that ended and no journal of them"):
        refuse_lost_journal(folder)
    folder.journal.write_bytes(b"{}")
    refuse_lost_journal(folder)


def test_what_was_measured_is_handed_out(study):
    trial = studies.record(study).trials[0]
    assert model_file(study, trial).read_bytes() == b"model"
    assert validation_scores(study, trial).read_bytes() == b"scores"


@pytest.mark.parametrize(("which", "name"), [(model_file, "model.keras"), (validation_scores, "scores.parquet")])
@pytest.mark.parametrize("content", [b"", b"mode1"])
def test_what_was_not_measured_is_refused_with_both_hashes(study, which, name, content):
    (study.trial(0) / name).write_bytes(content)
    with pytest.raises(StudyError, match="is not the file that trial 0 ended with") as caught:
        which(study, studies.record(study).trials[0])
    assert sha256(content) in str(caught.value)
    assert sha256(name.partition(".")[0].encode()) in str(caught.value)


@pytest.mark.parametrize(("which", "name"), [(model_file, "model.keras"), (validation_scores, "scores.parquet")])
def test_what_is_gone_is_said(study, which, name):
    (study.trial(0) / name).unlink()
    with pytest.raises(StudyError, match=rf"00000/{name} is missing\. Put it back"):
        which(study, studies.record(study).trials[0])


def test_a_journal_that_knows_no_hash_takes_what_is_there(study):
    with studies.recording(study) as recorder:
        studies.run(recorder, 1, 0.8, 0.8)
    study.trial(1).mkdir()
    (study.trial(1) / "model.keras").write_bytes(b"whatever")
    assert model_file(study, studies.record(study).trials[1], ask(study)).read_bytes() == b"whatever"


def test_the_scores_of_a_test_are_those_of_its_opening(study):
    opening = ask(study, sha256={"model.keras": sha256(b"model"), "scores.parquet": sha256(b"answers")})
    assert scores_on_test(study, opening, 0).read_bytes() == b"answers"
    scores_on_test(study, opening, 0).write_bytes(b"better answers")
    with pytest.raises(StudyError, match="is not the file that opening 1 of the test gave"):
        scores_on_test(study, opening, 0)


def test_a_model_that_was_tested_and_then_replaced_is_refused_though_its_trial_kept_no_hash(study):
    with studies.recording(study) as recorder:
        studies.run(recorder, 1, 0.8, 0.8)
    study.trial(1).mkdir()
    (study.trial(1) / "model.keras").write_bytes(b"tested")
    with Journal(study.journal) as journal:
        chosen = TestCandidate(trial=1, threshold=0.5, why="recall", promise={})
        journal.append("test_opened", chosen=[as_event(chosen)])
        journal.append("tested", opening=1, trial=1, metrics={}, sha256={"model.keras": sha256(b"tested")})
    (opening,) = confirmation_of(read(study.journal)).openings
    trial = studies.record(study).trials[1]
    assert model_file(study, trial, opening).read_bytes() == b"tested"
    (study.trial(1) / "model.keras").write_bytes(b"another")
    with pytest.raises(StudyError, match="is not the file that the test was opened for"):
        model_file(study, trial, opening)
