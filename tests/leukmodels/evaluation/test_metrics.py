import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as oracle

from leukmodels.evaluation.calibration import SCORE_MARGIN
from leukmodels.evaluation.metrics import score

Problem = tuple[npt.NDArray[np.uint8], npt.NDArray[np.float64], float]


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    """Labels with both classes, scores with ties, and a threshold that may equal a score."""
    labels = [0, 1, *draw(st.lists(st.integers(0, 1), max_size=30))]
    grid = st.one_of(st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]), st.floats(0, 1))
    scores = draw(st.lists(grid, min_size=len(labels), max_size=len(labels)))
    return np.array(labels, np.uint8), np.array(scores), draw(grid)


@given(problems())
def test_equal_to_scikit_learn(problem: Problem) -> None:
    labels, scores, threshold = problem
    answers = scores >= threshold
    bounded = np.clip(scores, SCORE_MARGIN, 1 - SCORE_MARGIN)
    assert score(labels, scores, threshold).to_dict() == pytest.approx(
        {
            "recall": oracle.recall_score(labels, answers),
            "accuracy": oracle.accuracy_score(labels, answers),
            "specificity": oracle.recall_score(labels, answers, pos_label=0),
            "precision": oracle.precision_score(labels, answers, zero_division=0),
            "f1": oracle.f1_score(labels, answers),
            "balanced_accuracy": oracle.balanced_accuracy_score(labels, answers),
            "auroc": oracle.roc_auc_score(labels, scores),
            "log_loss": oracle.log_loss(labels, bounded),
        }
    )


def test_a_score_at_the_threshold_is_leukemic() -> None:
    assert score([0, 1], [0.4, 0.5], threshold=0.5).recall == 1


def test_nothing_called_leukemic_has_precision_and_f1_zero() -> None:
    found = score([0, 1, 1], [0.1, 0.2, 0.3])
    assert (found.precision, found.f1, found.recall, found.specificity) == (0, 0, 0, 1)


def test_everything_called_leukemic_is_seen_in_the_specificity() -> None:
    found = score([0, 1, 1], [0.9, 0.9, 0.9])
    assert (found.recall, found.specificity, found.balanced_accuracy, found.auroc) == (1, 0, 0.5, 0.5)


def test_a_saturated_wrong_score_costs_a_finite_log_loss() -> None:
    assert score([0, 1], [1.0, 0.0]).log_loss == pytest.approx(-math.log(SCORE_MARGIN))


@pytest.mark.parametrize(
    ("labels", "scores", "message"),
    [
        ([1, 1], [0.5, 0.5], "both classes"),
        ([], [], "both classes"),
        ([0, 1, 2], [0.1, 0.2, 0.3], "both classes"),
        ([0, 1], [0.5], "expected \\(n,\\)"),
        ([0, 1], [[0.5], [0.5]], "expected \\(n,\\)"),
        ([0, 1], [0.5, math.nan], "no probability"),
        ([0, 1], [0.5, 1.1], "no probability"),
    ],
)
def test_what_cannot_be_scored_is_refused(labels: list[int], scores: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        score(labels, scores)
