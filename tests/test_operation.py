"""The model and threshold that a wished recall asks for."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import accuracy_score, recall_score

import studies
from leukmodels.errors import StudyError
from leukmodels.evaluation import SCORES_SCHEMA, read_scores
from search.aims import Aims
from search.operation import operate
from search.preference import Preference
from search.standing import stand

AIMS = Aims(min_specificity=0.5)
PATIENTS, CELLS = 40, 12


@pytest.fixture
def study(tmp_path):
    """Return a study whose front's members 1 and 2 have scores of 40 validation patients; 2 separates them better."""
    folder = studies.mixed(tmp_path / "runx1-1", finished=True)
    for number, apart in ((1, 1.5), (2, 2.5)):
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
    return operate(folder, stand(studies.record(folder), AIMS), AIMS, Preference(**preference))


@pytest.mark.parametrize("sure", [True, False])
def test_of_all_that_have_the_recall_the_most_accurate_is_taken(study, sure):
    operation = chosen(study, min_recall=0.8, sure=sure)
    assert operation.trial.number == 2
    table = read_scores(study.trial(2) / "scores.parquet")
    truth, scores = table["label"].to_numpy(), table["score"].to_numpy()
    called = scores >= operation.threshold
    assert operation.metrics["recall"] == recall_score(truth, called)
    assert operation.metrics["accuracy"] == accuracy_score(truth, called)
    assert operation.metrics["latency_ms"] == operation.trial.metrics["latency_ms"]
    having = [threshold for threshold in np.unique(scores) if recall_score(truth, scores >= threshold) >= 0.8]
    best = max(accuracy_score(truth, scores >= threshold) for threshold in having)
    if sure:
        assert operation.promised >= 0.8
        assert operation.metrics["recall"] > operation.promised
        assert operation.metrics["accuracy"] <= best
    else:
        assert operation.promised is None
        assert operation.metrics["accuracy"] == pytest.approx(best)


def test_without_a_wish_the_threshold_is_one_half_and_the_metrics_are_the_trials(study):
    operation = chosen(study, by="accuracy")
    assert (operation.trial.number, operation.threshold, operation.promised) == (1, 0.5, None)
    assert operation.metrics == operation.trial.metrics


def test_a_recall_that_cannot_be_had_is_refused_with_the_most_that_can(study):
    with pytest.raises(StudyError, match=r"Nothing can promise a recall of 0\.999 .*for other patients; the most is"):
        chosen(study, min_recall=0.999)


def test_scores_that_are_gone_are_named(study):
    (study.trial(1) / "scores.parquet").unlink()
    with pytest.raises(StudyError, match=r"scores of trial 1 are gone .*--prefer or --trial"):
        chosen(study, min_recall=0.5)


def test_a_study_without_a_front_says_so(tmp_path):
    with pytest.raises(StudyError, match="none is complete"):
        chosen(studies.begin(tmp_path / "empty"), min_recall=0.5)
