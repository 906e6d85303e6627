"""The ranking, held against cleanlab.

Both take the mean self-confidence of a label as its threshold. Ours disputes what the paper counts off the diagonal of
the confident joint, as cleanlab's compute_confident_joint does. Its find_label_issues then drops of these the cells
whose given label is the likelier one; that takes a threshold of one half at the most.
"""

import numpy as np
import numpy.typing as npt
import pytest
from cleanlab.count import compute_confident_joint, get_confident_thresholds
from cleanlab.filter import find_label_issues
from hypothesis import given
from hypothesis import strategies as st

from leukmodels.label_issues.ranking import Ranking, rank

Labels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]

# Odd 1024ths: sums of them are exact, so that cleanlab's tolerance of 1e-6 decides nothing, and no cell has even odds.
CONFIDENCES = st.lists(st.integers(0, 511).map(lambda n: (2 * n + 1) / 1024), unique=True, min_size=1, max_size=30)
BELIEVED = CONFIDENCES.map(lambda drawn: drawn if np.mean(drawn) >= 0.5 else [1 - each for each in drawn])
BY_SCORE = pytest.mark.parametrize("score", ["self_confidence", "normalized_margin"])


def of_confidences(zeros: list[float], ones: list[float]) -> tuple[Labels, Floats]:
    """Return labels and probabilities of label 1 of cells by the probabilities of their given labels 0 and 1."""
    labels = np.repeat(np.array([0, 1], np.uint8), [len(zeros), len(ones)])
    return labels, np.array([*(1 - each for each in zeros), *ones])


def noisy(seed: int, *, cells: int = 400) -> tuple[Labels, Floats]:
    """Return labels, every tenth of them wrong, and probabilities of label 1 that mostly follow the truth."""
    rng = np.random.default_rng(seed)
    truth = rng.random(cells) < 0.3
    labels = (truth ^ (rng.random(cells) < 0.1)).astype(np.uint8)
    return labels, np.where(truth, rng.beta(5, 2, cells), rng.beta(1, 5, cells))


def columns(probabilities: Floats) -> Floats:
    """Return the probabilities of labels 0 and 1, shape (n, 2)."""
    return np.stack([1 - probabilities, probabilities], axis=1)


def off_diagonal(labels: Labels, probabilities: Floats) -> list[int]:
    """Return the rows that cleanlab counts off the diagonal of the confident joint."""
    _, rows = compute_confident_joint(labels, columns(probabilities), return_indices_of_off_diagonals=True)
    return rows.tolist()


def issues(labels: Labels, probabilities: Floats, score: str = "self_confidence") -> npt.NDArray[np.int64]:
    """Return the rows that cleanlab finds by confident learning, the lowest score first."""
    return find_label_issues(
        labels, columns(probabilities), filter_by="confident_learning", return_indices_ranked_by=score, n_jobs=1
    )


@given(CONFIDENCES, CONFIDENCES)
def test_thresholds_and_disputed_cells_are_those_of_cleanlabs_confident_joint(
    zeros: list[float], ones: list[float]
) -> None:
    labels, probabilities = of_confidences(zeros, ones)
    found = rank(labels, probabilities)
    assert found.usual == pytest.approx(get_confident_thresholds(labels, columns(probabilities)))
    assert np.flatnonzero(found.disputed).tolist() == off_diagonal(labels, probabilities)


@given(CONFIDENCES, CONFIDENCES)
def test_cleanlab_finds_those_of_the_disputed_cells_whose_other_label_is_likelier(
    zeros: list[float], ones: list[float]
) -> None:
    labels, probabilities = of_confidences(zeros, ones)
    disputed, likelier = rank(labels, probabilities).disputed, (probabilities > 0.5) != labels
    assert sorted(issues(labels, probabilities)) == np.flatnonzero(disputed & likelier).tolist()


@BY_SCORE
@given(zeros=BELIEVED, ones=BELIEVED)
def test_where_both_labels_are_believed_cleanlab_finds_the_same_cells_in_the_same_order(
    score: str, zeros: list[float], ones: list[float]
) -> None:
    """Of each label: across labels the score divides by what is usual for the label, cleanlab's does not."""
    labels, probabilities = of_confidences(zeros, ones)
    found, theirs = rank(labels, probabilities), issues(labels, probabilities, score)
    for label in (0, 1):
        listed = found.listed(labels == label, at_most=len(labels))
        assert listed.tolist() == theirs[labels[theirs] == label].tolist()


@BY_SCORE
@given(confidences=BELIEVED)
def test_where_both_labels_are_believed_alike_cleanlab_orders_them_alike(score: str, confidences: list[float]) -> None:
    labels, probabilities = of_confidences(confidences, confidences)
    listed = rank(labels, probabilities).listed(labels >= 0, at_most=len(labels))
    self_confidence = np.array([*confidences, *confidences])
    assert self_confidence[listed].tolist() == self_confidence[issues(labels, probabilities, score)].tolist()


@BY_SCORE
@pytest.mark.parametrize("seed", range(5))
def test_cleanlab_finds_the_same_cells_among_wrong_labels(score: str, seed: int) -> None:
    labels, probabilities = noisy(seed)
    found, theirs = rank(labels, probabilities), issues(labels, probabilities, score)
    assert found.usual == pytest.approx(get_confident_thresholds(labels, columns(probabilities)))
    assert found.usual.min() > 0.5
    for label in (0, 1):
        listed = found.listed(labels == label, at_most=len(labels))
        assert len(listed) > 0
        assert listed.tolist() == theirs[labels[theirs] == label].tolist()


def test_a_cell_is_disputed_though_its_label_is_likelier_where_the_other_is_little_believed() -> None:
    """The means are 13/16 and 3/16. Row 2 is where find_label_issues differs; row 1, as sure of both, stays."""
    labels = np.array([0, 0, 0, 1, 1, 1, 1], np.uint8)
    probabilities = np.array([1, 3, 5, 1, 2, 3, 6]) / 16
    found = rank(labels, probabilities)
    assert found.usual.tolist() == [13 / 16, 3 / 16]
    assert np.flatnonzero(found.disputed).tolist() == off_diagonal(labels, probabilities) == [2, 3, 4, 5]
    assert issues(labels, probabilities).tolist() == [3, 4, 5]


def test_a_cell_as_sure_of_both_labels_at_even_odds_keeps_its_own() -> None:
    """cleanlab's joint counts it for label 0, the first of equals; find_label_issues drops it."""
    labels, probabilities = np.array([0, 0, 1, 1], np.uint8), np.array([0.5, 0.75, 0.5, 0.25])
    assert np.flatnonzero(rank(labels, probabilities).disputed).tolist() == [1, 3]
    assert off_diagonal(labels, probabilities) == [1, 2, 3]
    assert sorted(issues(labels, probabilities)) == [1, 3]


def test_a_model_that_says_the_same_of_every_cell_is_as_sure_as_usual() -> None:
    """So all are counted for the likelier label, though a mean of equal numbers is not quite one of them."""
    labels, probabilities = (np.arange(10) % 3 == 0).astype(np.uint8), np.full(10, 0.3)
    assert np.flatnonzero(rank(labels, probabilities).disputed).tolist() == [0, 3, 6, 9]
    assert sorted(issues(labels, probabilities)) == [0, 3, 6, 9]


def ranked(labels: list[int], eighths: list[int]) -> Ranking:
    """Return the ranking of probabilities in eighths, so that sums, means and 1 - p are exact and a tie is one."""
    return rank(np.array(labels, np.uint8), np.array(eighths) / 8)


def test_the_score_is_the_share_that_is_missing_of_what_is_usual() -> None:
    """Controls are believed with 7/8 and 3/8, usually 5/8; leukemia with 2/8 and 6/8, usually 4/8."""
    found = ranked([0, 0, 1, 1], [1, 5, 2, 6])
    assert found.usual.tolist() == [0.625, 0.5]
    assert found.label_issue_score == pytest.approx([1 - 7 / 5, 1 - 3 / 5, 1 - 2 / 4, 1 - 6 / 4])
    assert found.order.tolist() == [2, 1, 0, 3]  # by the differences, 1/4 both, the control would be first
    assert found.place.tolist() == [3, 2, 1, 4]


def test_of_equals_the_first_row_is_first() -> None:
    assert ranked([0, 1, 0, 1, 0], [4, 4, 4, 4, 4]).order.tolist() == [0, 1, 2, 3, 4]


def test_a_label_that_nobody_believes_has_a_dispute_of_1() -> None:
    found = ranked([0, 0, 1, 1], [8, 8, 8, 8])
    assert found.label_issue_score.tolist() == [1, 1, 0, 0]
    assert found.disputed.tolist() == [True, True, False, False]


@pytest.mark.parametrize(
    ("probability", "disputed"),
    [
        (5, False),  # less sure of leukemia than of cells that bear it, 6/8
        (6, True),  # as sure
        (7, True),
    ],
)
def test_a_cell_is_disputed_where_models_are_as_sure_of_the_other_label_as_they_usually_are(
    probability: int, disputed: bool
) -> None:
    found = ranked([0, 0, 0, 1, 1], [probability, 0, 0, 6, 6])
    assert found.usual[1] == 0.75
    assert found.disputed.tolist() == [disputed, False, False, False, False]


@pytest.mark.parametrize(
    ("probability", "disputed"),
    [
        (4, False),  # as sure of both labels as usual, and of both alike: the given one stands
        (5, True),  # less sure of the given label than usual
        (3, False),
    ],
)
def test_where_both_labels_are_as_likely_as_usual_the_given_one_stands(probability: int, disputed: bool) -> None:
    """Controls are believed with 4/8 on average, the one asked about and two that make up for it; leukemia with 3/8."""
    found = ranked([0, 0, 0, 1, 1], [probability, 4, 8 - probability, 3, 3])
    assert found.usual.tolist() == [0.5, 0.375]
    assert bool(found.disputed[0]) is disputed


def test_the_list_is_of_disputed_cells_among_those_wanted_worst_first_and_no_longer_than_wished() -> None:
    """Disputes are 1 - p / usual: rows 0, 1 and 2 are disputed, row 1 most; leukemia is usually believed with 6/8."""
    found = ranked([0, 0, 0, 0, 0, 1, 1], [6, 8, 7, 0, 0, 6, 6])
    everyone, not_row_1 = np.ones(7, bool), np.arange(7) != 1
    assert found.listed(everyone, at_most=9).tolist() == [1, 2, 0]
    assert found.listed(everyone, at_most=2).tolist() == [1, 2]
    assert found.listed(not_row_1, at_most=9).tolist() == [2, 0]
