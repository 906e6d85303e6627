from pathlib import Path

import pytest

from leukmodels.collections import Listing, read
from leukmodels.collections.source import LocalFolder
from leukmodels.errors import DataError


def lay(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def rows(listing: Listing) -> list[tuple[str, str, str]]:
    return [(Path(c["path"]).name, c["class_name"], c["patient"]) for c in listing.cells.to_pylist()]


def test_patients_are_folders(tmp_path: Path) -> None:
    lay(tmp_path, "AML/p10/b10.PNG", "AML/p10/b9.jpeg", "AML/p2/a.Tif", "healthy/q/1.bmp", "healthy/q/notes.txt")
    listing = read("folders", tmp_path)
    assert listing.patient_level
    assert (listing.crop_px, listing.black_background, listing.notes) == (None, False, ())
    assert rows(listing) == [
        ("a.Tif", "AML", "p2"),
        ("b9.jpeg", "AML", "p10"),
        ("b10.PNG", "AML", "p10"),
        ("1.bmp", "healthy", "q"),
    ]


def test_images_without_patients_come_with_a_loud_word(tmp_path: Path) -> None:
    listing = read("folders", lay(tmp_path, "MYO/MYO_2.tiff", "MYO/MYO_10.tiff", "LYT/LYT_1.tiff"))
    assert not listing.patient_level
    assert rows(listing) == [
        ("LYT_1.tiff", "LYT", "LYT/LYT_1"),
        ("MYO_2.tiff", "MYO", "MYO/MYO_2"),
        ("MYO_10.tiff", "MYO", "MYO/MYO_10"),
    ]
    (note,) = listing.notes
    assert note.startswith("NO PATIENT IDS")


def test_a_folder_that_mixes_both_is_refused(tmp_path: Path) -> None:
    lay(tmp_path, "A/p/1.png", "A/2.png", "B/3.png", "C/q/4.png")
    with pytest.raises(DataError) as caught:
        read("folders", tmp_path)
    assert len(caught.value.problems) == 2
    assert "mixes folders of patients with 1 image of no patient" in str(caught.value)
    assert "The classes A, C have folders of patients and B have none" in str(caught.value)


def test_a_patient_under_two_classes_is_one_person_and_told(tmp_path: Path) -> None:
    listing = read("folders", lay(tmp_path, "blast/p1/1.png", "lymphocyte/p1/1.png", "lymphocyte/p2/1.png"))
    assert listing.cells["patient"].to_pylist() == ["p1", "p1", "p2"]
    (note,) = listing.notes
    assert "images of several classes: p1." in note


def test_what_is_left_out_is_told(tmp_path: Path) -> None:
    notes = read("folders", lay(tmp_path, "A/p/1.png", "docs/readme.txt", "cover.png", ".cache/x/1.png")).notes
    assert len(notes) == 2
    assert "1 image in" in notes[0]
    assert "docs, which holds no image" in notes[1]


def test_images_of_formats_that_are_not_read_are_told(tmp_path: Path) -> None:
    lay(tmp_path, "A/p/1.png", "A/p/2.gif", "A/cover.WEBP", "B/q/1.svs", "table.csv")
    assert "Left out: 3 images of a format that is not read" in " ".join(read("folders", tmp_path).notes)


@pytest.mark.parametrize("place", ["A/p/old/2.png", "A/p/old/x/y/2.png"])
def test_images_under_a_patients_folders_are_refused(tmp_path: Path, place: str) -> None:
    with pytest.raises(DataError, match="p holds images in folders of its own"):
        read("folders", lay(tmp_path, "A/p/1.png", place))


def test_images_too_deep_and_another_layout_are_recognised(tmp_path: Path) -> None:
    lay(tmp_path, "data/control/ABC/image_1.tif")
    with pytest.raises(DataError, match=r"(?s)deeper than <class>.*reader mll"):
        read("folders", tmp_path)


def test_a_folder_without_images_says_what_was_expected_and_found(tmp_path: Path) -> None:
    lay(tmp_path, *(f"file_{n}.txt" for n in range(12)))
    with pytest.raises(DataError, match=r"(?s)Expected: <class>/<patient>/<image>.*file_0\.txt.*2 more"):
        read("folders", tmp_path)


def test_an_unreadable_folder_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(source: LocalFolder, path: str) -> None:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(LocalFolder, "scan", refuse)
    with pytest.raises(DataError, match="Permission denied"):
        read("folders", tmp_path)


def test_the_real_sample_is_read(shared_data: Path) -> None:
    listing = read("folders", shared_data / "aml-lmu")
    assert listing.cells.num_rows == 50
    assert listing.cells["class_name"].unique().to_pylist() == ["EOS", "LYT", "MON", "MYO", "NGS"]
    assert not listing.patient_level
