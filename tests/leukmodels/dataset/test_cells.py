from dataclasses import fields, replace

import numpy as np
import pytest
import ray
from hypothesis import given
from hypothesis import strategies as st

from cluster.session import Session
from leukmodels.dataset.cells import TrainingData, join, rows_in_turn
from leukmodels.errors import DataError
from toy_cells import cells, images_of, training_data


def test_sizes_and_patients() -> None:
    few = replace(cells(n=2, image_px=12), patient_names=("A", "B", "absent"))
    assert (len(few), few.image_px, few.present_patients) == (2, 12, {"A", "B"})


def test_everything_that_does_not_fit_is_named() -> None:
    good = cells()
    with pytest.raises(DataError) as caught:
        replace(
            good,
            labels=good.labels[:-1],
            patients=good.patients.astype(np.int64),
            image_ids=np.array(["a"] * len(good), dtype=object),
        )
    text = str(caught.value)
    for part in ("labels has shape (39,); expected (40,)", "int64", "image_ids has dtype object"):
        assert part in text


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": np.full(40, 2, np.uint8)}, "labels holds \\[2\\]"),
        ({"patients": np.full(40, 4, np.int32)}, "patients holds 4 to 4"),
        ({"patients": np.full(40, -1, np.int32)}, "patients holds -1 to -1"),
        ({"patient_names": ("A", "A", "B", "C")}, "a name twice"),
    ],
)
def test_values_that_mean_nothing_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        replace(cells(), **changes)  # type: ignore[arg-type]


def test_no_image_at_all_is_refused() -> None:
    with pytest.raises(DataError, match="not one image"):
        cells(n=0)


def test_a_patient_on_both_sides_is_refused() -> None:
    with pytest.raises(DataError, match="4 patients stand in training and validation alike \\(T0, T1, T2, T3\\)"):
        training_data(validation=cells(prefix="T", seed=5))


def test_a_shared_list_of_names_is_no_leak() -> None:
    names = ("A", "B", "C", "D")
    train, validation = cells(n=2), cells(n=2)
    data = training_data(
        train=replace(train, patient_names=names),
        validation=replace(validation, patient_names=names, patients=validation.patients + np.int32(2)),
    )
    assert data.train.present_patients == {"A", "B"}


def test_a_part_without_a_class_and_two_sizes_are_reported_together() -> None:
    with pytest.raises(DataError) as caught:
        training_data(train=replace(cells(), labels=np.zeros(40, np.uint8)), validation=cells(prefix="V", image_px=16))
    assert len(caught.value.problems) == 2
    assert "training part holds no leukemia image" in caught.value.problems[0]


def test_the_test_patients_have_no_place_in_what_a_search_sees() -> None:
    assert {field.name for field in fields(TrainingData)} == {
        "train",
        "validation",
        "black_background",
        "split_fingerprint",
    }


def test_two_readers_of_the_object_store_see_one_read_only_copy_of_the_pixels(session: Session) -> None:
    data = training_data()
    shared = ray.put(data)
    one, other = ray.get(shared), ray.get(shared)
    np.testing.assert_array_equal(images_of(one.train), images_of(data.train))
    for part in ("train", "validation"):
        ours, theirs = (getattr(reader, part).pixels.blocks[0] for reader in (one, other))
        assert not ours.flags.writeable
        assert ours.__array_interface__["data"][0] == theirs.__array_interface__["data"][0]


def test_cells_of_two_parts_are_joined_and_some_of_them_taken() -> None:
    first, second = cells(n=8, prefix="A"), cells(n=4, prefix="B", seed=1)
    both = join(first, second)
    rows = np.array([9, 2, 11])
    some = both.take(rows)
    assert [some.patient_names[code] for code in some.patients] == ["B1", "A2", "B3"]
    assert some.labels.tolist() == [1, 0, 1]
    assert some.image_ids.tolist() == [second.image_ids[1], first.image_ids[2], second.image_ids[3]]
    assert (images_of(some) == np.concatenate([images_of(first), images_of(second)])[rows]).all()
    assert join(first, first).patients.tolist() == [*first.patients.tolist()] * 2  # of the same name, so the same


@given(st.lists(st.integers(1, 9), min_size=1, max_size=12), st.integers(1, 60))
def test_rows_in_turn_are_of_all_patients_alike(counts: list[int], most: int) -> None:
    patients = np.repeat(np.arange(len(counts)), counts)
    rows = rows_in_turn(patients, most)
    assert len(rows) == min(most, len(patients))
    assert np.array_equal(rows, np.unique(rows))
    taken = np.bincount(patients[rows], minlength=len(counts))
    # Nobody has two more than anybody who has cells left.
    assert all(taken[i] >= taken.max() - 1 for i in range(len(counts)) if taken[i] < counts[i])
