"""The synthetic cohort: the layout, the figures, the promise of same pixels, and a folder that is whole or absent."""

import csv
import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from leukmodels.errors import ConfigError, DataError
from leukmodels.synthetic import cohort_bytes, draw_cohort
from leukmodels.synthetic.__main__ import main
from leukmodels.synthetic.celltypes import TYPES
from leukmodels.synthetic.classes import CLASSES, MEAN_IMAGES
from leukmodels.synthetic.image import draw_image
from leukmodels.synthetic.patients import list_patients
from leukmodels.synthetic.slide import draw_slide

FEW = ("control", "PML_RARA")


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One small cohort of all five classes."""
    return draw_cohort(tmp_path_factory.mktemp("cohort") / "one", cells_per_patient=2)


def contents(root: Path) -> dict[str, str]:
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def pixels(path: Path) -> npt.NDArray[np.uint8]:
    with Image.open(path) as image:
        assert (image.format, image.mode, image.size) == ("TIFF", "RGBA", (144, 144))
        return np.asarray(image)


def test_layout_is_that_of_the_mll_collection(cohort: Path) -> None:
    assert {folder.name for folder in (cohort / "data").iterdir()} == set(CLASSES)
    numbers = defaultdict(list)
    for path in (cohort / "data").rglob("*.*"):
        class_name, patient, name = path.relative_to(cohort / "data").parts
        assert re.fullmatch(r"[A-Z]{3}", patient)
        numbers[class_name, patient].append(int(re.fullmatch(r"image_(0|[1-9]\d*)\.tif", name)[1]))
    assert all(sorted(found) == list(range(len(found))) for found in numbers.values())
    assert len(numbers) == len({patient for _, patient in numbers}) == 189
    for class_name, kind in CLASSES.items():
        assert sum(name == class_name for name, _ in numbers) == kind.patients


def test_images_are_opaque_tiff_of_144_px(cohort: Path) -> None:
    for path in sorted((cohort / "data").rglob("*.tif"))[::40]:
        image = pixels(path)
        assert (image[..., 3] == 255).all()
        assert image[..., 1].std() > 15  # a dark cell on light glass, not a blank


def test_metadata_and_truth_count_the_same_cells(cohort: Path) -> None:
    assert (cohort / "metadata.csv").read_bytes().startswith(b"\xef\xbb\xbf")
    counted = {
        row["patient_id"]: (row["bag_label"], int(row["instance_count"])) for row in rows(cohort / "metadata.csv")
    }
    truth = rows(cohort / "truth.csv")
    assert {row["path"] for row in truth} == {p.relative_to(cohort).as_posix() for p in cohort.rglob("*.tif")}
    for patient, (class_name, count) in counted.items():
        assert [row["class"] for row in truth if row["patient"] == patient] == [class_name] * count
    for row in truth:
        assert (row["is_blast"] == "1") == (row["cell_type"] in CLASSES[row["class"]].blasts)


@pytest.mark.parametrize("class_name", CLASSES)
def test_figures_of_each_class_are_those_of_the_real_cohort(class_name: str) -> None:
    kind = CLASSES[class_name]
    patients = list_patients(cells_per_patient=430, seed=3, classes=[class_name])
    counts = np.array([len(patient.cell_types) for patient in patients])
    percent = np.array([100 * patient.blasts() / len(patient.cell_types) for patient in patients])
    tenths = np.linspace(0, 1, 11)[1:-1]
    np.testing.assert_allclose(np.quantile(counts, tenths) * MEAN_IMAGES / 430, kind.images[1:-1], atol=35)
    np.testing.assert_allclose(np.quantile(percent, tenths), kind.blast_percent[1:-1], atol=7)
    assert counts.min() >= kind.images[0] - 1
    assert counts.max() <= kind.images[-1] + 1


def test_stored_deciles_are_those_of_the_collections_table(shared_data: Path) -> None:
    table = rows(shared_data / "mll-cohort" / "cohort.csv")
    assert sum(int(row["instance_count"]) for row in table) / len(table) == pytest.approx(MEAN_IMAGES)
    for class_name, kind in CLASSES.items():
        own = [row for row in table if row["bag_label"] == class_name]
        assert len(own) == kind.patients
        tenths = np.linspace(0, 1, 11)
        for column, stored, atol in (
            ("instance_count", kind.images, 0.51),
            ("blast_percent", kind.blast_percent, 0.06),
        ):
            np.testing.assert_allclose(np.quantile([float(row[column]) for row in own], tenths), stored, atol=atol)


@settings(max_examples=25)
@given(
    cells=st.integers(1, 40), seed=st.integers(0, 2**32), classes=st.sets(st.sampled_from(sorted(CLASSES)), min_size=1)
)
def test_a_patient_does_not_depend_on_the_other_classes(cells: int, seed: int, classes: set[str]) -> None:
    everyone = list_patients(cells_per_patient=cells, seed=seed, classes=list(CLASSES))
    some = list_patients(cells_per_patient=cells, seed=seed, classes=sorted(classes))
    assert some == [patient for patient in everyone if patient.class_name in classes]
    assert all(len(patient.cell_types) >= 1 for patient in everyone)
    assert all(patient.blasts() == 0 for patient in everyone if patient.class_name == "control")
    mean = np.mean([len(patient.cell_types) for patient in everyone])
    assert mean == pytest.approx(cells, rel=0.05, abs=0.2)


def test_same_seed_same_bytes_whatever_the_workers(tmp_path: Path) -> None:
    one = draw_cohort(tmp_path / "one", cells_per_patient=1, classes=FEW, workers=1)
    two = draw_cohort(tmp_path / "two", cells_per_patient=1, classes=FEW, workers=2)
    other = draw_cohort(tmp_path / "other", cells_per_patient=1, classes=FEW, workers=1, seed=1)
    assert contents(one) == contents(two)
    assert not set(contents(one).values()) & set(contents(other).values())


def test_no_two_images_are_the_same(cohort: Path) -> None:
    images = [digest for name, digest in contents(cohort).items() if name.endswith(".tif")]
    assert len(images) == len(set(images))


@pytest.mark.parametrize("name", TYPES)
def test_every_cell_type_has_a_dark_nucleus_in_the_middle(name: str) -> None:
    rng = np.random.default_rng(5)
    for _ in range(3):
        image = draw_image(TYPES[name], draw_slide(rng), rng)[..., :3].astype(int)
        violet = (image[..., 1] < 100) & (image[..., 2] > image[..., 1] + 30)
        assert violet[32:112, 32:112].sum() > 400
        assert violet[[0, -1], :].sum() + violet[:, [0, -1]].sum() < 30


def test_shortcut_moves_the_colours_of_leukemias_alone(tmp_path: Path) -> None:
    plain = draw_cohort(tmp_path / "plain", cells_per_patient=1, classes=FEW)
    planted = draw_cohort(tmp_path / "planted", cells_per_patient=1, classes=FEW, slide_shortcut=1.0)
    shifts = defaultdict(list)
    for path in sorted((plain / "data").rglob("*.tif")):
        shift = pixels(planted / path.relative_to(plain)).astype(float) - pixels(path)
        shifts[path.parts[-3]].append(shift.mean(axis=(0, 1)))
    assert not np.any(shifts["control"])
    red, green, blue, alpha = np.mean(shifts["PML_RARA"], axis=0)
    assert red < -1
    assert green > 0.5
    assert blue > 0.5
    assert alpha == 0


def test_a_finished_cohort_is_used_again(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    root = draw_cohort(
        tmp_path / "new" / "cohort", cells_per_patient=1, classes=FEW, progress=lambda *at: told.append(at)
    )
    assert told[-1][0] == told[-1][1] == len(list(root.rglob("*.tif")))
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    again = draw_cohort(root, cells_per_patient=1, classes=FEW[::-1], progress=lambda *_: pytest.fail("drawn again"))
    assert again == root
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before


def test_another_cohort_is_refused_with_the_difference(cohort: Path) -> None:
    with pytest.raises(DataError, match=r"seed 0 \(wanted 7\).*another folder"):
        draw_cohort(cohort, cells_per_patient=2, seed=7)


def _foreign_folder(root: Path) -> None:
    root.mkdir()
    (root / "notes.txt").write_text("mine")


def _torn_mark(root: Path) -> None:
    root.mkdir()
    (root / "cohort.json").write_text('{"seed": 0, ')


def _file(root: Path) -> None:
    root.write_text("mine")


@pytest.mark.parametrize("prepare", [_foreign_folder, _torn_mark, _file])
def test_anything_else_is_refused_and_left_alone(tmp_path: Path, prepare: Callable[[Path], None]) -> None:
    prepare(tmp_path / "cohort")
    before = contents(tmp_path)
    with pytest.raises(DataError, match="no finished synthetic cohort"):
        draw_cohort(tmp_path / "cohort", cells_per_patient=1)
    assert contents(tmp_path) == before


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "cohort").mkdir()
    root = draw_cohort(tmp_path / "cohort", cells_per_patient=1, classes=["PML_RARA"])
    assert json.loads((root / "cohort.json").read_text())["classes"] == ["PML_RARA"]


@pytest.mark.fault("drivers", "Ctrl-C or a full disk while a cohort is drawn", "nothing is left")
@pytest.mark.parametrize(("stop", "workers"), [(OSError, 1), (KeyboardInterrupt, 2)])
def test_an_interrupted_draw_leaves_nothing(tmp_path: Path, stop: type[BaseException], workers: int) -> None:
    def interrupt(drawn: int, total: int) -> None:
        if drawn > total / 3:
            raise stop

    with pytest.raises(stop):
        draw_cohort(tmp_path / "cohort", cells_per_patient=1, workers=workers, progress=interrupt)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.fault("drivers", "two processes draw one cohort", "one cohort, whole")
def test_the_slower_of_two_drawers_keeps_the_faster_ones_cohort(tmp_path: Path) -> None:
    root = tmp_path / "cohort"

    def overtake(drawn: int, total: int) -> None:
        if drawn == total:
            draw_cohort(root, cells_per_patient=1, classes=["PML_RARA"])

    draw_cohort(root, cells_per_patient=1, classes=["PML_RARA"], progress=overtake)
    assert [path.name for path in tmp_path.iterdir()] == ["cohort"]


def test_all_problems_of_the_parameters_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        draw_cohort(tmp_path / "x", cells_per_patient=0, seed=-1, slide_shortcut=9, classes=["ALL"], workers=0)
    assert len(caught.value.problems) == 5
    assert caught.value.problems == (
        "--cells-per-patient is 0; give a whole number from 1 to 10,000.",
        "--seed is -1; give a whole number from 0.",
        "--slide-shortcut is 9; give a number from 0 to 3.",
        "--classes: ['ALL'] cannot be drawn; name one or more of control, PML_RARA, NPM1, CBFB_MYH11, RUNX1_RUNX1T1.",
        "--workers is 0; give a whole number from 1.",
    )
    assert not (tmp_path / "x").exists()


def test_the_command_says_that_the_images_are_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = [str(tmp_path / "c"), "--cells-per-patient", "1", "--classes", "PML_RARA"]
    assert main(command) == 0
    assert re.search(
        r"\d+ images of 24 synthetic patients\. They are drawn; none is of a patient\.\n", capsys.readouterr().out
    )
    with pytest.raises(DataError, match="another cohort"):
        main([*command, "--seed", "5"])


def test_the_disk_that_a_cohort_takes_is_known_before(tmp_path):
    root = draw_cohort(tmp_path / "cohort", cells_per_patient=4)
    taken = sum(path.stat().st_size for path in root.rglob("*") if path.is_file())
    assert taken == pytest.approx(cohort_bytes(4), rel=0.15)
