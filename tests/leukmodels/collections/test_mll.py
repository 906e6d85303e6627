from pathlib import Path

import pytest

from leukmodels.collections import read
from leukmodels.collections.listing import CELL_SCHEMA
from leukmodels.errors import ConfigError, DataError

PKG = "PKG - AML-Cytomorphology_MLL_Helmholtz_v1"
IMAGES = ("control/ABC/image_10.tif", "control/ABC/image_9.TIF", "control/ABD/image_0.tiff", "NPM1/XYZ/image_2.tif")


def lay(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def rows(root: Path) -> list[tuple[str, str, str, str]]:
    cells = read("mll", root).cells
    return [(Path(c["path"]).name, c["class_name"], c["patient"], c["part"]) for c in cells.to_pylist()]


@pytest.mark.parametrize("inside", ["", "data", PKG, f"{PKG}/data", f"downloads/{PKG}/data"])
def test_the_collection_is_found_at_any_level(tmp_path: Path, inside: str) -> None:
    lay(tmp_path / inside, *IMAGES)
    place = tmp_path / inside
    while True:
        assert len(rows(place)) == 4
        if place == tmp_path:
            break
        place = place.parent


def test_rows_are_sorted_by_class_patient_and_number(tmp_path: Path) -> None:
    listing = read("mll", lay(tmp_path, *IMAGES))
    assert listing.cells.schema == CELL_SCHEMA
    assert (listing.patient_level, listing.crop_px, listing.black_background) == (True, None, False)
    assert all(Path(path).is_absolute() for path in listing.cells["path"].to_pylist())
    assert rows(tmp_path) == [
        ("image_2.tif", "NPM1", "XYZ", ""),
        ("image_9.TIF", "control", "ABC", ""),
        ("image_10.tif", "control", "ABC", ""),
        ("image_0.tiff", "control", "ABD", ""),
    ]


@pytest.mark.parametrize("root", [".", "../data", "NPM1/../../link", "../link/control/..", "~/link"])
def test_paths_start_with_the_resolved_root(root: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lay(tmp_path / "data", *IMAGES)
    (tmp_path / "link").symlink_to(tmp_path / "data")
    monkeypatch.chdir(tmp_path / "data")
    monkeypatch.setenv("HOME", str(tmp_path))
    first = str(tmp_path.resolve() / "data/NPM1/XYZ/image_2.tif")
    assert read("mll", Path(root)).cells["path"][0].as_py() == first


def test_other_files_are_ignored(tmp_path: Path) -> None:
    others = (
        "control/ABC/stacked_images.npy",
        "control/ABC/._image_9.tif",
        "control/notes.txt",
    )
    lay(tmp_path, *IMAGES, *others, "__MACOSX/control/ABC/image_1.tif", "licence.txt")
    assert len(rows(tmp_path)) == 4
    assert read("mll", tmp_path).notes == ()


def test_what_is_left_out_is_told(tmp_path: Path) -> None:
    lay(tmp_path, *IMAGES, "control/ABE/stacked_images.npy", "AML_OTHER/ABF/image_1.tif")
    empty, unknown = sorted(read("mll", tmp_path).notes, key=len)
    assert "ABE" in empty
    assert "AML_OTHER" in unknown


def test_images_of_other_names_are_told(tmp_path: Path) -> None:
    others = ("control/ABC/image_2.png", "control/ABC/cell_4.tif", "control/cover.WEBP", "control/ABC/old/image_1.tif")
    lay(tmp_path, *IMAGES, *others, "readme.gif")
    assert len(rows(tmp_path)) == 4
    (note,) = read("mll", tmp_path).notes
    assert note.startswith("Left out: 5 images not named <PATIENT>/image_<k>.tif, e.g. ")
    assert any(note.endswith(f"{name}.") for name in (*others, "readme.gif"))


def test_all_problems_of_a_folder_come_at_once(tmp_path: Path) -> None:
    lay(tmp_path, *IMAGES, "control/image_7.tif", "control/patient1/image_1.tif", "NPM1/ABC/image_3.tif")
    with pytest.raises(DataError) as caught:
        read("mll", tmp_path)
    assert len(caught.value.problems) == 3
    for words in ("1 image in", "'patient1' is no patient", "Patient ABC stands under NPM1 and control"):
        assert words in str(caught.value)


def test_two_copies_of_the_collection_are_refused(tmp_path: Path) -> None:
    lay(tmp_path / "v1", *IMAGES)
    lay(tmp_path / "v2", *IMAGES)
    with pytest.raises(DataError, match="2 copies"):
        read("mll", tmp_path)


def test_one_class_given_as_the_collection_names_the_folder_above(tmp_path: Path) -> None:
    lay(tmp_path, *IMAGES)
    with pytest.raises(DataError, match="Give the folder above it"):
        read("mll", tmp_path / "control")


def test_a_folder_of_nothing_says_what_was_expected_and_found(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"(?s)Expected: <class>/<PATIENT>/image_<k>\.tif.*is empty"):
        read("mll", tmp_path)
    lay(tmp_path, "control/ABC/readme.txt")
    with pytest.raises(DataError, match=r"No image_<k>\.tif was found"):
        read("mll", tmp_path)


def test_a_missing_folder_and_a_file_are_refused(tmp_path: Path) -> None:
    lay(tmp_path, "file")
    with pytest.raises(DataError, match="does not exist"):
        read("mll", tmp_path / "nothing")
    with pytest.raises(DataError, match="is a file"):
        read("mll", tmp_path / "file")


def test_an_unknown_reader_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'mil' is none of mll, cnmc, table, folders"):
        read("mil", tmp_path)


def test_another_collection_is_recognised(tmp_path: Path) -> None:
    lay(tmp_path, "fold_0/all/UID_1_1_1_all.bmp")
    with pytest.raises(DataError, match=r"This looks like C-NMC 2019 \(reader cnmc\)"):
        read("mll", tmp_path)


def test_a_name_that_is_not_utf8_is_a_problem(tmp_path: Path) -> None:
    lay(tmp_path / "caf\udce9", *IMAGES)
    with pytest.raises(DataError, match="not valid UTF-8"):
        read("mll", tmp_path)


GOOD = "patient_id,bag_label,instance_count\nABC,control,2\nABD,control,1\nXYZ,NPM1,1\n"


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        "\ufeff" + GOOD,
        GOOD.replace(",", ";"),
        "\ufeffpatient_id;bag_label;wbc \ufffdl;instance_count\nABC;control;;2\nABD;control;;1,0\nXYZ;NPM1;12,5;1\n",
        'patient_id,bag_label,wbc,instance_count\nABC,control,,\nABD,control,,1.0\nXYZ,NPM1,"12,5",n/a\n',
        "variable,meaning\npatient_id,a name\n",
        "",
        "\0\0",
        'patient_id,bag_label\n"',
    ],
)
def test_metadata_that_agree_or_say_nothing_are_silent(tmp_path: Path, text: str) -> None:
    lay(tmp_path / "data", *IMAGES)
    (tmp_path / "metadata.csv").write_text(text, encoding="utf-8")
    assert read("mll", tmp_path).notes == ()
    assert read("mll", tmp_path / "data").cells.num_rows == 4


def test_metadata_that_differ_are_told_in_one_note(tmp_path: Path) -> None:
    lay(tmp_path / "data", *IMAGES)
    text = "patient_id,bag_label,instance_count\nABC,control,3\nABD,NPM1,1\nZZZ,control,9\n"
    (tmp_path / "Metadata_with_data_dictionary.csv").write_bytes(text.encode() + b"QQQ,\xb5,1\n")
    (note,) = read("mll", tmp_path).notes
    for words in (
        "ABC has 3 images there, 2 here.",
        "ABD is NPM1 there, control here.",
        "ZZZ has no folder.",
        "XYZ is not in it.",
    ):
        assert words in note
