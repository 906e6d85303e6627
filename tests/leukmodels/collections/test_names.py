"""Names of folders and files as public collections have them, each with what it says."""

import pytest

from leukmodels.collections.names import (
    KINDS,
    MAGNIFICATIONS,
    PARTS,
    RANGES,
    SAME_FEW,
    SIZES,
    derived_from,
    is_derived,
    not_patients,
    part_named,
)


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("Train", "train"),
        ("training_set", "train"),
        ("TestA", "test"),
        ("test-2", "test"),
        ("val", "validation"),
        ("valid_data", "validation"),
        ("testosterone", None),
        ("train_val", None),
        ("P1", None),
    ],
)
def test_folders_of_parts(name, part):
    assert part_named(name) == part


@pytest.mark.parametrize(
    ("name", "derived"),
    [
        ("masks", True),
        ("Ground_Truth", True),
        ("GT", True),
        ("flipped", True),
        ("rotated_90", True),
        ("mask images", True),
        ("original", False),
        ("P1", False),
        ("segmented", False),  # neutrophils, perhaps
        ("maskell", False),
    ],
)
def test_folders_of_what_is_made_of_other_images(name, derived):
    assert is_derived(name) is derived


@pytest.mark.parametrize(
    ("stem", "of"),
    [
        ("001_mask", "001"),
        ("001_GT", "001"),
        ("001-seg", "001"),
        ("001_mask_2", "001"),
        ("001_flipped", "001"),
        ("001_rot90", "001"),
        ("002_mask", None),  # of an image that is not there
        ("001", None),
        ("001_1", None),
        ("001seg", None),
    ],
)
def test_files_of_what_is_made_of_other_images(stem, of):
    assert derived_from(stem, {"001", "001_1"}) == of


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ({"A": ["0001-1000", "1001-2000"], "B": []}, (RANGES, "0001-1000, 1001-2000")),
        ({"A": ["1-250"]}, (RANGES, "1-250")),
        ({"A": ["19-0118", "19-0203", "20-0007"]}, None),  # cases of a year
        ({"A": ["2019-0118"]}, None),
        ({"A": ["train", "val", "test"]}, (PARTS, "train, val, test")),
        ({"A": ["P1", "P2", "test"]}, (PARTS, "test")),
        ({"A": ["original"]}, (KINDS, "original")),
        ({"A": ["fold_0", "fold_1"]}, (KINDS, "fold_0, fold_1")),
        ({"A": ["100x", "40x"]}, (MAGNIFICATIONS, "100x, 40x")),
        ({"A": ["X10", "X20", "X21"]}, None),
        ({"A": ["224x224"]}, (SIZES, "224x224")),
        ({"A": ["north", "south"], "B": ["north", "south"]}, (SAME_FEW, "north, south")),
        ({"A": ["p1"], "B": ["p1", "p2"]}, None),  # a patient with cells of both classes
        ({"A": [f"p{n}" for n in range(6)], "B": [f"p{n}" for n in range(6)]}, None),  # six of them
        ({"A": ["p1", "p2"]}, None),
        ({}, None),
    ],
)
def test_what_is_no_patient(names, said):
    assert not_patients(names) == said
