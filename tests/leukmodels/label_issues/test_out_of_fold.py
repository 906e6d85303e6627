"""Which training cells are gathered, who scores whom, and the ranking."""

import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from folders import draw_folder
from leukmodels import collections
from leukmodels.collections.source import open_source
from leukmodels.dataset.cells import Cells
from leukmodels.dataset.folds import image_folds, patient_folds, rounds
from leukmodels.dataset.pixels import Blocks
from leukmodels.dataset.split import split_patients
from leukmodels.errors import DataError
from leukmodels.label_issues.contact_sheet import read_pixels
from leukmodels.label_issues.ranking import rank


def cells_of(patients: list[tuple[str, int, int]]) -> tuple[Cells, np.ndarray]:
    """Return cells of patients (class, label, number of cells), and the class of each cell."""
    codes = np.repeat(np.arange(len(patients)), [count for _, _, count in patients])
    cells = Cells(
        pixels=Blocks.of(np.zeros((len(codes), 1, 1, 3), np.uint8)),
        labels=np.array([patients[code][1] for code in codes], np.uint8),
        patients=codes.astype(np.int32),
        patient_names=tuple(f"P{number}" for number in range(len(patients))),
        image_ids=np.array([f"{row}.tif" for row in range(len(codes))]),
    )
    return cells, np.array([patients[code][0] for code in codes])


CLASSES = [("control", 0), ("NPM1", 1), ("PML", 1)]
SEVERAL = st.lists(st.tuples(st.sampled_from(CLASSES), st.integers(1, 4)), min_size=1, max_size=24).map(
    lambda rows: [(name, label, count) for (name, label), count in rows]
)


@given(SEVERAL, st.integers(3, 6), st.integers(0, 5))
def test_no_patient_stands_on_two_sides_of_a_round(rows: list[tuple[str, int, int]], folds: int, seed: int) -> None:
    patients = [*rows, *(("control", 0, 1),) * folds, *(("PML", 1, 2),) * folds]
    cells, class_names = cells_of(patients)
    fold_of = patient_folds(cells, class_names, folds=folds, seed=seed)
    asked_about = Counter[int]()
    for each in rounds(fold_of, folds):
        sides = [set(cells.patients[part].tolist()) for part in (each.train, each.validation, each.held_out)]
        assert sum(map(len, sides)) == len(set.union(*sides)) == len(patients)
        assert len(each.train) + len(each.validation) + len(each.held_out) == len(cells)
        for part in (each.train, each.validation, each.held_out):
            assert set(cells.labels[part].tolist()) == {0, 1}
        asked_about.update(each.held_out.tolist())
    assert asked_about == dict.fromkeys(range(len(cells)), 1)


@given(SEVERAL, st.integers(3, 6), st.integers(0, 5))
def test_the_folds_hold_equal_shares_of_every_class(rows: list[tuple[str, int, int]], folds: int, seed: int) -> None:
    patients = [*rows, *(("control", 0, 1),) * folds, *(("PML", 1, 2),) * folds]
    cells, class_names = cells_of(patients)
    fold_of = patient_folds(cells, class_names, folds=folds, seed=seed)
    fold_of_patient = dict(zip(cells.patients.tolist(), fold_of.tolist(), strict=True))
    for wanted in ({"control"}, {"NPM1"}, {"PML"}, {"NPM1", "PML"}):
        members = [code for code, (name, _, _) in enumerate(patients) if name in wanted]
        counts = Counter(fold_of_patient[code] for code in members)
        assert max(counts[fold] for fold in range(folds)) - min(counts[fold] for fold in range(folds)) <= 1


def test_images_can_be_dealt_by_themselves_and_then_stand_for_nobody() -> None:
    cells, class_names = cells_of([("control", 0, 9)] * 5 + [("PML", 1, 7)] * 4)
    fold_of = image_folds(cells, class_names, folds=4, seed=0)
    for each in rounds(fold_of, 4, by_image=True):
        assert each.by_image
        assert cells.take(each.held_out).present_patients & cells.take(each.train).present_patients
        nobodies = cells.take(each.held_out).each_its_own().present_patients
        assert len(nobodies) == len(each.held_out)
        assert nobodies.isdisjoint(cells.present_patients)
    counts = np.array([np.bincount(cells.labels[fold_of == fold], minlength=2) for fold in range(4)])
    assert np.ptp(counts, axis=0).max() <= 1


def test_another_seed_deals_other_folds() -> None:
    cells, class_names = cells_of([("control", 0, 1), ("PML", 1, 1)] * 10)
    one, same, other = (patient_folds(cells, class_names, folds=5, seed=seed).tolist() for seed in (0, 0, 1))
    assert one == same != other


def test_too_few_patients_for_the_folds_are_refused_with_how_many_would_do() -> None:
    cells, class_names = cells_of([("control", 0, 3)] * 4 + [("PML", 1, 3)] * 2)
    with pytest.raises(DataError) as caught:
        patient_folds(cells, class_names, folds=5, seed=0)
    assert len(caught.value.problems) == 2
    assert "4 of the patients to deal are healthy" in str(caught.value)
    assert "Give --folds 4." in str(caught.value)


LABELLED = st.lists(st.tuples(st.integers(0, 1), st.floats(0, 1)), max_size=40).map(
    lambda cells: [*cells, (0, 0.25), (1, 0.5)]
)


@given(LABELLED)
def test_the_ranking_is_confident_learning_said_plainly(cells: list[tuple[int, float]]) -> None:
    labels = np.array([label for label, _ in cells], np.uint8)
    found = rank(labels, np.array([probability for _, probability in cells]))
    believed = [probability if label else 1 - probability for label, probability in cells]
    usual = [np.mean([b for b, (label, _) in zip(believed, cells, strict=True) if label == side]) for side in (0, 1)]
    for row, (label, probability) in enumerate(cells):
        assert found.label_issue_score[row] == pytest.approx(1 - believed[row] / usual[label])
        # The labels that the models are as sure of as they usually are, and of these the surest.
        by_side = {0: 1 - probability, 1: probability}
        sure = [(by, side == label, side) for side, by in by_side.items() if by >= usual[side] - 1e-6]
        assert found.disputed[row] == (bool(sure) and max(sure)[2] != label)
    assert sorted(found.order.tolist()) == list(range(len(cells)))
    assert found.order[found.place - 1].tolist() == list(range(len(cells)))
    assert (np.diff(found.label_issue_score[found.order]) <= 0).all()
    for at_most in (0, 3, 100):
        for among in (labels == 1, labels >= 0):
            listed = found.listed(among, at_most=at_most)
            assert len(listed) == min(at_most, (found.disputed & among).sum())
            assert (found.disputed & among)[listed].all()
            assert (np.diff(found.place[listed]) > 0).all()


def test_labels_that_nobody_disputes_are_not_listed() -> None:
    labels = np.arange(20, dtype=np.uint8) % 2
    found = rank(labels, np.where(labels == 1, 0.9, 0.1))
    assert len(found.listed(labels >= 0, at_most=20)) == 0


def test_the_cells_are_those_of_the_searchs_training_patients_and_no_others(training_of, tmp_path: Path) -> None:
    root = draw_folder(tmp_path / "mll", patients=8)
    found = training_of(root)
    split = split_patients(collections.read("mll", root).cells)
    assert found.split == split
    wanted = {name for name in split.patients("train") if name[0] in "AB"}  # NPM1's patients are of no use here
    assert found.cells.present_patients == wanted
    assert {Path(name).parent.name for name in found.cells.image_ids.tolist()} == wanted
    (images,) = found.cells.pixels.batches(np.arange(len(found.cells)), len(found.cells))
    for row, name in enumerate(found.cells.image_ids.tolist()):
        again = read_pixels(open_source(root), str(root / name), content=found.contents[row], image_px=16, crop_px=None)
        np.testing.assert_array_equal(images[row], again)
    assert found.class_names.tolist() == [Path(name).parts[1] for name in found.cells.image_ids.tolist()]


def test_a_copied_image_joins_its_patients_and_a_damaged_one_is_set_aside(training_of, tmp_path: Path) -> None:
    root = draw_folder(tmp_path / "mll", patients=8)
    control = root / "data" / "control"
    for name in "AAA", "AAB", "AAC":
        (control / name / "image_9.tif").write_bytes(b"")  # empty files are alike, and join nobody
    shutil.copy(control / "AAD" / "image_0.tif", control / "AAE" / "image_7.tif")
    found = training_of(root)
    assert {name for name in found.split.part_of if "+" in name} == {"AAD+AAE"}
    assert any("AAD+AAE share images" in note for note in found.notes)
    with pytest.raises(DataError, match=r"3 of 52 images .* more than --max-bad allows \(1\.0%\)"):
        training_of(root, max_bad=0.01)


def test_a_file_that_changes_meanwhile_ends_it(tmp_path: Path) -> None:
    path = draw_folder(tmp_path / "mll") / "data" / "control" / "AAA" / "image_0.tif"
    with pytest.raises(DataError, match="its bytes have changed"):
        read_pixels(open_source(tmp_path), str(path), content="0" * 64, image_px=8, crop_px=None)
