"""Collections to training data, through Ray Data and the cache on the shared local Ray."""

import csv
import hashlib
import os
import shutil
from functools import partial

import numpy as np
import pytest
from PIL import Image

from folders import draw_folder
from leukmodels.collections.source import open_source
from leukmodels.collections.tasks import find_task
from leukmodels.dataset.contents import content_of
from leukmodels.errors import DataError
from search.cache.store import PixelCache
from search.data.dataset import prepare_dataset, write_listing
from search.data.sharing import missing_stream_bytes, share, stream
from search.study.presets import configure


def config(task="runx1", **given):
    return configure("smoke", {"task": task, "image_px": 16, **given})


def test_every_file_is_accounted_for_and_test_patients_are_not_handed_on(prepared, tmp_path):
    result = prepared(draw_folder(tmp_path / "mll"))
    report = result.report
    assert (report.found, report.used, report.duplicates, report.quarantined) == (30, 30, 0, 0)
    assert report.cells == {"train": 18, "validation": 6, "test": 6}
    assert report.classes["train"] == {
        "RUNX1_RUNX1T1": {"patients": 3, "cells": 9},
        "control": {"patients": 3, "cells": 9},
    }
    data = share(result, prepared.cache).open()
    handed = {*data.train.present_patients, *data.validation.present_patients}
    assert handed.isdisjoint(result.split.patients("test"))
    assert len(data.train) + len(data.validation) == result.image_count == report.used - report.cells["test"]


@pytest.mark.parametrize("how", [share, partial(stream, window=16)], ids=["shared", "streamed"])
def test_pixels_are_those_of_the_files(prepared, tmp_path, how):
    root = draw_folder(tmp_path / "mll")
    data = how(prepared(root, image_px=20), prepared.cache).open()
    for cells in (data.train, data.validation):
        (images,) = cells.pixels.batches(np.arange(len(cells)), len(cells))
        for index in range(len(cells)):
            with Image.open(root / str(cells.image_ids[index])) as image:
                np.testing.assert_array_equal(images[index], np.asarray(image.convert("RGB")))
            assert ("control" in str(cells.image_ids[index])) == (cells.labels[index] == 0)


@pytest.mark.fault("files", "streamed shards are lost or damaged between sessions", "written again, the others kept")
def test_streamed_shards_that_are_there_are_kept_and_lost_or_damaged_ones_are_written_again(prepared, tmp_path):
    result = prepared(draw_folder(tmp_path / "mll"))
    whole = missing_stream_bytes(result, prepared.cache, window=16)
    assert whole == result.pixel_bytes
    first, second, third, *_ = stream(result, prepared.cache, window=16).train.pixels.streamed.paths
    kept = first.stat().st_ino
    assert missing_stream_bytes(result, prepared.cache, window=16) == 0
    second.unlink()
    third.write_bytes(third.read_bytes()[:100])
    assert 0 < missing_stream_bytes(result, prepared.cache, window=16) < whole
    data = stream(result, prepared.cache, window=16).open()
    assert missing_stream_bytes(result, prepared.cache, window=16) == 0
    assert first.stat().st_ino == kept
    streamed, shared = (
        next(cells.pixels.batches(np.arange(len(cells)), len(cells)))
        for cells in (data.train, share(result, prepared.cache).open().train)
    )
    np.testing.assert_array_equal(streamed, shared)


@pytest.mark.fault("files", "a shard of the cache is damaged", "removed and prepared again")
def test_a_shard_of_the_cache_that_is_damaged_is_removed_and_prepared_again(prepared, tmp_path):
    root = draw_folder(tmp_path / "mll")
    result = prepared(root)
    shard = prepared.cache.prepared(result.policy).shards[0]
    pixels = bytearray(shard.read_bytes())
    pixels[len(pixels) // 2] ^= 1
    shard.write_bytes(pixels)
    with pytest.raises(DataError, match="run the same command again"):
        share(result, prepared.cache)
    share(prepared(root), prepared.cache)


def test_a_second_study_opens_no_file(prepared, tmp_path):
    root = draw_folder(tmp_path / "mll")
    first = prepared(root)
    assert prepared.files_read == 45
    second = prepared(root)
    assert prepared.files_read == 0
    assert second.report == first.report


def test_files_of_one_size_and_time_that_were_swapped_by_renaming_are_read_as_they_lie_now(prepared, tmp_path):
    root = draw_folder(tmp_path / "mll")
    one, other = (root / "data" / patient / "image_0.tif" for patient in ("control/AAA", "RUNX1_RUNX1T1/BAA"))
    assert one.stat().st_size == other.stat().st_size
    for path in (one, other):
        os.utime(path, ns=(10**18, 10**18))
    before = prepared(root)
    one.rename(tmp_path / "aside")
    other.rename(one)
    (tmp_path / "aside").rename(other)
    after = prepared(root)
    assert prepared.files_read == 2
    assert after.report.fingerprint != before.report.fingerprint
    pixels = {
        str(name): image
        for cells in (share(after, prepared.cache).open().train, share(after, prepared.cache).open().validation)
        for name, image in zip(
            cells.image_ids, next(cells.pixels.batches(np.arange(len(cells)), len(cells))), strict=True
        )
    }
    for path in (one, other):
        with Image.open(path) as image:
            shown = np.asarray(image.convert("RGB").resize((16, 16), Image.Resampling.HAMMING, reducing_gap=2.0))
        if (name := str(path.relative_to(root))) in pixels:
            np.testing.assert_array_equal(pixels[name], shown)


def test_verify_reads_all_files_finds_what_the_cache_has_wrong_and_keeps_no_pixel_twice(prepared, tmp_path):
    root = draw_folder(tmp_path / "mll")
    first = prepared(root)
    images = prepared.cache.sizes()[0].images
    read = []

    def verified():
        return prepare_dataset(
            open_source(root),
            find_task("runx1"),
            config(),
            PixelCache(prepared.cache.folder, verify=True),
            synthetic=False,
            cores=2,
            progress=lambda done, total: read.append(total),
        )

    assert verified().report == first.report
    assert read[-1] == 45
    assert prepared.cache.sizes()[0].images == images
    # As a file system would that gives a file that was swapped the same numbers.
    paths = [str(root / "data" / "control" / "AAA" / f"image_{number}.tif") for number in (0, 1)]
    source = open_source(root)
    stamps, (wrong,) = source.stamps(paths), {content_of((root / paths[1]).read_bytes())}
    for path in (prepared.cache.folder / "files-v2").iterdir():
        path.unlink()
    prepared.cache.keep_files(paths[:1], stamps[:1], [wrong])
    assert prepared(root).report.duplicates == 1
    found = verified().report
    assert found.fingerprint == first.report.fingerprint
    assert any(note.startswith("1 file held other bytes") for note in found.notes)


def test_the_fingerprint_of_a_study_begun_before_is_of_sha256(prepared, tmp_path):
    root = draw_folder(tmp_path / "mll")
    dataset = prepared(root)
    lines = sorted(
        f"{folder.parent.name}\t{folder.name}\t{hashlib.sha256(path.read_bytes()).hexdigest()}\n"
        for name in ("control", "RUNX1_RUNX1T1")
        for folder in (root / "data" / name).iterdir()
        for path in folder.iterdir()
    )
    before = hashlib.sha256(("16 None\n" + "".join(lines)).encode()).hexdigest()
    assert dataset.fingerprint_like("0" * 64) == before
    assert dataset.fingerprint_like("blake3:" + "0" * 64) == dataset.report.fingerprint != before


def test_only_a_file_that_is_new_or_has_changed_is_read_again(prepared, tmp_path):
    root = draw_folder(tmp_path / "mll")
    prepared(root)
    control = root / "data" / "control"
    changed = np.arange(20, dtype=np.uint8)[:, None, None] * np.array([1, 2, 9], dtype=np.uint8)
    Image.fromarray(np.tile(changed, (1, 20, 1))).save(control / "AAA" / "image_0.tif")
    shutil.copy(control / "AAB" / "image_0.tif", control / "AAC" / "image_9.tif")
    (control / "AAD" / "image_0.tif").unlink()
    result = prepared(root)
    assert prepared.files_read == 2
    assert (result.report.found, result.report.duplicates) == (30, 1)


def test_another_task_on_the_same_collection_opens_no_file_either(prepared, tmp_path):
    root = draw_folder(tmp_path / "mll")
    prepared(root)
    prepared(root, "npm1")
    assert prepared.files_read == 0


def test_what_was_searched_before_changes_neither_the_split_nor_the_account(prepared, tmp_path):
    root = draw_folder(tmp_path / "mll")
    for patient in ("CAA", "CAB"):  # the same black image of two patients, who are not joined by it
        black = root / "data" / "NPM1" / patient / "image_8.tif"
        Image.new("RGB", (20, 20)).save(black)
    first = prepared(root, max_bad=1)
    prepared(root, "npm1", max_bad=1)
    again = prepared(root, max_bad=1)
    assert again.split.part_of == first.split.part_of
    assert again.report == first.report
    assert first.report.quarantined == 0  # of the task's own images


def test_files_that_moved_are_read_but_not_kept_twice(prepared, tmp_path):
    root = draw_folder(tmp_path / "mll")
    first = prepared(root).report.fingerprint
    result = prepared(root.rename(tmp_path / "elsewhere"))
    assert prepared.files_read == 45
    assert result.report.fingerprint == first


@pytest.mark.fault("drivers", "Ctrl-C while images are read", "the next run reads only the rest")
def test_an_interrupted_ingest_is_finished(prepared, tmp_path):
    root = draw_folder(tmp_path / "mll")

    def interrupt(done, total):
        raise KeyboardInterrupt

    arguments = (open_source(root), find_task("runx1"), config(), prepared.cache)
    with pytest.raises(KeyboardInterrupt):
        prepare_dataset(*arguments, synthetic=False, cores=2, progress=interrupt)
    prepared(root)
    assert prepared.files_read < 45


def test_a_bad_file_is_quarantined_with_its_reason_and_hurts_no_neighbour(prepared, tmp_path):
    root = draw_folder(tmp_path / "mll")
    bad = root / "data" / "control" / "AAA" / "image_1.tif"
    bad.write_bytes(bad.read_bytes()[:60])
    empty = root / "data" / "NPM1" / "CAA" / "image_0.tif"
    empty.write_bytes(b"")
    for _ in range(2):  # the second time from the cache
        result = prepared(root, max_bad=0.1)
        assert (result.report.found, result.report.used, result.report.quarantined) == (30, 29, 1)
        write_listing(tmp_path / "quarantine.csv", result.quarantined, result.source)
        with (tmp_path / "quarantine.csv").open() as file:
            (row,) = csv.DictReader(file)
        assert row["path"] == str(bad)
        assert row["reason"]
        assert len(row["sha256"]) == 64


def grey(path, seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (20, 20), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


@pytest.mark.fault("files", "masks and grey pictures among coloured cells", "set aside, each with its reason")
def test_masks_and_grey_images_among_coloured_ones_are_set_aside(prepared, tmp_path):
    root = draw_folder(tmp_path / "mll")
    patient = root / "data" / "control" / "AAA"
    whole = prepared(root).report
    expected = {
        grey(patient / "image_8.tif", 1): "it is grey among coloured images, as a mask is, or one of another stain",
        patient / "image_9.tif": "it has 2 colours, as a mask or a drawing has",
    }
    Image.fromarray(np.eye(20, dtype=np.uint8) * 255).save(patient / "image_9.tif")
    grey(root / "data" / "NPM1" / "CAA" / "image_8.tif", 2)  # of no class of the task
    for _ in range(2):  # the second time from the cache
        result = prepared(root, max_bad=0.1)
        assert (result.report.found, result.report.used, result.report.quarantined) == (32, 30, 2)
        found = {row["path"]: row["reason"] for row in result.quarantined.to_pylist()}
        assert found == {str(path): reason for path, reason in expected.items()}
        assert result.report.fingerprint == whole.fingerprint
    with pytest.raises(DataError, match=r"2 of 32 images (.|\n)*image_8.tif: it is grey among coloured images"):
        prepared(root)


def test_a_collection_of_grey_images_sets_coloured_ones_aside(prepared, tmp_path):
    root = draw_folder(tmp_path / "mll")
    for seed, path in enumerate(sorted(root.rglob("*.tif"))[:-1]):
        grey(path, seed)
    result = prepared(root, max_bad=0.1)
    (row,) = result.quarantined.to_pylist()
    assert (row["path"], row["reason"]) == (
        str(sorted(root.rglob("*.tif"))[-1]),
        "it is coloured among grey images",
    )
    assert result.report.used == 29


def test_too_many_bad_files_end_it_before_anything_is_trained_and_are_all_named(prepared, tmp_path):
    root = draw_folder(tmp_path / "mll")
    broken = [root / "data" / "control" / "AAA" / f"image_{cell}.tif" for cell in range(2)]
    for path in broken:
        path.write_bytes(b"II*\0 not a picture")
    with pytest.raises(DataError) as caught:
        prepared(root)
    assert "2 of 30 images" in str(caught.value)
    assert "--max-bad" in str(caught.value)
    assert all(str(path) in str(caught.value) for path in broken)


def test_a_copied_image_counts_once_and_joins_its_patients(prepared, tmp_path):
    root = draw_folder(tmp_path / "mll")
    control = root / "data" / "control"
    shutil.copy(control / "AAA" / "image_0.tif", control / "AAB" / "image_7.tif")
    result = prepared(root)
    assert (result.report.found, result.report.used, result.report.duplicates) == (31, 30, 1)
    names = {*result.train.patient_names, *result.validation.patient_names, *result.split.patients("test")}
    assert not {"AAA", "AAB"} <= names


def test_the_split_of_the_controls_is_the_same_for_every_task(prepared, tmp_path):
    root = draw_folder(tmp_path / "mll")
    control = root / "data" / "NPM1"
    shutil.copy(control / "CAA" / "image_0.tif", control / "CAB" / "image_7.tif")
    one, other = prepared(root, "runx1").split, prepared(root, "npm1").split
    assert one.part_of == other.part_of


def test_the_fingerprint_knows_content_and_size_but_not_the_place(prepared, tmp_path):
    root = draw_folder(tmp_path / "mll")
    first = prepared(root).report.fingerprint
    assert prepared(root, image_px=17).report.fingerprint != first
    moved = root.rename(tmp_path / "elsewhere")
    assert prepared(moved).report.fingerprint == first
    (moved / "data" / "control" / "AAA" / "image_0.tif").unlink()
    assert prepared(moved).report.fingerprint != first


def test_a_folder_without_the_tasks_class_is_refused_before_a_file_is_opened(prepared, tmp_path):
    root = draw_folder(tmp_path / "mll", classes=("control", "NPM1"))
    for path in root.rglob("*.tif"):
        path.write_bytes(b"")
    with pytest.raises(DataError, match="RUNX1_RUNX1T1"):
        prepared(root)


def test_the_real_c_nmc_sample(prepared, shared_data):
    result = prepared(shared_data / "c-nmc-2019", "b_all", image_px=64)
    report = result.report
    assert (report.found, report.used, report.quarantined) == (56, 56, 0)
    assert sum(report.patients.values()) == 26
    assert report.black_background
    # The cells lie on exact black, and still do at another size.
    cells = share(result, prepared.cache).open().train
    (images,) = cells.pixels.batches(np.arange(len(cells)), len(cells))
    corners = images[:, [0, 0, -1, -1], [0, -1, 0, -1]]
    assert (corners == 0).all()


def test_the_real_lmu_sample_says_that_it_has_no_patients(prepared, shared_data, tmp_path):
    task = tmp_path / "blasts.toml"
    task.write_text('name = "blasts"\nreader = "folders"\ndisease = ["MYO"]\ncontrol = ["LYT", "MON", "NGS", "EOS"]\n')
    result = prepared(shared_data / "aml-lmu", str(task))
    assert result.report.used == 50
    assert not result.report.patient_level
    assert any("patient" in note for note in result.report.notes)
