"""Small rules of the folds, in literal cases; what holds of all folds is in test_out_of_fold.py."""

import numpy as np
import pytest

from leukmodels.dataset.cells import Cells
from leukmodels.dataset.folds import patient_folds, rounds
from leukmodels.dataset.pixels import Blocks
from leukmodels.errors import DataError
from leukmodels.process.words import Terms


def cells_of(patients: list[str]) -> tuple[Cells, np.ndarray]:
    """Return cells of patients, a letter a cell: capitals are leukemic classes, others controls; and their classes."""
    letters = [letter for patient in patients for letter in patient]
    codes = np.repeat(np.arange(len(patients)), [len(patient) for patient in patients])
    cells = Cells(
        pixels=Blocks.of(np.zeros((len(letters), 1, 1, 3), np.uint8)),
        labels=np.array([letter.isupper() for letter in letters], np.uint8),
        patients=codes.astype(np.int32),
        patient_names=tuple(f"P{number}" for number in range(len(patients))),
        image_ids=np.array([f"{row}.tif" for row in range(len(letters))]),
    )
    return cells, np.array(letters)


def folds_of_patients(patients: list[str], folds: int, seed: int) -> list[int]:
    cells, class_names = cells_of(patients)
    fold_of = patient_folds(cells, class_names, folds=folds, seed=seed)
    return [int(fold_of[cells.patients == patient][0]) for patient in range(len(patients))]


@pytest.mark.parametrize(
    ("mixed", "side"),
    [
        ("aB", "leukemia"),  # as many of both: B is the first by name, as capitals sort before small letters
        ("Ba", "leukemia"),  # whichever cell comes first
        ("aaB", "control"),
        ("aBB", "leukemia"),
    ],
)
def test_a_patient_of_several_classes_is_of_the_side_of_its_class_with_most_cells(mixed: str, side: str) -> None:
    """Three folds need three patients a side: with two others on each, one side is a patient short."""
    cells, class_names = cells_of([mixed, "a", "a", "B", "B"])
    short = {"leukemia": "healthy", "control": "leukemic"}[side]
    with pytest.raises(DataError) as caught:
        patient_folds(cells, class_names, folds=3, seed=0)
    assert [problem.split(":")[0] for problem in caught.value.problems] == [f"2 of the patients to deal are {short}"]


@pytest.mark.parametrize(("patients", "advice"), [(2, ""), (3, " Give --folds 3."), (4, " Give --folds 4.")])
def test_fewer_folds_are_advised_only_where_three_are_left(patients: int, advice: str) -> None:
    """One fold is held out, one chooses the epoch and one trains: two folds are none."""
    cells, class_names = cells_of(["a"] * patients + ["B"] * 5)
    with pytest.raises(DataError) as caught:
        patient_folds(cells, class_names, folds=5, seed=0)
    (problem,) = caught.value.problems
    assert problem == (
        f"{patients} of the patients to deal are healthy: too few for 5 folds of at least one each.{advice}"
    )


def test_too_few_are_called_what_the_study_calls_them() -> None:
    cells, class_names = cells_of(["a"] * 3 + ["B"] * 5)
    terms = Terms(unit="image", positive="blast", negative="lymphocyte")
    with pytest.raises(DataError) as caught:
        patient_folds(cells, class_names, folds=4, seed=0, terms=terms)
    assert str(caught.value).splitlines() == [
        "The images cannot be dealt into folds:",
        "  - 3 of the images to deal are lymphocyte: too few for 4 folds of at least one each. Give --folds 3.",
    ]


def test_as_many_patients_as_folds_are_enough_and_two_folds_are_not() -> None:
    assert sorted(folds_of_patients(["a"] * 3 + ["B"] * 3, folds=3, seed=0)[:3]) == [0, 1, 2]
    with pytest.raises(AssertionError):
        folds_of_patients(["a"] * 3 + ["B"] * 3, folds=2, seed=0)


def test_the_patient_who_is_left_over_is_in_any_fold() -> None:
    """Of four patients and three folds one fold has two, by chance which: always the first would be the largest."""
    larger = {
        np.bincount(folds_of_patients(["a"] * 4 + ["B"] * 3, folds=3, seed=seed)[:4]).argmax() for seed in range(20)
    }
    assert larger == {0, 1, 2}


def test_the_fold_after_the_one_held_out_chooses_the_epoch() -> None:
    """The last one's next is the first."""
    fold_of = np.array([0, 1, 2, 3, 0])
    found = [(each.held_out.tolist(), each.validation.tolist(), each.train.tolist()) for each in rounds(fold_of, 4)]
    assert found == [
        ([0, 4], [1], [2, 3]),
        ([1], [2], [0, 3, 4]),
        ([2], [3], [0, 1, 4]),
        ([3], [0, 4], [1, 2]),
    ]


def test_a_fold_that_always_trains_is_never_asked_about() -> None:
    found = [
        (each.held_out.tolist(), each.validation.tolist(), each.train.tolist())
        for each in rounds(np.array([-1, 0, 1, 2]), 3)
    ]
    assert found == [([1], [2], [0, 3]), ([2], [3], [0, 1]), ([3], [1], [0, 2])]


@pytest.mark.parametrize("seed", range(5))
def test_every_fold_has_its_share_of_each_class_of_a_side(seed: int) -> None:
    found = folds_of_patients(["B", "C", "B", "C", "B", "C", "a", "a", "a"], folds=3, seed=seed)
    assert [sorted(found[first:last:step]) for first, last, step in ((0, 6, 2), (1, 6, 2), (6, 9, 1))] == [
        [0, 1, 2]
    ] * 3
