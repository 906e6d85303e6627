"""Folders of images to training data, through Ray Data on the shared local Ray."""

import csv
import shutil

import numpy as np
import pytest
from PIL import Image

from folders import draw_folder
from leukmodels.errors import DataError
from leukmodels.tasks import find_task
from search.config import configure
from search.prepare import prepare, write_set_aside


def config(task="runx1", **given):
    return configure("smoke", {"task": task, "image_px": 16, **given})


def prepared(root, task="runx1", **given):
    return prepare(root, find_task(task), config(task, **given), synthetic=False, progress=None)


def test_every_file_is_accounted_for_and_test_patients_are_not_handed_on(session, tmp_path):
    root = draw_folder(tmp_path / "mll")
    seen = []
    result = prepare(
        root,
        find_task("runx1"),
        config(),
        synthetic=False,
        progress=lambda done, total: seen.append((done, total)),
    )
    report = result.report
    assert (report.found, report.used, report.duplicates, report.quarantined) == (30, 30, 0, 0)
    assert seen[-1] == (45, 45)
    assert report.cells == {"train": 18, "validation": 6, "test": 6}
    handed = {*result.data.train.present_patients, *result.data.validation.present_patients}
    assert handed.isdisjoint(result.split.patients("test"))
    assert len(result.data.train) + len(result.data.validation) == report.used - report.cells["test"]


def test_pixels_are_those_of_the_files(session, tmp_path):
    root = draw_folder(tmp_path / "mll")
    data = prepared(root, image_px=20).data
    for cells in (data.train, data.validation):
        for index in (0, len(cells) - 1):
            with Image.open(root / str(cells.image_ids[index])) as image:
                np.testing.assert_array_equal(cells.images[index], np.asarray(image.convert("RGB")))
            assert ("control" in str(cells.image_ids[index])) == (cells.labels[index] == 0)


def test_a_bad_file_is_set_aside_with_its_reason_and_hurts_no_neighbour(session, tmp_path):
    root = draw_folder(tmp_path / "mll")
    bad = root / "data" / "control" / "AAA" / "image_1.tif"
    bad.write_bytes(bad.read_bytes()[:60])
    empty = root / "data" / "NPM1" / "CAA" / "image_0.tif"
    empty.write_bytes(b"")
    result = prepared(root, max_bad=0.1)
    assert (result.report.found, result.report.used, result.report.quarantined) == (30, 29, 1)
    write_set_aside(tmp_path / "set-aside.csv", result.set_aside)
    with (tmp_path / "set-aside.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert row["path"] == str(bad)
    assert row["reason"]
    assert len(row["sha256"]) == 64


def test_too_many_bad_files_end_it_before_anything_is_trained_and_are_all_named(session, tmp_path):
    root = draw_folder(tmp_path / "mll")
    broken = [root / "data" / "control" / "AAA" / f"image_{cell}.tif" for cell in range(2)]
    for path in broken:
        path.write_bytes(b"II*\0 not a picture")
    with pytest.raises(DataError) as caught:
        prepared(root)
    assert "2 of 45 images" in str(caught.value)
    assert "--max-bad" in str(caught.value)
    assert all(str(path) in str(caught.value) for path in broken)


def test_a_copied_image_counts_once_and_joins_its_patients(session, tmp_path):
    root = draw_folder(tmp_path / "mll")
    control = root / "data" / "control"
    shutil.copy(control / "AAA" / "image_0.tif", control / "AAB" / "image_7.tif")
    result = prepared(root)
    assert (result.report.found, result.report.used, result.report.duplicates) == (31, 30, 1)
    names = {*result.data.train.patient_names, *result.data.validation.patient_names, *result.split.patients("test")}
    assert not {"AAA", "AAB"} <= names


def test_the_split_of_the_controls_is_the_same_for_every_task(session, tmp_path):
    root = draw_folder(tmp_path / "mll")
    control = root / "data" / "NPM1"
    shutil.copy(control / "CAA" / "image_0.tif", control / "CAB" / "image_7.tif")
    one, other = prepared(root, "runx1").split, prepared(root, "npm1").split
    assert one.part_of == other.part_of


def test_the_fingerprint_knows_content_and_size_but_not_the_place(session, tmp_path):
    root = draw_folder(tmp_path / "mll")
    first = prepared(root).report.fingerprint
    assert prepared(root, image_px=17).report.fingerprint != first
    moved = root.rename(tmp_path / "elsewhere")
    assert prepared(moved).report.fingerprint == first
    (moved / "data" / "control" / "AAA" / "image_0.tif").unlink()
    assert prepared(moved).report.fingerprint != first


def test_a_folder_without_the_tasks_class_is_refused_before_a_file_is_opened(session, tmp_path):
    root = draw_folder(tmp_path / "mll", classes=("control", "NPM1"))
    for path in root.rglob("*.tif"):
        path.write_bytes(b"")
    with pytest.raises(DataError, match="RUNX1_RUNX1T1"):
        prepared(root)


def test_the_real_c_nmc_sample(session, shared_data):
    result = prepared(shared_data / "c-nmc-2019", "b_all", image_px=64)
    report = result.report
    assert (report.found, report.used, report.quarantined) == (56, 56, 0)
    assert sum(report.patients.values()) == 26
    assert report.black_background
    # The cells lie on exact black, and still do at another size.
    corners = result.data.train.images[:, [0, 0, -1, -1], [0, -1, 0, -1]]
    assert (corners == 0).all()


def test_the_real_lmu_sample_says_that_it_has_no_patients(session, shared_data, tmp_path):
    task = tmp_path / "blasts.toml"
    task.write_text('name = "blasts"\nreader = "folders"\ndisease = ["MYO"]\ncontrol = ["LYT", "MON", "NGS", "EOS"]\n')
    result = prepared(shared_data / "aml-lmu", str(task))
    assert result.report.used == 50
    assert not result.report.patient_level
    assert any("patient" in note for note in result.report.notes)
