from pathlib import Path

import pytest

from leukmodels.collections import Listing, ReadOptions, read
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


def of(*classes: str, middle: str | None = None) -> ReadOptions:
    return ReadOptions(classes=frozenset(classes), middle=middle)


def refused(root: Path, options: ReadOptions) -> str:
    with pytest.raises(DataError) as caught:
        read("folders", root, options)
    (problem,) = caught.value.problems
    return problem


BONE_MARROW = (
    "BLA/0001-1000/BLA_00001.jpg",
    "BLA/1001-2000/BLA_01001.jpg",
    "ABE/ABE_00001.jpg",
    "LYT/0001-1000/LYT_00001.jpg",
    "LYT/1001-2000/LYT_01001.jpg",
)


def test_ranges_of_numbers_are_no_patients(tmp_path: Path) -> None:
    lay(tmp_path, *BONE_MARROW)
    assert refused(tmp_path, of("BLA", "LYT")) == (
        "The folders 0001-1000, 1001-2000 under BLA/, LYT/ look like ranges of numbers, not like patients. Say in the "
        'task file what they are: middle = "ignore" takes their images without patients, and middle = "patient" takes '
        "each for one person."
    )
    listing = read("folders", tmp_path, of("BLA", "LYT", middle="ignore"))
    assert not listing.patient_level
    assert rows(listing) == [
        ("ABE_00001.jpg", "ABE", "ABE/ABE_00001"),
        ("BLA_00001.jpg", "BLA", "BLA/0001-1000/BLA_00001"),
        ("BLA_01001.jpg", "BLA", "BLA/1001-2000/BLA_01001"),
        ("LYT_00001.jpg", "LYT", "LYT/0001-1000/LYT_00001"),
        ("LYT_01001.jpg", "LYT", "LYT/1001-2000/LYT_01001"),
    ]
    assert listing.notes[0].startswith("NO PATIENT IDS: the folders between class and image are none")


def test_classes_of_the_task_in_two_layouts_are_read_as_one_where_the_folders_are_nothing(tmp_path: Path) -> None:
    lay(tmp_path, *BONE_MARROW)
    with pytest.raises(DataError, match="look like ranges of numbers"):
        read("folders", tmp_path, of("BLA", "ABE"))
    listing = read("folders", tmp_path, of("BLA", "ABE", middle="ignore"))
    assert listing.cells.num_rows == 5


def test_a_class_outside_of_the_task_decides_no_layout(tmp_path: Path) -> None:
    lay(tmp_path, *BONE_MARROW, "EOS/EOS_00001.jpg")
    listing = read("folders", tmp_path, of("ABE", "EOS"))
    assert listing.cells["class_name"].to_pylist() == ["ABE", "EOS"]
    assert not listing.patient_level
    assert [note for note in listing.notes if "whose layout is not" in note] == [
        f"Left out: {tmp_path}/{name}, whose layout is not that of the task's classes, none of which it is."
        for name in ("BLA", "LYT")
    ]
    root = lay(tmp_path / "b", "A/p1/1.png", "B/p2/1.png", "C/1.png", "D/train/1.png", "E/p3/old/1.png", "F/p4/1.png")
    listing = read("folders", root, of("A", "B"))
    assert listing.patient_level
    assert listing.cells["class_name"].to_pylist() == ["A", "B", "F"]


def test_parts_are_kept_where_the_task_file_says_so(tmp_path: Path) -> None:
    lay(tmp_path, *(f"{name}/{part}/1.png" for name in "AB" for part in ("train", "val", "test")))
    assert refused(tmp_path, of("A", "B")) == (
        "The folders test, train, val under A/, B/ look like parts of a split, not like patients. Say in the task file "
        'what they are: middle = "split" takes them as your training, validation and test, middle = "ignore" takes '
        'their images without patients, and middle = "patient" takes each for one person.'
    )
    listing = read("folders", tmp_path, of("A", "B", middle="split"))
    assert not listing.patient_level
    assert [(c["patient"], c["part"]) for c in listing.cells.to_pylist()] == [
        ("A/test/1", "test"),
        ("A/train/1", "train"),
        ("A/val/1", "validation"),
        ("B/test/1", "test"),
        ("B/train/1", "train"),
        ("B/val/1", "validation"),
    ]
    assert "The split is the collection's own: test 2, train 2, validation 2 images." in listing.notes[1]


def test_what_is_no_part_is_refused_as_one(tmp_path: Path) -> None:
    lay(tmp_path, "A/train/1.png", "A/p7/1.png", "B/train/1.png")
    problem = refused(tmp_path, of("A", "B", middle="split"))
    assert problem == f"{tmp_path}/A/p7 is no part: train, validation and test are."


def test_a_task_file_that_says_what_is_not_there_is_told(tmp_path: Path) -> None:
    lay(tmp_path, "A/1.png", "B/2.png")
    for middle, what in (("patient", "patients"), ("split", "parts")):
        assert refused(tmp_path, of("A", "B", middle=middle)) == (
            f"The task file says middle = '{middle}', but no class has folders of {what}: this is <class>/<image>."
        )


def test_mirror_images_and_masks_are_set_aside_and_originals_are_no_patient(tmp_path: Path) -> None:
    lay(tmp_path, *(f"{name}/{kind}/1.png" for name in "AB" for kind in ("original", "flipped", "masks")))
    assert "original under A/, B/ look like kinds or portions of images" in refused(tmp_path, of("A", "B"))
    listing = read("folders", tmp_path, of("A", "B", middle="ignore"))
    assert listing.cells["patient"].to_pylist() == ["A/original/1", "B/original/1"]
    assert listing.notes[0] == (
        "Left out: 4 images made of other images by their names (masks, overlays, turned or mirrored copies), e.g. "
        f"{tmp_path}/A/flipped/1.png."
    )


def test_magnifications_are_no_patients(tmp_path: Path) -> None:
    lay(tmp_path, *(f"{name}/{kind}/1.png" for name in "AB" for kind in ("100x", "40x")))
    problem = refused(tmp_path, of("A", "B"))
    assert "The folders 100x, 40x under A/, B/ look like magnifications" in problem
    assert "a cell seen at two would stand on both sides" in problem


def test_the_same_few_names_under_every_class_are_no_patients_unless_the_task_file_says_so(tmp_path: Path) -> None:
    lay(tmp_path, *(f"{name}/{kind}/1.png" for name in "AB" for kind in ("north", "south")))
    assert "look like the same few under every class" in refused(tmp_path, of("A", "B"))
    listing = read("folders", tmp_path, of("A", "B", middle="patient"))
    assert listing.patient_level
    assert "2 of 2 patients have images of several classes: north, south." in listing.notes[0]


def test_masks_beside_images_are_set_aside(tmp_path: Path) -> None:
    names = (
        "A/1.bmp",
        "A/1_mask.png",
        "A/2.bmp",
        "A/gt/2.png",
        "B/3.bmp",
        "B/3-seg.png",
        "masks/4.png",
        "B/x_mask.png",
    )
    listing = read("folders", lay(tmp_path, *names), of("A", "B"))
    assert [row[0] for row in rows(listing)] == ["1.bmp", "2.bmp", "3.bmp", "x_mask.png"]  # the last is of no image
    assert not listing.patient_level
    assert "Left out: 4 images made of other images" in listing.notes[0]


def test_masks_of_a_patients_images_are_set_aside(tmp_path: Path) -> None:
    listing = read("folders", lay(tmp_path, "A/p1/1.bmp", "A/p1/masks/1.png", "A/masks/1.png", "B/p2/1.bmp"))
    assert listing.cells["patient"].to_pylist() == ["p1", "p2"]
    assert "Left out: 2 images made of other images" in listing.notes[0]


def test_files_of_one_name_are_said(tmp_path: Path) -> None:
    listing = read("folders", lay(tmp_path, "A/p1/001.bmp", "A/p1/001.png", "A/p1/2.bmp", "B/p2/001.bmp"))
    assert listing.cells.num_rows == 4
    assert listing.notes == (
        "2 images share their names with others beside them, such as 001.bmp and 001.png: copies, or masks. A mask is "
        "set aside where it has no colours or few; take the rest out of these folders by hand.",
    )


def test_a_class_of_masks_alone_is_refused(tmp_path: Path) -> None:
    lay(tmp_path, "A/flipped/1.png", "B/1.png")
    assert refused(tmp_path, of("A", "B")).startswith(f"{tmp_path}/A holds no other images than those made of other")


TABLE = 'a table with the columns image, label and patient in this folder, and reader = "table" in the task file'


def test_a_folder_one_level_too_high_is_told_which_one_to_give(tmp_path: Path) -> None:
    lay(tmp_path, "download/PBC_dataset_normal_DIB/basophil/BA_1.jpg", "download/PBC_dataset_normal_DIB/ig/MY_1.jpg")
    place = f"{tmp_path}/download/PBC_dataset_normal_DIB"
    assert refused(tmp_path, of("basophil", "ig")) == f"The classes basophil, ig lie further down. Give {place}."
    assert read("folders", place, of("basophil", "ig")).cells.num_rows == 2
    assert refused(tmp_path / "download/PBC_dataset_normal_DIB/ig", of("basophil", "ig")) == (
        f"{place}/ig is one class of the task. Give the folder above it, {place}."
    )


def test_parts_above_the_classes_are_told_what_would_do(tmp_path: Path) -> None:
    lay(tmp_path, "Train/Basophil/1.jpg", "Train/Neutrophil/2.jpg", "TestA/Basophil/3.jpg", "TestB/Neutrophil/4.jpg")
    assert refused(tmp_path, of("Basophil", "Neutrophil")) == (  # Raabin-WBC
        "This is <part>/<class>/<image>: the classes Basophil, Neutrophil lie in TestA, TestB, Train. Give one part, "
        f"such as {tmp_path}/Train, which is then split anew; or, to keep these parts, write {TABLE}, with a column "
        "part (train, validation, test), too."
    )


def test_patients_above_the_classes_are_told_what_would_do(tmp_path: Path) -> None:
    lay(tmp_path, "P1/blast/1.png", "P1/mature/1.png", "P2/blast/1.png", "P3/mature/1.png")
    assert refused(tmp_path, of("blast", "mature")) == (
        "This is <patient>/<class>/<image> or the like: the classes blast, mature lie in 3 folders, P1, P2, P3. "
        f"Expected: <class>/<patient>/<image>; or write {TABLE}."
    )


@pytest.mark.parametrize("names", [("img/Im001_1.tif", "img/Im002_0.tif"), ("Im001_1.tif", "Im002_0.tif")])
def test_classes_in_names_of_files_are_told_what_would_do(tmp_path: Path, names: tuple[str, str]) -> None:
    lay(tmp_path, *names)  # ALL-IDB2
    place = "img" if "/" in names[0] else "the folder itself"
    assert refused(tmp_path, of("blast", "healthy")) == (
        f"No folder names a class: 2 images such as Im001_1.tif lie in {place}, and none in a folder blast or healthy. "
        f"Where names of files or a list say the class, write {TABLE}."
    )


def test_images_and_masks_in_two_folders_are_no_classes(tmp_path: Path) -> None:
    problem = refused(lay(tmp_path, "img/1.bmp", "gt/1.png"), of("blast", "healthy"))
    assert problem.startswith("No folder names a class: 2 images such as 1.png lie in gt, img, and none in a folder")


def test_other_classes_are_left_to_the_task_to_name(tmp_path: Path) -> None:
    listing = read("folders", lay(tmp_path, "blasts/1.png", "mature/1.png"), of("blast"))
    assert listing.cells["class_name"].to_pylist() == ["blasts", "mature"]


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
