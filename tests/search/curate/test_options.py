"""What the command cannot do is said before anything is read."""

import errno
import os
from pathlib import Path

import pytest
import yaml

from leukmodels.errors import ConfigError
from search.curate import __main__ as curate


def test_every_wrong_option_is_said_at_once_before_anything_is_read(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "config.yaml").write_text("hyperparameters: {blocks: 9, hue: red}")
    options = {"folds": 2, "share": 0, "image-px": 4, "out": tmp_path / "file", "model": tmp_path, "data": "s3://a:b@c"}
    arguments = [str(part) for name, value in options.items() for part in (f"--{name}", value)]
    with pytest.raises(ConfigError) as caught:
        curate.main(["--task", "runx2", *arguments])
    text = str(caught.value)
    for words in (
        "--task: There is no task 'runx2'",
        "--folds is '2'; give a whole number from 3 to 100.",
        "--share is '0'",
        "--image-px is '4'",
        "is a file; give a folder",
        "blocks is 9",
        "hue is not a hyperparameter",
        "--data: leave user, password and keys out",
    ):
        assert words in text
    assert len(caught.value.problems) == 7


@pytest.mark.parametrize("backbone", ["base", "mobilenet_v3_small"])
def test_a_model_that_needs_weights_is_refused_before_anything_is_read(backbone: str, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({"image_px": 32, "hyperparameters": {"backbone": backbone}}))
    with pytest.raises(ConfigError, match=rf"backbone {backbone}\).*Give an export whose backbone is cnn"):
        curate.main(["--task", "runx1", "--model", str(tmp_path), "--out", str(tmp_path / "out")])


def test_a_place_that_cannot_be_written_is_refused_before_anything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="file is a file; give a folder"):
        curate.main(["--task", "runx1", "--out", str(tmp_path / "file" / "below" / "it")])

    def refuse(**_: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)  # a superuser, as in containers, may write everywhere
    with pytest.raises(ConfigError, match=r"cannot be written \(Permission denied\); give another folder"):
        curate.main(["--task", "runx1", "--out", str(tmp_path / "deep" / "down")])
    assert not (tmp_path / "deep").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "cannot be read"), ("a: [", "is not YAML"), ("threshold: 0.5", "hyperparameters is missing")],
)
def test_a_model_that_is_none_is_refused_with_what_to_give(content: str | None, message: str, tmp_path: Path) -> None:
    if content:
        (tmp_path / "config.yaml").write_text(content)
    with pytest.raises(ConfigError, match=f"(?s){message}.*python -m search.export|python -m search.export.*{message}"):
        curate.main(["--task", "runx1", "--model", str(tmp_path / "config.yaml")])


def test_a_task_that_no_cohort_is_drawn_for_needs_images() -> None:
    with pytest.raises(ConfigError, match="task b_all needs images of its own"):
        curate.main(["--task", "b_all"])
