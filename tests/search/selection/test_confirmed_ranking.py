"""Who is best on other patients, and what a confirmation may be asked for."""

import numpy as np
import pytest

import pages
import studies
from leukmodels.errors import ConfigError
from leukmodels.process.command_line import checked
from search.confirm.options import ConfirmOptions
from search.selection.confirmed_ranking import SHOWN, rank
from search.selection.test_candidates import BEYOND, REFERENCE, choose
from search.study.confirmation_log import Confirmation, Retraining
from search.study.objectives import Objectives


def retrainings(**measured):
    """Return a confirmation of trials by their (recall, accuracy) in turn; None where training failed."""
    confirmation = Confirmation()
    for trial, points in measured.items():
        for fold, point in enumerate(points):
            which = Retraining(trial=int(trial[1:]), folds=3, seed=0, fold=fold)
            metrics = dict.fromkeys(SHOWN, 0.8)
            confirmation.retrained[which] = metrics | {"recall": point[0], "accuracy": point[1]} if point else {}
    return confirmation


def test_the_ranking_is_by_means_of_both_and_never_by_their_sum():
    confirmation = retrainings(
        t1=[(0.9, 0.6), (0.9, 0.6)], t2=[(0.6, 0.95), (0.8, 0.95)], t3=[(0.65, 0.9), (0.65, 0.9)], t4=[(1.0, 1.0), None]
    )
    ranking = rank(confirmation, [1, 2, 3, 4, 5], Objectives())
    assert [each.trial for each in ranking] == [1, 2, 3, 4]
    assert [each.on_front for each in ranking] == [True, True, False, False]
    assert ranking[1].means["recall"] == pytest.approx(0.7)
    assert ranking[1].spreads["recall"] == pytest.approx(np.std([0.6, 0.8], ddof=1))
    assert (ranking[3].trainings, ranking[3].failures) == (1, 1)


def test_only_trainings_that_all_had_are_compared():
    """Trial 1 was trained on hard patients besides; trial 3 is on its way still."""
    confirmation = retrainings(t1=[(0.9, 0.9)] * 3, t2=[(0.8, 0.8)] * 3, t3=[(0.7, 0.7)] * 2)
    metrics = dict.fromkeys(SHOWN, 0.8)
    for fold in range(5):
        which = Retraining(trial=1, folds=5, seed=0, fold=fold)
        confirmation.retrained[which] = metrics | {"recall": 0.1, "accuracy": 0.1}
    ranking = rank(confirmation, [1, 2, 3], Objectives())
    assert [(each.trial, each.trainings) for each in ranking] == [(1, 2), (2, 2), (3, 2)]
    assert [each.means["recall"] for each in ranking] == pytest.approx([0.9, 0.8, 0.7])


def test_where_nobody_keeps_the_bounds_nobody_is_called_best(tmp_path):
    confirmation = retrainings(t1=[(0.9, 0.4)], t2=[(0.5, 0.9), None])
    for which, metrics in confirmation.retrained.items():
        if metrics:
            confirmation.retrained[which] = {**metrics, "specificity": 0.1}
    ranking = rank(confirmation, [1, 2], Objectives(min_specificity=0.5))
    folder = pages.searched(tmp_path / "study")
    chosen = choose(folder, studies.record(folder), ranking, count=3, min_specificity=0.5)
    assert [(each.trial, each.why) for each in chosen] == [(1, BEYOND), (0, REFERENCE)]


def test_a_mean_beyond_the_studys_bound_is_on_no_front():
    confirmation = retrainings(t1=[(1.0, 0.4)], t2=[(0.5, 0.9)])
    for which in confirmation.retrained:
        if which.trial == 1:
            confirmation.retrained[which] = {**confirmation.retrained[which], "specificity": 0.1}
    ranking = rank(confirmation, [1, 2], Objectives(min_specificity=0.5))
    assert [(each.trial, each.on_front) for each in ranking] == [(2, True), (1, False)]


def test_what_cannot_be_done_is_said_all_at_once():
    with pytest.raises(ConfigError) as caught:
        checked(ConfirmOptions, {"study": "a", "folds": 2, "seeds": 0})
    assert caught.value.problems == (
        "--folds is 2; give a whole number from 3.",
        "--seeds is 0; give a whole number from 1.",
    )
    with pytest.raises(ConfigError, match="--again opens the test patients and --keep-locked does not"):
        checked(ConfirmOptions, {"study": "a", "again": True, "keep_locked": True})
