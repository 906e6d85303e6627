from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from leukmodels.collections import Listing, read
from leukmodels.errors import DataError


def lay(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def rows(listing: Listing, root: Path) -> list[tuple[str, ...]]:
    return [
        (c["path"].removeprefix(f"{root}/"), c["class_name"], c["patient"], c["part"])
        for c in listing.cells.to_pylist()
    ]


def problems(root: Path) -> tuple[str, ...]:
    with pytest.raises(DataError) as caught:
        read("table", root)
    return tuple(caught.value.problems)


def test_names_with_the_class_in_them_need_no_folder(tmp_path: Path) -> None:
    lay(tmp_path, "img/Im001_1.tif", "img/Im002_0.tif")  # ALL-IDB2
    (tmp_path / "labels.csv").write_text("Image;Label;age\nIm001_1.tif;1;7\nimg\\Im002_0.tif;0;\n")
    listing = read("table", tmp_path)
    assert rows(listing, tmp_path) == [
        ("img/Im002_0.tif", "0", "img/Im002_0.tif", ""),
        ("img/Im001_1.tif", "1", "img/Im001_1.tif", ""),
    ]
    assert not listing.patient_level
    (note,) = listing.notes
    assert note.startswith("NO PATIENT IDS: the table has no column patient")


def test_patients_and_parts_are_taken_as_they_are(tmp_path: Path) -> None:
    lay(tmp_path, *(f"{n}.png" for n in range(1, 5)))
    table = "image,label,patient,part\n1.png,a,P1,Train\n2.png,b,P1,train\n3.png,a,P2,val\n4.png,b,P3,test\n"
    (tmp_path / "labels.csv").write_text(table)
    listing = read("table", tmp_path)
    assert listing.patient_level
    assert rows(listing, tmp_path) == [
        ("1.png", "a", "P1", "train"),
        ("3.png", "a", "P2", "validation"),
        ("2.png", "b", "P1", "train"),
        ("4.png", "b", "P3", "test"),
    ]
    assert listing.notes == (
        "1 of 3 patients have images of several classes: P1. The same name is taken for the same person, whose images "
        "all go to one part of the split.",
        "The split is the collection's own: train 2, validation 1, test 1 images. Its test stays locked until a "
        "confirmation.",
    )


def test_a_part_that_is_lacking_is_split_off_of_training(tmp_path: Path) -> None:
    lay(tmp_path, "1.png", "2.png")
    (tmp_path / "labels.csv").write_text("image,label,patient,part\n1.png,a,P1,train\n2.png,b,P2,test\n")
    listing = read("table", tmp_path)
    assert [row[3] for row in rows(listing, tmp_path)] == ["", "test"]
    assert "Validation is not among its parts, and split off of its training images." in listing.notes[0]


def test_parquet_is_read_with_numbers_as_a_csv_has_them(tmp_path: Path) -> None:
    lay(tmp_path, "a/1.png", "b/1.png")
    table = pa.table({"image": ["a/1.png", "b/1.png"], "label": [1.0, 0.0], "patient": [7, 8], "score": [None, 0.5]})
    pq.write_table(table, tmp_path / "cells.parquet")
    assert rows(read("table", tmp_path), tmp_path) == [("b/1.png", "0", "8", ""), ("a/1.png", "1", "7", "")]


def test_an_image_that_is_not_there_is_listed_and_said(tmp_path: Path) -> None:
    lay(tmp_path, "1.png")
    (tmp_path / "labels.csv").write_text("image,label,patient\n1.png,a,P1\n2.png,b,P2\n")
    listing = read("table", tmp_path)
    assert [row[0] for row in rows(listing, tmp_path)] == ["1.png", "2.png"]
    assert listing.notes == ("1 image that labels.csv names are not here, e.g. 2.png.",)


def test_every_faulty_row_is_said_at_once(tmp_path: Path) -> None:
    lay(tmp_path, "1.png", "x/2.png", "y/2.png", "3.png")
    table = (
        "image,label,patient,part\n1.png,a,P1,train\n1.png,b,P1,test\n2.png,a,P2,train\n,a,P3,train\n3.png,,P3,test\n"
        "../out.png,a,P4,train\n3.png,a,P5,hold\n"
    )
    (tmp_path / "labels.csv").write_text(table)
    assert problems(tmp_path) == (
        "labels.csv, line 4: 2.png is the name of several files, x/2.png, y/2.png.",
        "labels.csv, line 5: image is blank.",
        "labels.csv, line 6: label is blank.",
        f"labels.csv, line 7: '../out.png' is no path below {tmp_path}.",
        "labels.csv, line 8: the part 'hold' is none of train, validation and test.",
        f"{tmp_path}/1.png stands in 2 rows of labels.csv.",
        "The patient P1 is in test and train; all images of a patient belong into one part.",
    )


def test_a_table_of_other_images_is_refused(tmp_path: Path) -> None:
    lay(tmp_path, "1.png")
    (tmp_path / "labels.csv").write_text("image,label,patient\n8.png,a,P1\n9.png,b,P2\n")
    (problem,) = problems(tmp_path)
    assert problem.startswith("None of the images that labels.csv names is here.")


def test_no_table_and_two_tables_and_other_columns_are_refused(tmp_path: Path) -> None:
    lay(tmp_path, "1.png")
    (tmp_path / "list.csv").write_text("filename,class\n1.png,a\n")
    (tmp_path / "bad.parquet").write_bytes(b"PAR1")
    expected, broken, columns, found = problems(tmp_path)
    assert expected.startswith("Expected: a CSV or Parquet file with the columns image, label and patient")
    assert broken.startswith("bad.parquet cannot be read (")
    assert columns == "list.csv has the columns 'filename', 'class'; image and label are needed."
    assert "1.png" in found
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("image,label\n1.png,a\n")
    assert problems(tmp_path)[0] == f"{tmp_path} holds 2 such tables, a.csv, b.csv. Leave one of them there."


def test_folders_beside_a_table_are_told_of_it(tmp_path: Path) -> None:
    lay(tmp_path, "1.png")
    (tmp_path / "labels.csv").write_text("image,label\n1.png,a\n")
    with pytest.raises(DataError, match=r"images with a table \(reader table\)"):
        read("folders", tmp_path)
