"""The list of disputed cells, its pictures, and the whole command on real files."""

import contextlib
import csv
import hashlib
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from folders import draw_folder
from leukmodels.collections.folders import NO_PATIENTS
from leukmodels.collections.source import open_source
from leukmodels.errors import ConfigError, DataError
from leukmodels.label_issues.contact_sheet import COLUMNS as SHEET_COLUMNS
from leukmodels.label_issues.contact_sheet import strips
from leukmodels.label_issues.listing import columns, read_list, write_list
from leukmodels.label_issues.ranking import rank
from leukmodels.process import machine, tensorflow_runtime
from leukmodels.space.hyperparameters import HyperParams
from search.curate import __main__ as curate
from search.run.options import parse
from toy_cells import TINY


def test_a_list_is_read_as_it_was_written_and_after_a_spreadsheet(training_of, tmp_path: Path) -> None:
    root = draw_folder(tmp_path / 'mll, "1"')
    found = training_of(root)
    probabilities = np.linspace(0, 1, len(found.cells))
    ranking = rank(found.cells.labels, probabilities)
    rows = ranking.order[:7]
    path = tmp_path / "disputed.csv"
    write_list(path, open_source(root), found, ranking, probabilities, rows)
    with path.open(encoding="utf-8", newline="") as file:
        written = list(csv.DictReader(file))
    assert tuple(written[0]) == columns(found.terms)
    assert " ".join(written[0]) == "rank image patient class_name label probability dispute sha256"
    assert [int(row["rank"]) for row in written] == [1, 2, 3, 4, 5, 6, 7]
    assert [float(row["probability"]) for row in written] == pytest.approx(probabilities[rows], abs=1e-4)
    assert [row["image"] for row in written] == [found.cells.image_ids[row] for row in rows]
    assert [row["patient"] for row in written] == [Path(row["image"]).parent.name for row in written]
    assert read_list(path).keys == tuple(
        hashlib.sha256((root / found.cells.image_ids[row]).read_bytes()).hexdigest() for row in rows
    )
    path.write_text("\ufeffImage;Rank\ndata/control/AAA/image_0.tif;1\n\ndata\\control\\AAA\\image_0.tif;2\n")
    listed = read_list(path)
    assert (listed.column, listed.keys) == ("image", ("data/control/AAA/image_0.tif",))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "It lists no image"),
        (b"rank,image,sha256\n", "It lists no image"),
        (b"name,score\na,1\n", "Its columns are name, score"),
        (b"sha256,image\nabc,a.tif\n" + b"0" * 64 + b",b.tif\n", "Row 1 has the sha256 'abc'"),
        (b"image,rank\n,1\na.tif,2\n", "Row 1 has the image ''"),
        (b"\x89PNG\r\n\x1a\n\0\0", "is no list of images"),
    ],
)
def test_a_file_that_is_no_list_is_refused_with_what_a_list_is(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_bytes(content)
    with pytest.raises(ConfigError, match=message) as caught:
        read_list(tmp_path / "list.csv")
    assert "disputed.csv of python -m search.curate" in str(caught.value)


@pytest.mark.parametrize("name", ["absent.csv", "."])
def test_a_list_that_cannot_be_read_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_list(tmp_path / name)


def test_of_each_class_the_disputed_are_shown_by_rank_and_one_well_believed_cell_a_patient(
    training_of, tmp_path: Path
) -> None:
    found = training_of(draw_folder(tmp_path / "mll", patients=10, cells=6))
    probabilities = np.random.default_rng(0).random(len(found.cells))
    ranking = rank(found.cells.labels, probabilities)
    shown = strips(found, ranking, probabilities, ranking.listed(found.cells.labels == 1, at_most=2))
    assert [strip.heading.endswith("disputed, 2 listed") for strip in shown] == [True, False, False, False]
    assert [strip.heading.partition(":")[0] for strip in shown] == ["RUNX1_RUNX1T1"] * 2 + ["control"] * 2
    for disputed, believed in (shown[:2], shown[2:]):
        assert ranking.disputed[disputed.rows].all()
        assert (np.diff(ranking.label_issue_score[disputed.rows]) <= 0).all()
        assert not ranking.disputed[believed.rows].any()
        patients = found.cells.patients[believed.rows].tolist()
        assert len(set(patients)) == len(patients) == min(6, SHEET_COLUMNS)
        assert {found.class_names[row] for row in (*disputed.rows, *believed.rows)} == {
            disputed.heading.partition(":")[0]
        }
    assert shown[0].captions[0] == (
        f"{ranking.order.tolist().index(shown[0].rows[0]) + 1}  p {probabilities[shown[0].rows[0]]:.2f}",
        found.cells.patient_names[found.cells.patients[shown[0].rows[0]]],
    )


def planted(root: Path, *, patients: int = 17) -> set[str]:
    """Write a collection of dark control and bright leukemic cells; return the paths of those that look otherwise.

    Of 17 patients of a class 11 train.
    """
    rng = np.random.default_rng(0)
    wrong = set()
    for class_name, letter in (("control", "A"), ("RUNX1_RUNX1T1", "B")):
        for patient in range(patients):
            folder = root / "data" / class_name / f"{letter}A{chr(65 + patient)}"
            folder.mkdir(parents=True)
            for cell in range(8):
                is_wrong = cell == 3 and (letter == "B" or patient == 0)
                bright = (letter == "B") != is_wrong
                pixels = rng.integers(0, 100, (20, 20, 3), dtype=np.uint8) + np.uint8(120 * bright)
                path = folder / f"image_{cell}.tif"
                Image.fromarray(pixels).save(path)
                wrong |= {path.relative_to(root).as_posix()} if is_wrong else set()
    return wrong


LEARNS = TINY | {"learning_rate": 0.01, "head": "gap"}


@pytest.mark.keras
def test_planted_wrong_labels_come_first(training_of, tmp_path: Path) -> None:
    tensorflow_runtime.start(threads=1)
    from leukmodels.label_issues.out_of_fold import CrossValidation, predict_out_of_fold

    wrong = planted(tmp_path)
    found = training_of(tmp_path, image_px=8)
    validation = CrossValidation(
        hparams=HyperParams.from_dict(LEARNS), folds=3, repeats=1, epochs=10, seed=0, precision="float32"
    )
    told: list[tuple[int, int]] = []
    predicted = predict_out_of_fold(found, validation, progress=lambda *counts: told.append(counts))
    assert predicted.probabilities.shape == (1, len(found.cells))
    assert len(predicted.best_epochs) == validation.models == 3
    assert told == sorted(told)
    assert told[-1] == (30, 30)
    ranking = rank(found.cells.labels, predicted.probabilities.mean(axis=0))
    names = found.cells.image_ids[ranking.order].tolist()
    training = wrong & set(names)
    assert set(names[: len(training)]) == training


@pytest.mark.keras
def test_the_command_lists_planted_wrong_labels_and_says_how_to_go_on(
    training_of, ray_address, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(curate, "open_session", lambda **_: contextlib.nullcontext())
    wrong = planted(tmp_path / "cells")
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({"image_px": 8, "hyperparameters": LEARNS}))
    out = tmp_path / "disputed cells"
    options = {"data": tmp_path / "cells", "model": tmp_path, "out": out, "share": 0.5, "epochs": 8}
    options |= {"folds": 3, "repeats": 1, "split-seed": 1, "storage": tmp_path / "studies"}
    arguments = ["--task", "runx1", *(str(part) for name, value in options.items() for part in (f"--{name}", value))]
    assert curate.main(arguments) == 0
    said = capsys.readouterr().out
    with (out / curate.LIST).open(encoding="utf-8", newline="") as file:
        listed = {row["image"]: row for row in csv.DictReader(file)}
    training = training_of(tmp_path / "cells", split_seed=1).cells.present_patients
    assert listed  # not all of those planted: a list takes a cell only where models are as sure as they usually are
    assert listed.keys() <= wrong
    assert all(row["patient"] in training and row["class_name"] == "RUNX1_RUNX1T1" for row in listed.values())
    with Image.open(out / curate.SHEET) as sheet:
        assert sheet.width == 1000
        assert np.asarray(sheet).std() > 10
    assert "Training 3 models" in said
    native = machine.multiplies_bfloat16() and not tensorflow_runtime.visible_gpus()
    assert ("Training in bfloat16 on float32 weights" if native else "Training in float32") in said
    with pytest.raises(ConfigError, match=r"disputed\.csv is there, .* give another --out, or move it away"):
        curate.main(arguments)
    assert "SYNTHETIC" not in said
    (command,) = re.findall(r"^  python -m search\.run (.*)$", said, re.MULTILINE)
    asked = parse(shlex.split(command))
    assert asked.task == ("runx1",)
    assert asked.given == {"data": str(tmp_path / "cells"), "split_seed": "1", "exclude": str(out / curate.LIST)}


def curated(tmp_path: Path, cells: Path, monkeypatch: pytest.MonkeyPatch, **options: object) -> int:
    """Run the command on a folder of cells, with models that learn fast."""
    monkeypatch.setattr(curate, "open_session", lambda **_: contextlib.nullcontext())
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({"image_px": 8, "hyperparameters": LEARNS}))
    options = {
        "data": cells,
        "model": tmp_path,
        "out": tmp_path / "out",
        "epochs": 8,
        "folds": 3,
        "repeats": 1,
    } | options
    given = {"task": "runx1", "storage": tmp_path / "studies"} | options
    return curate.main([str(part) for name, value in given.items() for part in (f"--{name}", value)])


@pytest.mark.keras
@pytest.mark.usefixtures("session")
def test_models_that_know_nothing_give_no_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tensorflow_runtime.start(threads=1)
    cells = draw_folder(tmp_path / "noise", patients=17, cells=2, classes=("control", "RUNX1_RUNX1T1"))
    with pytest.raises(DataError, match=r"an AUROC of 0\.[3-6]\d, where 0\.70 is needed") as caught:
        curated(tmp_path, cells, monkeypatch, epochs=1)
    assert caught.value.problems[1].startswith("Let them learn more: --epochs (now 1), --image-px (now 8)")
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("session")
def test_too_few_patients_give_no_list_and_train_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    planted(tmp_path / "cells", patients=15)  # of which 9 train
    with pytest.raises(DataError, match="a wrong label and an unusual patient look the same here") as caught:
        curated(tmp_path, tmp_path / "cells", monkeypatch)
    assert caught.value.problems[0].startswith("9 leukemic patients to train on, where 10 of each class are needed")
    assert caught.value.problems[1].startswith("9 healthy patients")
    assert "Training 3 models" not in capsys.readouterr().out
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("share", "cells", "listed"),
    [(0.1, 1000, 100), (0.1, 999, 99), (0.29, 100, 29), (0.001, 999, 0), (1.0, 7, 7), (0.1, 30, 3)],
)
def test_a_share_of_the_cells_is_never_rounded_up(share: float, cells: int, listed: int) -> None:
    assert curate.at_most(share, cells) == listed


@pytest.mark.keras
@pytest.mark.usefixtures("session")
def test_where_nobody_is_named_neither_list_nor_words_say_patient(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tensorflow_runtime.start(threads=1)
    rng = np.random.default_rng(0)
    for name, light in (("MYO", 120), ("LYT", 0)):
        (tmp_path / "cells" / name).mkdir(parents=True)
        for cell in range(40):
            bright = light if cell % 8 else 120 - light
            pixels = rng.integers(0, 100, (20, 20, 3), dtype=np.uint8) + np.uint8(bright)
            Image.fromarray(pixels).save(tmp_path / "cells" / name / f"{cell}.png")
    task = 'name = "blasts"\nreader = "folders"\ndisease = ["MYO"]\ncontrol = ["LYT"]\n'
    (tmp_path / "blasts.toml").write_text(f'{task}positive = "blast"\nnegative = "lymphocyte"\n')
    assert curated(tmp_path, tmp_path / "cells", monkeypatch, task=tmp_path / "blasts.toml") == 0
    said = capsys.readouterr().out.replace(NO_PATIENTS, "").replace(str(tmp_path), "")
    assert "On images they had not seen" in said
    assert "labelled blast" in said
    assert not re.search("patient|leuk[ae]mi[ac]|healthy", said)
    header = (tmp_path / "out" / curate.LIST).read_text().partition("\n")[0].strip()
    assert header == "rank,image,class_name,label,probability,dispute,sha256"
