from collections import Counter
from pathlib import Path

import pytest

from leukmodels.collections import Listing, read
from leukmodels.errors import DataError

TRAINING = ("fold_0/all/UID_2_10_1_all.bmp", "fold_0/all/UID_2_9_1_all.bmp", "fold_1/hem/UID_H12_1_1_hem.bmp")
LABELS = "Patient_ID,new_names,labels\nUID_57_29_1_all.bmp,1.bmp,1\nUID_H49_29_1_hem.bmp,2.bmp,0\n"
TCIA = ("C-NMC_training_data", "C-NMC_test_prelim_phase_data", "C-NMC_test_final_phase_data", ".")
NESTED = (*(f"{name}/{name}" for name in TCIA[:3]), TCIA[1])
KAGGLE = (
    "C-NMC_Leukemia/training_data",
    "C-NMC_Leukemia/validation_data/C-NMC_test_prelim_phase_data",
    "C-NMC_Leukemia/testing_data/C-NMC_test_final_phase_data",
    "C-NMC_Leukemia/validation_data",
)


def lay(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def with_prelim(root: Path, labels: str = LABELS) -> Path:
    lay(root, *TRAINING, *(f"C-NMC_test_prelim_phase_data/{number}.bmp" for number in (1, 2)))
    (root / "C-NMC_test_prelim_phase_data_labels.csv").write_text(labels, encoding="utf-8")
    return root


def rows(listing: Listing) -> list[tuple[str, str, str, str]]:
    return [(Path(c["path"]).name, c["class_name"], c["patient"], c["part"]) for c in listing.cells.to_pylist()]


@pytest.mark.parametrize("layout", [TCIA, NESTED, KAGGLE], ids=["tcia", "nested", "kaggle"])
def test_every_layout_gives_the_same_cells(tmp_path: Path, layout: tuple[str, str, str, str]) -> None:
    training, prelim, final, labels = layout
    lay(tmp_path, *(f"{training}/{name}" for name in TRAINING), f"{prelim}/1.bmp", f"{prelim}/2.bmp", f"{final}/1.bmp")
    (tmp_path / labels / "C-NMC_test_prelim_phase_data_labels.csv").write_text(LABELS, encoding="utf-8-sig")
    listing = read("cnmc", tmp_path)
    assert (listing.patient_level, listing.crop_px, listing.black_background) == (True, 450, True)
    assert rows(listing) == [
        ("UID_2_9_1_all.bmp", "all", "2", ""),
        ("UID_2_10_1_all.bmp", "all", "2", ""),
        ("1.bmp", "all", "57", "test"),
        ("UID_H12_1_1_hem.bmp", "hem", "H12", ""),
        ("2.bmp", "hem", "H49", "test"),
    ]
    (note,) = listing.notes
    assert "1 image of the final" in note


def test_the_training_folder_or_one_fold_can_be_given(tmp_path: Path) -> None:
    lay(tmp_path / "C-NMC_training_data", *TRAINING)
    assert read("cnmc", tmp_path / "C-NMC_training_data").cells.num_rows == 3
    assert read("cnmc", tmp_path / "C-NMC_training_data" / "fold_0").cells.num_rows == 2


def test_lower_case_h3_is_the_subject_h3(tmp_path: Path) -> None:
    lay(tmp_path, "fold_2/hem/UID_h3_1_1_hem.bmp", "fold_2/hem/UID_H3_2_1_hem.BMP")
    assert read("cnmc", tmp_path).cells["patient"].to_pylist() == ["H3", "H3"]


def test_class_of_folder_and_of_name_must_agree(tmp_path: Path) -> None:
    lay(tmp_path, *TRAINING, "fold_0/all/UID_H7_1_1_hem.bmp", "fold_0/hem/cell.bmp", "fold_0/hem/UID_2_1_1_hem.bmp")
    with pytest.raises(DataError) as caught:
        read("cnmc", tmp_path)
    assert len(caught.value.problems) == 3
    for words in ("is hem by its name and all by its folder", "is not named UID_", "Subject 2 has cells of both"):
        assert words in str(caught.value)


def test_thousands_of_problems_are_shortened_and_counted(tmp_path: Path) -> None:
    lay(tmp_path, *(f"fold_0/all/UID_H7_{n}_1_hem.bmp" for n in range(30)))
    with pytest.raises(DataError, match="20 more like this"):
        read("cnmc", tmp_path)


def test_prelim_labels_are_not_swapped(tmp_path: Path) -> None:
    cells = read("cnmc", with_prelim(tmp_path)).cells.to_pylist()
    assert {c["patient"]: c["class_name"] for c in cells if c["part"] == "test"} == {"57": "all", "H49": "hem"}


def test_swapped_prelim_labels_are_refused(tmp_path: Path) -> None:
    swapped = LABELS.replace("1.bmp,1\n", "1.bmp,0\n").replace("2.bmp,0\n", "2.bmp,1\n")
    with pytest.raises(DataError, match="1 = ALL and 0 = healthy") as caught:
        read("cnmc", with_prelim(tmp_path, swapped))
    assert len(caught.value.problems) == 2


def test_a_faulty_table_of_labels_is_refused_with_its_lines(tmp_path: Path) -> None:
    faulty = LABELS + "P7,3.bmp,1\nUID_8_1_1_all.bmp,4.bmp,\nUID_9_1_1_all.bmp,1.bmp,1\n"
    with pytest.raises(DataError) as caught:
        read("cnmc", with_prelim(tmp_path, faulty))
    for words in ("line 4: 'P7' is no original", "line 5: the label '' is neither", "line 6: 1.bmp has a second"):
        assert words in str(caught.value)


def test_test_images_and_labels_without_each_other_are_told(tmp_path: Path) -> None:
    lay(with_prelim(tmp_path, LABELS + "UID_58_1_1_all.bmp,9.bmp,1\n"), "C-NMC_test_prelim_phase_data/3.bmp")
    unlabelled, absent = read("cnmc", tmp_path).notes
    assert "1 image in" in unlabelled
    assert "Of 3 labelled test images, 1 are not here" in absent


@pytest.mark.parametrize("labels", ["", "Patient_ID,labels\nx,1\n", "Patient_ID,new_names,labels\n"])
def test_test_images_that_nothing_labels_are_a_problem(tmp_path: Path, labels: str) -> None:
    with pytest.raises(DataError, match="no table labels"):
        read("cnmc", with_prelim(tmp_path, labels))


def test_a_folder_of_another_kind_is_refused(tmp_path: Path) -> None:
    lay(tmp_path, "data/control/ABC/image_1.tif")
    with pytest.raises(
        DataError, match=r"(?s)No training cell was found.*AML-Cytomorphology_MLL_Helmholtz \(reader mll\)"
    ):
        read("cnmc", tmp_path)


def test_images_outside_the_layout_are_told(tmp_path: Path) -> None:
    lay(tmp_path, *TRAINING, "masks/1.png")
    assert any("masks" in note for note in read("cnmc", tmp_path).notes)


def test_images_of_formats_that_are_not_read_are_told(tmp_path: Path) -> None:
    lay(tmp_path, *TRAINING, "fold_0/all/UID_2_11_1_all.gif", "fold_1/hem/other.webp", "fold_1/hem/features.npy")
    assert read("cnmc", tmp_path).cells.num_rows == 3
    assert any("2 images of a format that is not read" in note for note in read("cnmc", tmp_path).notes)


def test_the_real_sample_is_read(shared_data: Path) -> None:
    listing = read("cnmc", shared_data / "c-nmc-2019")
    assert Counter(listing.cells["class_name"].to_pylist()) == {"all": 28, "hem": 28}
    assert len(listing.cells["patient"].unique()) == 26
    assert any("12 images" in note and "never published" in note for note in listing.notes)
