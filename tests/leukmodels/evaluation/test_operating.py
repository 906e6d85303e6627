"""Operating points: the front over models and thresholds, and whether promises are kept."""

import re
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from leukmodels.errors import StudyError
from leukmodels.evaluation.curves import curve_of
from leukmodels.evaluation.operating import RISK, choose, most_promised, operating_front, promised_recall
from toy_scores import Cohort, of_patients, scored


@st.composite
def models(draw):
    """One to three models' scores of the same rows, with ties, by number."""
    labels = [0, 1, *draw(st.lists(st.integers(0, 1), max_size=12))]
    scores = st.lists(st.sampled_from([0.1, 0.3, 0.5, 0.7, 0.9]), min_size=len(labels), max_size=len(labels))
    return {
        number: of_patients(labels, draw(scores)) for number in draw(st.sets(st.integers(0, 9), min_size=1, max_size=3))
    }


def measured(part, threshold):
    called, ill = part.scores >= threshold, part.labels == 1
    return called[ill].mean(), (called == ill).mean(), (~called)[~ill].mean()


def every_point(parts, min_specificity):
    """Return (recall, accuracy) of all thresholds of all models that keep a specificity."""
    points = [measured(part, threshold) for part in parts.values() for threshold in (*np.unique(part.scores), 2)]
    return {point[:2] for point in points if point[2] >= min_specificity}


@given(models(), st.sampled_from([0.0, 0.5, 1.0]))
def test_the_front_is_what_no_other_point_dominates(parts, floor):
    front = operating_front({number: curve_of(part) for number, part in parts.items()}, min_specificity=floor)
    points = every_point(parts, floor)
    best = {
        point
        for point in points
        if not any(other != point and other[0] >= point[0] and other[1] >= point[1] for other in points)
    }
    assert len(front.models) == len(best)
    assert sorted(zip(front.recall, front.accuracy, strict=True)) == [pytest.approx(point) for point in sorted(best)]
    assert (np.diff(front.recall) > 0).all()
    assert (np.diff(front.accuracy) < 0).all()
    rows = zip(front.models, front.thresholds, front.recall, front.accuracy, front.specificity, strict=True)
    for model, threshold, *figures in rows:
        assert measured(parts[model], threshold) == pytest.approx(tuple(figures))
        assert figures[2] >= floor


@given(models(), st.sampled_from([0.2, 0.5, 0.9, 1.0]), st.sampled_from([0.0, 0.5, 1.0]))
def test_without_a_promise_the_most_accurate_point_is_chosen(parts, min_recall, floor):
    reaching = [point for point in every_point(parts, floor) if point[0] >= min_recall]
    if not reaching:
        with pytest.raises(StudyError, match="No model has a recall"):
            choose(parts, min_recall=min_recall, min_specificity=floor, sure=False)
        return
    chosen = choose(parts, min_recall=min_recall, min_specificity=floor, sure=False)
    assert chosen.promised is None
    assert (chosen.point.accuracy, chosen.point.recall) == pytest.approx(max((a, r) for r, a in reaching))
    assert chosen.point.threshold not in parts[chosen.model].scores
    found = measured(parts[chosen.model], chosen.point.threshold)
    assert found == pytest.approx((chosen.point.recall, chosen.point.accuracy, chosen.point.specificity))


def test_a_promise_is_kept_on_other_patients_whichever_of_several_models_is_luckiest():
    rng = np.random.default_rng(0)
    cohort, recall, times = Cohort(leukemic=14, healthy=28, cells=(15, 30), mean=0.8), 0.7, 40
    made = kept = measured_kept = 0
    for _ in range(times):
        validation, test = (dict(enumerate(cohort.draw(rng, models=3))) for _ in range(2))
        plain = choose(validation, min_recall=recall, min_specificity=0.3, sure=False)
        measured_kept += measured(test[plain.model], plain.point.threshold)[0] >= recall
        with suppress(StudyError):
            chosen = choose(validation, min_recall=recall, min_specificity=0.3)
            made += 1
            kept += measured(test[chosen.model], chosen.point.threshold)[0] >= recall
            assert recall <= chosen.promised <= chosen.point.recall
            assert chosen.point.specificity >= 0.3
    assert made >= 0.75 * times
    assert kept >= 0.9 * made
    assert measured_kept <= 0.75 * times  # so a promise is worth something


def test_a_promise_is_for_one_model_in_all_that_compete():
    rng = np.random.default_rng(1)
    parts = dict(enumerate(Cohort(leukemic=20, healthy=20).draw(rng, models=6)))
    alone = choose({0: parts[0]}, min_recall=0.7, min_specificity=0.5)
    among = choose({0: parts[0], **dict.fromkeys(range(1, 6), parts[0])}, min_recall=0.7, min_specificity=0.5)
    assert among.model == 0
    assert among.point.recall > alone.point.recall


def test_the_promise_falls_with_the_threshold_and_with_fewer_patients():
    rng = np.random.default_rng(2)
    (many,), (few,) = (Cohort(leukemic=size, healthy=10, cells=(30, 30)).draw(rng) for size in (60, 8))
    thresholds = np.linspace(0.9, 0.05, 30)
    promised = promised_recall(many, thresholds, risk=0.05)
    recall = np.array([measured(many, threshold)[0] for threshold in thresholds])
    assert (np.diff(promised) >= 0).all()
    assert (promised <= recall).all()
    assert (recall - promised)[15] < (
        measured(few, thresholds[15])[0] - promised_recall(few, thresholds, risk=0.05)[15]
    )


@pytest.mark.parametrize(("patients", "most"), [(6, 0.607), (12, 0.779), (26, 0.891), (59, 0.950)])
def test_no_more_is_promised_than_so_many_patients_without_a_miss_can(patients, most):
    labels = np.repeat([1, 0], patients)
    part = of_patients(labels, np.where(labels == 1, 0.9, 0.1))
    (promised,) = promised_recall(part, np.array([0.5]), risk=RISK)
    oracle = stats.binomtest(patients, patients, alternative="greater").proportion_ci(1 - RISK, method="exact").low
    assert most_promised(patients, risk=RISK) == pytest.approx(oracle)
    assert oracle == pytest.approx(most, abs=5e-4)
    assert promised <= oracle
    # A cell of every second patient is missed, one in sixty: resampling alone would be nearly sure of as much.
    scores = np.tile([0.9] * 59 + [0.4], patients)
    alike = scored(np.repeat(labels, 30), scores, np.arange(60 * patients) // 30)
    (promised,) = promised_recall(alike, np.array([0.5]), risk=RISK)
    assert promised == pytest.approx(oracle)


def test_a_wish_above_that_is_refused_with_how_many_patients_there_are():
    parts = dict(enumerate(Cohort(leukemic=12, healthy=10, mean=4.0).draw(np.random.default_rng(3), models=2)))
    expected = "12 leukemic patients; so many can promise 0.73 at the most"  # 0.025 ** (1 / 12): two share the risk
    with pytest.raises(StudyError, match=expected):
        choose(parts, min_recall=0.8, min_specificity=0.5)
    assert choose(parts, min_recall=0.73, min_specificity=0.5).promised < 0.74


def test_below_that_a_kind_of_patient_who_may_be_absent_breaks_few_promises():
    """A fifth of the leukemic patients is missed as a whole, by each model others: they may be absent."""
    rng = np.random.default_rng(4)
    cohort, recall, times = Cohort(leukemic=12, healthy=12, cells=(5, 10), mean=3.0, between=0.5), 0.7, 100

    def missing(parts):
        hidden = [(rng.random(24) < 0.2)[part.patients] & (part.labels == 1) for part in parts]
        return {
            number: scored(part.labels, np.where(missed, 0.01 * part.scores, part.scores), part.patients)
            for number, (part, missed) in enumerate(zip(parts, hidden, strict=True))
        }

    made = broken = measured_broken = 0
    for _ in range(times):
        validation, test = (missing(cohort.draw(rng, models=3)) for _ in range(2))
        with suppress(StudyError):
            plain = choose(validation, min_recall=recall, min_specificity=0.5, sure=False)
            measured_broken += measured(test[plain.model], plain.point.threshold)[0] < recall
            chosen = choose(validation, min_recall=recall, min_specificity=0.5)
            made += 1
            broken += measured(test[chosen.model], chosen.point.threshold)[0] < recall
    assert made >= 10
    assert broken <= 0.1 * times < measured_broken


def test_what_cannot_be_promised_is_said_with_what_can():
    parts = dict(enumerate(Cohort(leukemic=8, healthy=10).draw(np.random.default_rng(3), models=3)))
    with pytest.raises(StudyError, match=r"Nothing can promise a recall of 0\.99") as caught:
        choose(parts, min_recall=0.99, min_specificity=0.6)
    most = float(re.search(r"the most is (0\.\d\d), of model (\d) at threshold", str(caught.value))[1])
    assert 0 < most < 0.99
    assert choose(parts, min_recall=most - 0.01, min_specificity=0.6).promised >= most - 0.01
    with pytest.raises(StudyError):
        choose(parts, min_recall=most + 0.02, min_specificity=0.6)


def test_a_promise_allows_for_the_chance_of_two_samples():
    """Of 20 patients 4 were found by half: a mean of 0.9, whose standard error the others have as well."""
    found = np.repeat([10, 5], [16, 4])
    labels = np.repeat([1, 0], [200, 200])
    scores = np.r_[np.concatenate([np.arange(10) < cells for cells in found]), np.zeros(200)]
    (promised,) = promised_recall(scored(labels, scores, np.repeat(np.arange(40), 10)), np.array([1.0]), risk=0.05)
    assert promised == pytest.approx(0.677, abs=0.01)  # of one sample alone it is 0.751


LABELS = [1, 0, 1, 0]
# By falling score 1 0 1 0: after 0, 1, ... 4 of them the accuracy is 1/2, 3/4, 1/2, 3/4, 1/2,
# the recall 0, 1/2, 1/2, 1, 1.
TWICE_AS_ACCURATE = of_patients(LABELS, [0.9, 0.7, 0.5, 0.3])
# By falling score 1 0 0 1: the accuracy is 1/2, 3/4, 1/2, 1/4, 1/2.
ONCE_AS_ACCURATE = of_patients(LABELS, [0.9, 0.4, 0.2, 0.3])


def test_of_equally_accurate_thresholds_the_lowest_is_chosen_and_a_wish_that_is_just_met_is_met():
    chosen = choose({3: TWICE_AS_ACCURATE}, min_recall=0.5, min_specificity=0.5, sure=False)
    assert (chosen.point.accuracy, chosen.point.recall, chosen.point.specificity) == (0.75, 1, 0.5)
    assert chosen.point.threshold == pytest.approx(0.4)  # halfway from 0.5 to 0.3
    higher = choose({3: TWICE_AS_ACCURATE}, min_recall=0.5, min_specificity=0.6, sure=False)
    assert (higher.point.recall, higher.point.threshold) == (0.5, pytest.approx(0.8))


def test_of_equally_accurate_models_the_one_with_the_higher_recall_is_chosen_and_then_the_first():
    parts = {3: ONCE_AS_ACCURATE, 7: TWICE_AS_ACCURATE, 1: TWICE_AS_ACCURATE}
    assert choose(parts, min_recall=0.5, min_specificity=0.5, sure=False).model == 7


def test_of_equal_points_the_front_keeps_the_first_models():
    curves = {5: curve_of(TWICE_AS_ACCURATE), 2: curve_of(TWICE_AS_ACCURATE), 9: curve_of(ONCE_AS_ACCURATE)}
    front = operating_front(curves, min_specificity=0.5)
    assert (front.models.tolist(), front.recall.tolist(), front.accuracy.tolist()) == ([5], [1], [0.75])


def test_the_recall_that_there_is_is_rounded_down():
    """Two of three, 0.667: 0.67 would be refused again."""
    part = of_patients([1, 1, 1, 0], [0.9, 0.8, 0.2, 0.5])
    with pytest.raises(StudyError, match=r"the highest recall is 0\.66, of model 4 at threshold 0\.650\."):
        choose({4: part}, min_recall=0.7, min_specificity=1.0, sure=False)
    assert choose({4: part}, min_recall=0.66, min_specificity=1.0, sure=False).point.recall == pytest.approx(2 / 3)
