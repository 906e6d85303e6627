"""Shortcut probes: their answers, what chance does to them, and when they give the alarm."""

import json
from dataclasses import asdict, replace

import numpy as np
import numpy.typing as npt
import pytest
from scipy.stats import kstest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import KNeighborsClassifier

from drawn_cells import draw_cells
from leukmodels.dataset.cells import Cells
from leukmodels.dataset.pixels import Blocks
from leukmodels.errors import DataError
from leukmodels.evaluation.curves import auroc
from leukmodels.process.words import Terms
from leukmodels.shortcuts.classifiers import Patients, cross_validated_scores, deal, knn_scores, permutation_aurocs
from leukmodels.shortcuts.probes import measure_gap, probe_shortcuts
from toy_cells import images_of

TYPES = {0: "lymphocyte", 1: "myeloblast"}


@pytest.fixture(scope="module")
def honest() -> Cells:
    return draw_cells(TYPES, patients=40, cells_each=5, px=24)


@pytest.fixture(scope="module")
def planted() -> Cells:
    return draw_cells(TYPES, patients=40, cells_each=5, px=24, shortcut=1.0)


def plain(labels_of_patients, counts, *, shade: float = 0, seed: int = 0) -> Cells:
    """Return cells of noise, so many of each patient; leukemic ones are lighter by so many standard deviations."""
    rng = np.random.default_rng(seed)
    codes = np.arange(len(counts)).repeat(counts)
    labels = np.asarray(labels_of_patients, np.uint8)[codes]
    light = rng.normal(100 + shade * labels, 4)[:, None, None, None]
    return Cells(
        pixels=Blocks.of(np.clip(rng.normal(light, 20, (len(codes), 8, 8, 3)), 0, 255).astype(np.uint8)),
        labels=labels,
        patients=codes.astype(np.int32),
        patient_names=tuple(f"P{code}" for code in range(len(counts))),
        image_ids=np.array([str(number) for number in range(len(codes))]),
    )


def patients_of(patients: int, cells_each: int) -> Patients:
    codes = np.arange(patients).repeat(cells_each)
    return Patients(of_cell=codes, labels=(np.arange(patients) % 2).astype(np.uint8))


def slides(patients: Patients, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Return features of which nothing but the patient can be told."""
    cells = rng.normal(0, 0.05, (len(patients.of_cell), 3))
    return rng.normal(size=(len(patients.labels), 3))[patients.of_cell] + cells


def nearly_perfect(labels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """Return scores that tell the classes apart but for a few cells."""
    odds = np.random.default_rng(7).normal(4.0 * labels - 2, 1)
    return 1 / (1 + np.exp(-odds))


def test_no_alarm_without_a_shortcut(honest):
    """Nor where the cells' own colours tell as much as a model that is nearly perfect: they cannot be outdone."""
    scores = nearly_perfect(honest.labels)
    found = probe_shortcuts(honest, black_background=False, scores=scores)
    assert not found.alarm
    assert "surely by no more than 0.05" in found.colour.meaning
    assert "the cells' own" in found.colour.meaning
    assert roc_auc_score(honest.labels, scores) > 0.98
    assert found.background.found.p_value > 0.1
    assert found.background.found.chance.low < found.background.found.patients.estimate < 0.65
    assert found.colour.found.patients.estimate > 0.9  # blasts are larger: colour means alone are no alarm
    assert "no sign" in found.background.meaning


def test_alarm_with_a_planted_shortcut(planted):
    found = probe_shortcuts(planted, black_background=False, scores=nearly_perfect(planted.labels))
    assert found.alarm
    assert found.colour.alarm
    assert "nothing but read colours" in found.colour.meaning
    assert found.background.alarm
    assert found.background.found.patients.low > 0.65
    assert found.background.found.p_value == pytest.approx(1 / 201)
    assert "stain" in found.background.meaning
    assert '"alarm": true' in json.dumps(asdict(found))  # plain values, that can be written


def test_colour_means_give_the_alarm_where_a_model_is_no_better():
    some = plain(np.arange(40) % 2, np.full(40, 8), shade=4)
    shade = images_of(some).mean(axis=(1, 2, 3))
    read = shade + np.random.default_rng(1).normal(0, 3, len(some))
    alike = (read - read.min()) / np.ptp(read)
    better = np.where(some.labels == 1, 0.9, 0.1)
    half = some.patients < 20
    unasked = np.where(half, alike, np.nan), np.where(half, better, np.nan)
    for scores, alarm in ((alike, True), (better, False), (unasked[0], True), (unasked[1], False), (None, False)):
        found = probe_shortcuts(some, black_background=True, permutations=1, scores=scores).colour
        assert 0.6 < found.found.cells.estimate < 0.85
        assert found.alarm == alarm
        assert ("surely by no more than 0.05" in found.meaning) == alarm


def test_on_black_the_background_does_not_apply(honest):
    found = probe_shortcuts(honest, black_background=True, permutations=1)
    assert found.background.found is None
    assert not found.background.alarm
    assert "Not applicable" in found.background.meaning
    assert found.leak.gap is not None


def test_the_number_of_images_is_told_and_no_alarm():
    rng = np.random.default_rng(0)
    labels = np.arange(20) % 2
    told = probe_shortcuts(plain(labels, 2 + 6 * labels + rng.integers(0, 3, 20)), black_background=True).count
    assert told.found.patients.estimate == 1
    assert told.found.p_value < 0.01
    assert not told.alarm
    silent = probe_shortcuts(plain(labels, rng.integers(2, 9, 20)), black_background=True).count
    assert silent.found.p_value > 0.05


def test_a_limit_stands_beside_each_p_and_one_that_cannot_be_reached_is_said(honest):
    sure = probe_shortcuts(honest, black_background=False)
    assert "alarming at 0.01 or less): no sign" in sure.background.meaning
    assert "never alarming). A mean" in sure.count.meaning
    assert sure.background.found.smallest_p == pytest.approx(1 / 201)
    few = probe_shortcuts(honest, black_background=False, permutations=50).background
    assert few.found.smallest_p == pytest.approx(1 / 51)
    assert "here p cannot be below 0.020, so no alarm can be given" in few.meaning
    small = probe_shortcuts(plain([0, 0, 1, 1], [5, 5, 5, 5]), black_background=False)
    assert small.background.found.smallest_p == pytest.approx(1 / 6)  # so many ways to deal two labels of each to four
    assert "here p cannot be below 0.167" in small.background.meaning


def test_images_that_stand_for_themselves_are_no_patients():
    terms = Terms(unit="image", positive="blast", negative="lymphocyte")
    cells = plain(np.arange(30) % 2, np.ones(30, int))
    found = probe_shortcuts(cells, black_background=False, permutations=1, terms=terms)
    assert (found.count.found, found.leak.gap, found.leak.alarm) == (None, None, False)
    assert "of images (by chance" in found.background.meaning
    said = " ".join(each.meaning for each in (found.colour, found.background, found.count, found.leak))
    assert "patient" not in said
    with pytest.raises(DataError, match="1 blast image; two of each class are needed"):
        probe_shortcuts(plain([0, 0, 1], [1, 1, 1]), black_background=True, terms=terms)


def test_images_without_patients_give_the_alarm():
    found = probe_shortcuts(plain(np.arange(30) % 2, np.ones(30, int)), black_background=True, permutations=1)
    assert found.leak.gap is None
    assert found.leak.alarm


def test_the_leak_is_what_remembering_slides_adds():
    patients, rng = patients_of(30, 8), np.random.default_rng(0)
    some = plain(patients.labels, np.full(30, 8))
    for features, leaks in ((slides(patients, rng), True), (rng.normal(size=(240, 3)), False)):
        gap = measure_gap(
            some,
            by_image=knn_scores(some.labels, features, deal(some.labels, rng)),
            by_patient=knn_scores(some.labels, features, deal(patients.labels, rng)[patients.of_cell]),
        ).gap
        assert (gap.low > 0.1) == leaks
        assert (gap.low < 0 < gap.high) != leaks


def test_the_gap_is_the_difference_of_two_aurocs():
    some = plain(np.arange(12) % 2, np.full(12, 4))
    rng = np.random.default_rng(1)
    first, second = rng.random((2, len(some)))
    gap = measure_gap(some, by_image=first, by_patient=second)
    one, two = (roc_auc_score(some.labels, scores) for scores in (first, second))
    assert gap.by_image.estimate == pytest.approx(one)
    assert gap.by_patient.estimate == pytest.approx(two)
    assert gap.gap.estimate == pytest.approx(one - two)


def test_answers_are_those_of_scikit_learn_fold_by_fold():
    rng = np.random.default_rng(2)
    patients = replace(patients_of(15, 4), of_cell=np.sort(rng.permutation(np.arange(60) % 15)[:50]))
    patients = Patients(of_cell=np.sort(np.append(patients.of_cell, np.arange(15))), labels=patients.labels)
    features = rng.standard_t(2, size=(65, 3))
    labels = patients.labels[patients.of_cell]
    fold_of = deal(patients.labels, np.random.default_rng(5))[patients.of_cell]
    answers = cross_validated_scores(patients, features, seed=5)
    for fold in range(5):
        train = fold_of != fold
        weights = np.zeros(65)
        for label in (0, 1):
            for patient in np.unique(patients.of_cell[train & (labels == label)]):
                own = patients.of_cell == patient
                weights[own] = 1 / own.sum() / len(np.unique(patients.of_cell[train & (labels == label)]))
        weights *= len(np.unique(patients.of_cell[train])) / 2
        model = LogisticRegression(tol=1e-10, max_iter=1000)
        model.fit(features[train], labels[train], sample_weight=weights[train])
        expected = model.predict_proba(features[~train])[:, 1]
        np.testing.assert_allclose(answers[~train], expected, atol=1e-5)
    means = [answers[patients.of_cell == patient].mean() for patient in range(15)]
    assert auroc(patients.labels, patients.means(answers)) == pytest.approx(roc_auc_score(patients.labels, means))


@pytest.mark.parametrize("patients", [4, 13, 40])
def test_folds_hold_each_class_evenly(patients):
    labels = (np.arange(patients) % 3 == 0).astype(np.uint8)
    fold_of = deal(labels, np.random.default_rng(0))
    for label in (0, 1):
        sizes = np.bincount(fold_of[labels == label])
        assert len(sizes) == min(5, labels.sum())
        assert np.ptp(sizes) <= 1


def test_neighbours_are_those_of_scikit_learn():
    rng = np.random.default_rng(3)
    features, labels, fold_of = rng.normal(size=(50, 2)), rng.integers(0, 2, 50).astype(np.uint8), np.arange(50) % 3
    answers = knn_scores(labels, features, fold_of)
    for fold in range(3):
        asked = fold_of == fold
        model = KNeighborsClassifier(5).fit(features[~asked], labels[~asked])
        np.testing.assert_allclose(answers[asked], model.predict_proba(features[asked])[:, 1])


def test_permuted_labels_come_out_as_chance_has_it():
    """Where slides mean nothing, the p-values of many cohorts are uniform."""
    rng = np.random.default_rng(4)
    values = []
    for seed in range(100):
        patients = patients_of(16, 3)
        features = slides(patients, rng)
        real = auroc(patients.labels, patients.means(cross_validated_scores(patients, features, seed)))
        by_chance = permutation_aurocs(patients, features, 39, seed)
        ties = rng.random() * np.count_nonzero(by_chance == real)
        values.append((rng.random() + np.count_nonzero(by_chance > real) + ties) / 40)
    assert kstest(values, "uniform").pvalue > 0.01


def test_permuted_labels_fall_to_chance_where_patients_are_split_and_not_where_images_are():
    patients, rng = patients_of(24, 8), np.random.default_rng(5)
    features = slides(patients, rng)
    assert permutation_aurocs(patients, features, 200, 0).mean() == pytest.approx(0.5, abs=0.03)
    labels = rng.permutation(patients.labels)[patients.of_cell]
    assert roc_auc_score(labels, knn_scores(labels, features, deal(labels, rng))) > 0.95


def test_many_permutations_at_once_are_the_same_as_few(monkeypatch):
    patients, rng = patients_of(10, 3), np.random.default_rng(6)
    features = slides(patients, rng)
    at_once = permutation_aurocs(patients, features, 9, 0)
    monkeypatch.setattr("leukmodels.shortcuts.classifiers._AT_ONCE", 60)
    assert len(at_once) == 9
    assert np.ptp(at_once) > 0
    np.testing.assert_allclose(permutation_aurocs(patients, features, 9, 0), at_once)


def test_cells_that_cannot_be_probed_are_refused_with_all_reasons():
    some = plain([0, 1, 1], [3, 3, 3])
    labels = some.labels.copy()
    labels[5] = 0
    with pytest.raises(DataError, match=r"(?s)'P1' has cells of both classes.*1 healthy patient; two of each class"):
        probe_shortcuts(replace(some, labels=labels), black_background=True)
