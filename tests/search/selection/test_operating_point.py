"""The model and threshold that a wished recall asks for."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import accuracy_score, recall_score

import studies
from leukmodels.errors import StudyError
from leukmodels.training.scoring import SCORES_SCHEMA, read_scores
from search.selection.operating_point import select_operating_point
from search.selection.preference import Preference
from search.study.confirmation_log import TestAccess, TestCandidate
from search.study.objectives import Objectives
from search.study.opened import Study
from search.study.records import TrialState

OBJECTIVES = Objectives(min_specificity=0.5)
PATIENTS, CELLS = 40, 12


@pytest.fixture
def study(tmp_path):
    """Return a study with scores of 40 validation patients: 2 separates them best, then 1; these two are the front."""
    folder = studies.mixed(tmp_path / "runx1-1", finished=True)
    for number, apart in ((0, 0.5), (1, 1.5), (2, 2.5), (3, 0.5)):
        rng = np.random.default_rng(number)
        patients = np.repeat(np.arange(PATIENTS), CELLS)
        labels = patients % 2
        logits = apart * (labels - 0.5) + 0.3 * rng.normal(size=PATIENTS)[patients] + rng.normal(size=len(labels))
        columns = {
            "image": [f"{cell}.tif" for cell in range(len(labels))],
            "patient": [f"P{patient:02d}" for patient in patients],
            "label": labels.astype(np.int8),
            "score": 1 / (1 + np.exp(-logits)),
        }
        folder.trial(number).mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table(columns, schema=SCORES_SCHEMA), folder.trial(number) / "scores.parquet")
    return folder


def chosen(folder, **preference):
    return select_operating_point(Study.open(folder), Preference(**preference))


@pytest.mark.parametrize("sure", [True, False])
def test_of_all_that_have_the_recall_the_most_accurate_is_taken(study, sure):
    operating_point = chosen(study, min_recall=0.8, sure=sure)
    assert operating_point.trial.number == 2
    table = read_scores(study.trial(2) / "scores.parquet")
    truth, scores = table["label"].to_numpy(), table["score"].to_numpy()
    called = scores >= operating_point.threshold
    assert operating_point.metrics["recall"] == recall_score(truth, called)
    assert operating_point.metrics["accuracy"] == accuracy_score(truth, called)
    assert operating_point.metrics["latency_ms"] == operating_point.trial.metrics["latency_ms"]
    having = [threshold for threshold in np.unique(scores) if recall_score(truth, scores >= threshold) >= 0.8]
    best = max(accuracy_score(truth, scores >= threshold) for threshold in having)
    if sure:
        assert operating_point.promised >= 0.8
        assert operating_point.metrics["recall"] > operating_point.promised
        assert operating_point.metrics["accuracy"] <= best
    else:
        assert operating_point.promised is None
        assert operating_point.metrics["accuracy"] == pytest.approx(best)


def test_without_a_wish_the_threshold_is_one_half_and_the_metrics_are_the_trials(study):
    operating_point = chosen(study, by="accuracy")
    assert (operating_point.trial.number, operating_point.threshold, operating_point.promised) == (1, 0.5, None)
    assert operating_point.metrics == operating_point.trial.metrics


def test_a_recall_that_cannot_be_had_is_refused_with_the_most_that_can(study):
    with pytest.raises(StudyError, match=r"promise a recall of 0\.999 .* the most is 0\.\d\d, of trial 2 at threshold"):
        chosen(study, min_recall=0.999)


def test_scores_that_are_gone_are_named(study):
    (study.trial(1) / "scores.parquet").unlink()
    with pytest.raises(StudyError, match=r"00001/scores\.parquet is missing\. Put it back"):
        chosen(study, min_recall=0.5)


def test_a_study_without_a_front_says_so(tmp_path):
    with pytest.raises(StudyError, match="none is complete"):
        chosen(studies.begin(tmp_path / "empty"), min_recall=0.5)


def opened(*chosen):
    """Return an opening of the test patients for these (trial, threshold, promised)."""
    return TestAccess(
        number=1,
        time=0.0,
        chosen=tuple(
            TestCandidate(trial=trial, threshold=threshold, why="highest mean recall", promise={}, promised=promised)
            for trial, threshold, promised in chosen
        ),
    )


def test_a_confirmed_model_comes_first_at_the_threshold_of_its_test(study):
    opening = opened((2, 0.3, 0.8), (1, 0.4, None))
    operating_point = select_operating_point(Study.open(study), Preference(), opening)
    assert (operating_point.trial.number, operating_point.threshold, operating_point.promised) == (2, 0.3, 0.8)
    assert operating_point.why == "its confirmation: highest mean recall"
    table = read_scores(study.trial(2) / "scores.parquet")
    truth, called = table["label"].to_numpy(), table["score"].to_numpy() >= 0.3
    assert operating_point.metrics["recall"] == recall_score(truth, called)
    by_number = select_operating_point(Study.open(study), Preference(trial=1), opening)
    assert (by_number.trial.number, by_number.threshold, by_number.promised) == (1, 0.4, None)


@pytest.mark.parametrize(("preference", "trial"), [({"by": "accuracy"}, 1), ({"min_recall": 0.8, "sure": False}, 2)])
def test_what_is_asked_for_comes_before_what_was_confirmed(study, preference, trial):
    operating_point = select_operating_point(Study.open(study), Preference(**preference), opened((3, 0.3, None)))
    assert operating_point.trial.number == trial
    assert operating_point.why == Preference(**preference).describe()


def test_a_recall_of_validation_patients_is_looked_for_in_every_trial(study):
    """A trial behind the front at threshold 0.5 may be the best at another."""
    front = Study.open(study).front
    behind = (*front.dominated, *front.infeasible)[0].number
    scores = {number: (study.trial(number) / "scores.parquet").read_bytes() for number in (1, 2)}
    (study.trial(behind) / "scores.parquet").write_bytes(scores[2])
    (study.trial(2) / "scores.parquet").write_bytes(scores[1])
    assert chosen(study, min_recall=0.8, sure=False).trial.number == behind
    assert chosen(study, min_recall=0.8).trial.number in {trial.number for trial in front.trials}


@pytest.mark.parametrize(("max_latency_ms", "chosen_trial"), [(10.0, 50), (3.0, 2)])
def test_a_model_beyond_a_ceiling_is_never_in_use(study, max_latency_ms, chosen_trial):
    """Trial 50 is behind the front at 0.5 and gives leukemic cells 1 and healthy ones 0.4; it takes 9 ms an image."""
    manifest = studies.stored(study)
    manifest["aims"]["max_latency_ms"] = max_latency_ms
    study.manifest.write_text(json.dumps(manifest))
    with studies.recording(study) as recorder:
        studies.start(recorder, 50)
        measured = studies.metrics(0.5, 0.6) | {"latency_ms": 9.0}
        recorder.trial_finished(50, TrialState.COMPLETE, outcome=studies.outcome(measured))
    table = read_scores(study.trial(2) / "scores.parquet")
    scores = pa.array(np.where(table["label"].to_numpy() == 1, 1.0, 0.4), pa.float64())
    table = table.set_column(table.schema.get_field_index("score"), SCORES_SCHEMA.field("score"), scores)
    study.trial(50).mkdir(parents=True, exist_ok=True)
    pq.write_table(table.cast(SCORES_SCHEMA), study.trial(50) / "scores.parquet")
    assert 50 not in {trial.number for trial in Study.open(study).front.trials}
    assert chosen(study, min_recall=0.8, sure=False).trial.number == chosen_trial
