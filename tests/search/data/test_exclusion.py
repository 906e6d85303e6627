"""Lists of cells that are left out of training, through the preparation on the shared local Ray."""

import hashlib
import shutil
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from folders import draw_folder
from leukmodels.collections.source import open_source
from leukmodels.errors import ConfigError, DataError
from leukmodels.label_issues.listing import write_list
from leukmodels.label_issues.ranking import rank
from leukmodels.process.words import USUAL
from search.data.dataset import write_listing
from search.data.sharing import share


def disputed(training_of, root, path, at_most=5):
    """Write a list of training cells as the command curate does, of made-up answers; return their paths."""
    found = training_of(root, max_bad=0)
    probabilities = np.random.default_rng(1).random(len(found.cells))
    ranking = rank(found.cells.labels, probabilities)
    rows = ranking.order[:at_most]
    write_list(path, open_source(root), found, ranking, probabilities, rows)
    return {str(name) for name in found.cells.image_ids[rows]}


@pytest.mark.parametrize("by", ["sha256", "sha256 alone", "image"])
def test_listed_cells_are_left_out_of_training_and_the_account_balances(training_of, prepared, tmp_path, by):
    root = draw_folder(tmp_path / "mll")
    shutil.copy(root / "data/control/AAA/image_0.tif", root / "data/control/AAA/image_9.tif")
    (root / "data/control/AAB/image_9.tif").write_bytes(b"")
    before = prepared(root, max_bad=0.1)
    (root / "data/control/AAB/image_9.tif").unlink()
    named = disputed(training_of, root, tmp_path / "disputed.csv")
    (root / "data/control/AAB/image_9.tif").write_bytes(b"")
    if by == "image":
        (tmp_path / "disputed.csv").write_text("image\n" + "\n".join(named))
    if by == "sha256 alone":
        hashes = [hashlib.sha256((root / name).read_bytes()).hexdigest() for name in named]
        (tmp_path / "disputed.csv").write_text("sha256\n" + "\n".join(hashes))
    after = prepared(root, max_bad=0.1, exclude=tmp_path / "disputed.csv")
    ids = {str(name) for name in before.train.image_ids}
    assert named < ids
    assert {str(name) for name in after.train.image_ids} == ids - named
    assert after.validation.image_ids.tolist() == before.validation.image_ids.tolist()
    assert after.split == before.split
    report = after.report
    assert (report.duplicates, report.quarantined, report.excluded) == (1, 1, 5)
    assert report.found == report.used + report.duplicates + report.quarantined + report.excluded == 32
    assert report.used == sum(report.cells.values()) == before.report.used - 5
    assert report.fingerprint != before.report.fingerprint
    assert "25 used, 1 duplicates, 1 quarantined, 5 excluded." in report.describe(USUAL)
    assert any("Of 5 images" in note and "5 are left out of training" in note for note in report.notes)
    assert {row["path"] for row in after.excluded.to_pylist()} == {str(root / name) for name in named}
    write_listing(tmp_path / "excluded.csv", after.excluded, after.source)  # what a resumed study is prepared with
    again = prepared(root, max_bad=0.1, exclude=tmp_path / "excluded.csv")
    assert again.report.fingerprint == report.fingerprint
    assert again.excluded["path"].equals(after.excluded["path"])


def test_a_list_takes_nothing_from_validation_and_test_and_says_what_else_it_names(training_of, prepared, tmp_path):
    root = draw_folder(tmp_path / "mll")
    before = prepared(root)
    part_of = before.split.part_of
    paths = sorted(path for path in root.rglob("image_0.tif") if path.parent.parent.name != "NPM1")
    chosen = Counter(part_of[path.parent.name] for path in paths)
    names = [path.relative_to(root).as_posix() for path in paths]
    (tmp_path / "list.csv").write_text("image\n" + "\n".join([*names, "data/NPM1/CAA/image_0.tif", "data/gone.tif"]))
    report = prepared(root, exclude=tmp_path / "list.csv").report
    assert report.cells == {**before.report.cells, "train": before.report.cells["train"] - chosen["train"]}
    assert report.excluded == chosen["train"] == 6
    (note,) = (note for note in report.notes if "list.csv" in note)
    assert "Of 12 images" in note
    assert "2 are validation cells, 2 are test cells, 2 are no cells of this study" in note
    assert "--split-seed" in note


def test_a_list_that_leaves_nothing_out_or_nobody_in_is_refused(training_of, prepared, tmp_path):
    root = draw_folder(tmp_path / "mll")
    (tmp_path / "list.csv").write_text(f"sha256\n{'0' * 64}\n")
    with pytest.raises(DataError, match=r"None of the 1 image .* is a training cell.*1 are no cells of this study"):
        prepared(root, exclude=tmp_path / "list.csv")
    images = [str(path.relative_to(root)) for path in root.glob("data/RUNX1_RUNX1T1/*/*.tif")]
    (tmp_path / "list.csv").write_text("\n".join(["image", *images]))
    with pytest.raises(DataError, match="names every training cell of the class 'RUNX1_RUNX1T1'"):
        prepared(root, exclude=tmp_path / "list.csv")
    (tmp_path / "list.csv").write_text("name\nsomething\n")
    with pytest.raises(ConfigError, match="is no list of images"):
        prepared(root, exclude=tmp_path / "list.csv")


def test_a_patient_may_lose_every_cell_and_it_is_said(training_of, prepared, tmp_path):
    root = draw_folder(tmp_path / "mll")
    before = prepared(root)
    patient = next(name for name in before.split.patients("train") if name.startswith("A"))
    images = [f"data/control/{patient}/image_{cell}.tif" for cell in range(3)]
    (tmp_path / "list.csv").write_text("\n".join(["image", *images]))
    report = prepared(root, exclude=tmp_path / "list.csv").report
    assert report.patients["train"] == before.report.patients["train"] - 1
    assert any("all cells of 1 patient among them" in note for note in report.notes)


def test_a_curated_cell_is_one_that_the_search_trains_on(training_of, prepared, tmp_path):
    root = draw_folder(tmp_path / "mll")
    control = root / "data" / "control"
    for name in ("AAA", "AAB"):
        Image.new("RGB", (20, 20)).save(control / name / "image_8.tif")  # black, and joins nobody
    shutil.copy(control / "AAC" / "image_0.tif", control / "AAD" / "image_7.tif")
    ours = training_of(root, split_seed=3)
    theirs = prepared(root, split_seed=3, max_bad=0.1)
    assert ours.split == theirs.split
    assert ours.cells.image_ids.tolist() == theirs.train.image_ids.tolist()
    assert ours.contents == tuple(theirs.train.contents)
    searched = share(theirs, prepared.cache).open().train
    for mine, its in zip(
        *(cells.pixels.batches(np.arange(len(cells)), 7) for cells in (ours.cells, searched)), strict=True
    ):
        np.testing.assert_array_equal(mine, its)
