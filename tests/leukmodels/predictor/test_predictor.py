import hashlib
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import yaml
from PIL import Image

from leukmodels.errors import ConfigError
from leukmodels.model.build import build
from leukmodels.model.exported import Preparation
from leukmodels.predictor import Predictor, predictor
from leukmodels.predictor.__main__ import main
from leukmodels.predictor.table import table
from leukmodels.process import tensorflow_runtime
from toy_cells import cells, images_of, tiny

tensorflow_runtime.start(threads=1)

CONFIG = {
    "threshold": 0.3,
    "image_px": 8,
    "crop_px": None,
    "task": "runx1",
    "disease": ["RUNX1"],
    "control": ["control"],
}


class BrightnessModel:
    """A stand-in for a model: the score is the mean brightness, in the shape of one sigmoid, (n, 1)."""

    input_shape = (None, 8, 8, 3)

    def __call__(self, images: tf.Tensor, training: bool) -> tf.Tensor:
        assert not training
        return tf.reduce_mean(tf.cast(images, tf.float32) / 255, axis=(1, 2, 3))[:, None]


def brightness_predictor(*, threshold: float = 0.5, crop_px: int | None = None) -> Predictor:
    return Predictor(
        model=BrightnessModel(),
        threshold=threshold,
        image_px=8,
        crop_px=crop_px,
        task="runx1",
        disease=("RUNX1",),
        control=("control",),
    )


def picture(path: Path, brightness: int, *, side_px: int = 8) -> Path:
    pixels = np.full((side_px, side_px, 3), brightness, np.uint8)
    pixels[0, :8] += np.arange(1, 9, dtype=np.uint8)[:, None]  # an image of fewer than nine colours counts as a mask
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    folder = tmp_path / "exported"
    folder.mkdir()
    build(tiny(augmentation=0.5), image_px=8, black_background=False).save(folder / "model.keras")
    configure(folder)
    return folder


def configure(folder: Path, **changes: Any) -> None:
    """Write what an export of the model in the folder says, with some ``changes``."""
    sha256 = hashlib.sha256((folder / "model.keras").read_bytes()).hexdigest()
    (folder / "config.yaml").write_text(yaml.safe_dump(CONFIG | {"model_sha256": sha256} | changes))


def test_a_score_above_the_threshold_is_the_disease(tmp_path: Path) -> None:
    """Pins a fault of earlier work: argmax over the one sigmoid's axis is 0, so every cell was answered "normal"."""
    paths = [picture(tmp_path / f"{value}.png", value) for value in (250, 100, 10)]
    assert [a.disease for a in brightness_predictor().answers(paths)] == [True, False, False]
    assert [a.disease for a in brightness_predictor(threshold=0.3).answers(paths)] == [True, True, False]


def test_files_that_cannot_be_used_get_an_error_and_their_neighbours_an_answer(tmp_path: Path) -> None:
    (tmp_path / "torn.png").write_bytes(b"\x89PNG\r\n")
    good = picture(tmp_path / "good.png", 200)
    answers = brightness_predictor().answers([tmp_path / "torn.png", good, tmp_path / "absent.png"])
    assert [(answer.path.name, answer.disease) for answer in answers] == [
        ("torn.png", None),
        ("good.png", True),
        ("absent.png", None),
    ]
    assert answers[0].error
    assert answers[2].error == "the file cannot be read: No such file or directory"
    assert answers[1].score == pytest.approx(200 / 255, abs=0.01)
    assert brightness_predictor().answers([tmp_path / "torn.png"])[0].score is None
    assert brightness_predictor().answers([]) == []


def test_more_files_than_fit_at_once_come_back_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictor, "_FILES_AT_ONCE", 2)
    paths = [picture(tmp_path / f"{value}.png", value) for value in (10, 60, 110, 160, 210)]
    scores = [answer.score for answer in brightness_predictor().answers(paths)]
    assert scores == pytest.approx([value / 255 for value in (10, 60, 110, 160, 210)], abs=0.01)


def test_images_are_cropped_as_in_training(tmp_path: Path) -> None:
    pixels = np.zeros((16, 16, 3), np.uint8)
    pixels[4:12, 4:12] = 200
    pixels[4, 4:12] += np.arange(8, dtype=np.uint8)[:, None]  # fewer than nine colours would be a mask
    Image.fromarray(pixels).save(tmp_path / "padded.png")
    answer = brightness_predictor(crop_px=8).answers([tmp_path / "padded.png"])[0]
    assert answer.score == pytest.approx(200 / 255, abs=0.01)


@pytest.mark.keras
def test_an_exported_model_is_loaded_and_predicts(exported: Path) -> None:
    loaded = Predictor.load(exported)
    assert (loaded.threshold, loaded.image_px, loaded.crop_px) == (0.3, 8, None)
    assert (loaded.task, loaded.disease, loaded.control) == ("runx1", ("RUNX1",), ("control",))
    images = images_of(cells(n=3))
    np.testing.assert_allclose(loaded.predict(images), loaded.model.predict_on_batch(images)[:, 0], rtol=1e-5)


@pytest.mark.keras
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"threshold": 1.5}, r"threshold is 1\.5; expected a number from 0 to 1"),
        ({"image_px": "8", "crop_px": 0}, r"image_px is '8'.*\n.*crop_px is 0"),
        ({"image_px": 16}, r"config.yaml says image_px 16; model.keras takes images of shape \(None, 8, 8, 3\)"),
        ({"disease": 7, "control": []}, r"disease is 7; expected a list of class names.\n.*control is \[\]"),
        ({"task": None, "threshold": True}, r"task is None; expected a text.*\n.*threshold is True"),
        (
            {"model_sha256": "5" * 63},
            r"model_sha256 is '5+'; expected the SHA-256 of model.keras, 64 hexadecimal digits",
        ),
        ({"threshold": float("nan"), "image_px": True}, r"threshold is nan.*\n.*image_px is True"),
    ],
)
def test_a_config_that_does_not_fit_is_refused(changes: dict[str, Any], message: str, exported: Path) -> None:
    configure(exported, **changes)
    with pytest.raises(ConfigError, match=message):
        Predictor.load(exported)


@pytest.mark.fault("files", "an exported model is cut short", "a sentence, no answer")
@pytest.mark.keras
@pytest.mark.parametrize("keep", [0, 100, 5000, -200])
def test_a_damaged_model_is_refused(keep: int, exported: Path) -> None:
    content = (exported / "model.keras").read_bytes()
    (exported / "model.keras").write_bytes(content[:keep])
    with pytest.raises(ConfigError, match="is not the model that was exported and measured"):
        Predictor.load(exported)
    configure(exported)
    with pytest.raises(ConfigError, match="is not a model of this software"):
        Predictor.load(exported)


@pytest.mark.keras
def test_another_model_does_not_answer_under_the_name_and_threshold_of_the_one_that_was_measured(
    exported: Path, tmp_path: Path
) -> None:
    build(tiny(augmentation=0.5), image_px=8, black_background=False).save(exported / "model.keras")
    for ask in (Predictor.load, lambda folder: main([str(folder), str(tmp_path / "cell.png")])):
        with pytest.raises(ConfigError, match="is not the model that was exported and measured") as caught:
            ask(exported)
        assert "Write the folder again with python -m search.export." in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: [", "is not YAML"),
        (b"task: \xff\xfe", "is not YAML"),
        (b"\0", "is not YAML"),
        (b"a: 2026-99-99", "is not YAML"),
        (b"text", "threshold is missing"),
    ],
)
def test_a_damaged_config_is_refused(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "model.keras").touch()
    (tmp_path / "config.yaml").write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        Predictor.load(tmp_path)


@pytest.mark.keras
def test_the_command_prints_a_line_an_image_and_what_it_is_not_for(
    exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = picture(tmp_path / "good.png", 200)
    assert main([str(exported), str(good)]) == 0
    head, undescribed, line, disclaimer = capsys.readouterr().out.splitlines()
    assert head == "runx1: leukemic (RUNX1) against healthy (control); leukemic from a score of 0.300"
    assert "images unlike them are answered as well" in undescribed
    assert line.startswith(f"{good}  ")
    assert "research use only" in disclaimer
    assert main([str(exported), str(good), str(tmp_path / "absent.png")]) == 1
    assert "error  " in capsys.readouterr().out


@pytest.mark.keras
def test_a_folder_of_exports_answers_with_the_current_one(
    exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exported.rename(tmp_path / "runx1-1")
    (tmp_path / "runx1-2").mkdir()
    (tmp_path / "current.yaml").write_text("folder: runx1-1\n")
    good = picture(tmp_path / "good.png", 200)
    assert main([str(tmp_path), str(good)]) == 0
    assert f"{good}  " in capsys.readouterr().out
    (tmp_path / "current.yaml").write_text("folder: runx1-2\n")
    with pytest.raises(ConfigError, match=r"runx1-2 holds no exported model"):
        Predictor.load(tmp_path)


RECALL = {"recall": {"estimate": 0.91, "low": 0.8, "high": 0.96}}
TESTED: dict[str, Any] = {"opening": 1, "opened": "2026-12-01T00:00:00+00:00", "cells": 1236, "figures": RECALL}


@pytest.mark.parametrize(
    ("said", "measured"),
    [
        ({}, ""),
        (
            {"validation": {"recall": 0.95, "accuracy": 1, "specificity": None, "auroc": 0.9}},
            "On the validation cells that it was chosen on, too good: recall 0.950, accuracy 1.000.",
        ),
        (
            {"validation": {"recall": 0.95}, "test": TESTED},
            "On 1,236 cells of the locked test: recall 0.910 (0.800 to 0.960).",
        ),
        (
            {"test": TESTED | {"broken": ["Less than promised."]}},
            "IT FAILED ITS TEST. On 1,236 cells of the locked test: recall 0.910 (0.800 to 0.960). Less than promised.",
        ),
    ],
)
def test_answers_say_first_what_the_model_was_measured_to_do(said: dict[str, Any], measured: str) -> None:
    found = Preparation.model_validate(CONFIG | {"model_sha256": "0" * 64} | said).measured
    assert found == measured
    lines = table(replace(brightness_predictor(), measured=found), []).splitlines()
    assert lines[1:-2] == ([measured] if measured else [])


@pytest.mark.parametrize(
    ("given", "head", "words"),
    [
        ({"disease": ("MYO",), "control": ("LYT",)}, "mine: MYO against LYT; MYO from a score", ["MYO ", "LYT "]),
        (
            {"disease": ("PML", "NPM1"), "control": ("LYT",)},
            "mine: PML or NPM1 against LYT; PML or NPM1 from a score",
            ["PML or NPM1 ", "LYT "],
        ),
        (
            {"disease": ("MYO",), "control": ("LYT",), "positive": "blast", "negative": "lymphocyte"},
            "mine: blast (MYO) against lymphocyte (LYT); blast from a score",
            ["blast ", "lymphocyte "],
        ),
        (
            {"task": "b_all", "disease": ("all",), "control": ("hem",)},
            "b_all: leukemic (all) against healthy (hem); leukemic from a score",
            ["leukemic ", "healthy "],
        ),
    ],
)
def test_answers_bear_the_tasks_own_words(given: dict[str, Any], head: str, words: list[str], tmp_path: Path) -> None:
    paths = [picture(tmp_path / f"{value}.png", value) for value in (250, 10)]
    asked = replace(brightness_predictor(), **{"task": "mine", **given})
    said, _, *lines, _ = table(asked, asked.answers(paths)).splitlines()
    assert said.startswith(head)
    assert all(line.partition(".png")[2].strip().startswith(word) for word, line in zip(words, lines, strict=True))


def test_the_command_says_what_a_folder_lacks(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"(?s)model.keras is missing.*config.yaml is missing"):
        main([str(tmp_path), "cell.png"])


@pytest.mark.fault(
    "files", "a pipe, a folder, an endless device and a sparse file of a terabyte as images", "a reason each, at once"
)
def test_what_is_no_image_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "folder.png").mkdir()
    with (tmp_path / "sparse.png").open("wb") as file:
        file.truncate(1 << 40)
    paths = [tmp_path / name for name in ("pipe.png", "folder.png", "sparse.png", "/dev/zero")]
    errors = [answer.error or "" for answer in brightness_predictor().answers(paths)]
    assert all(errors)
    assert "regular file" in errors[0]
    assert "1,099,511,627,776 bytes" in errors[2]
