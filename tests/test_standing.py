import pytest

from leukmodels.errors import StudyError
from search.aims import Aims
from search.records import StudyRecord, TrialRecord, TrialState
from search.standing import choose, hypervolumes, stand
from studies import metrics


def study(*points):
    """Return a study whose complete trials have these (recall, accuracy, specificity)."""
    trials = {}
    for number, (recall, accuracy, specificity) in enumerate(points):
        trials[number] = TrialRecord(
            number=number,
            params={},
            source="sampled",
            state=TrialState.COMPLETE,
            outcome={"metrics": metrics(recall, specificity) | {"accuracy": accuracy}},
            finished=float(number),
        )
    return StudyRecord(trials=trials)


EVERYTHING_IS_LEUKEMIA = (1.0, 0.68, 0.0)
AIMS = Aims(min_specificity=0.5)


def test_everything_is_leukemia_is_on_no_front():
    standing = stand(study(EVERYTHING_IS_LEUKEMIA, (0.9, 0.8, 0.7)), AIMS)
    assert [trial.number for trial in standing.front] == [1]
    assert [trial.number for trial in standing.infeasible] == [0]
    assert standing.hypervolume == pytest.approx(0.9 * 0.8)


def test_without_a_floor_it_would_be():
    standing = stand(study(EVERYTHING_IS_LEUKEMIA, (0.9, 0.8, 0.7)), Aims())
    assert [trial.number for trial in standing.front] == [0, 1]


def test_the_front_comes_by_recall_and_running_or_failed_trials_are_nowhere():
    record = study((0.8, 0.9, 0.9), (0.9, 0.8, 0.7), (0.7, 0.7, 0.7))
    record.trials[3] = TrialRecord(number=3, params={}, source="sampled")
    record.trials[4] = TrialRecord(number=4, params={}, source="sampled", state=TrialState.FAILED)
    standing = stand(record, AIMS)
    assert [trial.number for trial in standing.front] == [1, 0]
    assert [trial.number for trial in standing.dominated] == [2]


@pytest.mark.parametrize(("prefer", "expected"), [("recall", 0), ("accuracy", 2), ("balanced", 1)])
def test_each_preference_has_its_member(prefer, expected):
    standing = stand(study((0.95, 0.70, 0.6), (0.85, 0.84, 0.8), (0.70, 0.90, 0.95)), AIMS)
    assert choose(standing, prefer=prefer).number == expected


def test_min_recall_takes_the_most_accurate_that_reaches_it():
    standing = stand(study((0.95, 0.70, 0.6), (0.85, 0.84, 0.8), (0.70, 0.90, 0.95)), AIMS)
    assert choose(standing, min_recall=0.8).number == 1


def test_a_recall_that_nobody_reaches_says_the_highest_there_is():
    standing = stand(study((0.85, 0.84, 0.8)), AIMS)
    with pytest.raises(StudyError, match=r"0\.99.*0\.850"):
        choose(standing, min_recall=0.99)


def test_an_empty_front_says_why():
    with pytest.raises(StudyError, match="1 complete trials break a bound"):
        choose(stand(study(EVERYTHING_IS_LEUKEMIA), AIMS))


def test_the_hypervolume_over_trials_never_falls_and_ends_at_the_standing():
    record = study((0.8, 0.8, 0.9), EVERYTHING_IS_LEUKEMIA, (0.9, 0.7, 0.7), (0.2, 0.2, 0.9))
    reached = hypervolumes(record, AIMS)
    assert [number for number, _ in reached] == [0, 1, 2, 3]
    volumes = [volume for _, volume in reached]
    assert volumes == sorted(volumes)
    assert volumes[-1] == pytest.approx(stand(record, AIMS).hypervolume)
