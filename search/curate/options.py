"""What ``search.curate`` was asked to do, checked before anything is read."""

import argparse
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from leukmodels.collections import READERS
from leukmodels.collections.place import absolute_place
from leukmodels.collections.tasks import TASKS, Task, find_task
from leukmodels.dataset.folds import FEWEST
from leukmodels.errors import ConfigError
from leukmodels.model.exported import Configuration
from leukmodels.process import command_line
from leukmodels.process.command import program
from leukmodels.process.command_line import Arg
from leukmodels.process.files import GroupAccess
from leukmodels.space.hyperparameters import HyperParams
from search.study.options import ReadingOptions, StorageOptions

IMAGE_PX = 48
LIST, SHEET = "disputed.csv", "disputed.png"

_DESCRIPTION = """\
List the training cells whose label is most disputed. A cell's label is its patient's, and many cells of a patient with
leukemia are healthy. Models are trained on some of the training patients and predict the cells of others; the cells
that they take for the other class are ranked. Patients of validation and test have no part in it."""


class CurateOptions(ReadingOptions, StorageOptions):
    """Whose labels are looked into, and how."""

    task: Annotated[str, Arg(metavar="TASK")] = Field(description=f"{', '.join(TASKS)}, or a task file (.toml)")
    data: Annotated[str | None, Arg(metavar="DIR|URI")] = Field(
        default=None, description="images, as for a search (default: a drawn cohort)"
    )
    out: Path | None = Field(
        default=None,
        description="folder of the list and its pictures (default: results/<task>-disputed, of a drawn cohort "
        "results/synthetic/<task>-disputed)",
    )
    model: Annotated[Path | None, Arg(metavar="CONFIG")] = Field(
        default=None,
        description="an exported folder or its config.yaml, whose hyperparameters are used: of a network from scratch "
        "(default: the default ones)",
    )
    image_px: int | None = Field(
        default=None,
        ge=8,
        le=1024,
        description=f"side of the images the models see (default: that of --model, else {IMAGE_PX})",
    )
    epochs: int = Field(default=6, ge=1, le=10_000, description="epochs a model trains at the most")
    folds: int = Field(
        default=5, ge=FEWEST, le=100, description="parts of the patients; one is held out, one chooses the epoch"
    )
    repeats: int = Field(
        default=2, ge=1, le=100, description="how often the patients are dealt into folds; predictions are averaged"
    )
    seed: int = Field(default=0, ge=0, lt=2**31, description="seed of the folds and the models")
    split_seed: int = Field(
        default=0, ge=0, lt=2**31, description="seed of the patient split, that of the search to come"
    )
    share: float = Field(
        default=0.1,
        ge=0.001,
        le=1,
        description="of the training cells are listed at the most, fewer where fewer are disputed: further down the "
        "list more of the labels are right",
    )
    sides: Literal["disease", "both"] = Field(
        default="disease",
        description="whose disputed cells are listed: only those of patients with the disease, as a patient without it "
        "has no leukemic cell, so that there the models are wrong; or both, where every cell was labelled by itself",
    )
    max_bad: float = Field(
        default=0.01, ge=0, le=1, description="share of unusable image files above which nothing is trained"
    )
    group_access: GroupAccess = Field(
        default="none", description="what the user's group may do with the list, its pictures and the cache"
    )

    @field_validator("task")
    @classmethod
    def _is_known(cls, task: str) -> str:
        _check(find_task, task)
        return task

    @field_validator("data")
    @classmethod
    def _is_absolute(cls, data: str | None) -> str | None:
        return None if data is None else absolute_place(data)

    @field_validator("model")
    @classmethod
    def _is_from_scratch(cls, model: Path | None) -> Path | None:
        if model:
            _check(_from_scratch, model)
        return model

    @field_validator("out")
    @classmethod
    def _can_be_written(cls, out: Path | None) -> Path | None:
        if out and (problem := _unfit(out)):
            raise ValueError(problem)
        return out

    @model_validator(mode="after")
    def _has_images(self) -> Self:
        if self.data is None and not READERS[(task := find_task(self.task)).reader].can_be_drawn:
            raise ValueError(
                f"--data: task {task.name} needs images of its own, as a drawn cohort has not the layout of the reader "
                f"{task.reader!r}"
            )
        return self

    @property
    def found_task(self) -> Task:
        """The task."""
        return find_task(self.task)

    @property
    def hparams(self) -> HyperParams:
        """The hyperparameters of the models."""
        return _from_scratch(self.model)[0] if self.model else HyperParams()

    @property
    def px(self) -> int:
        """The side of the images that models see."""
        return self.image_px or (_from_scratch(self.model)[1] if self.model else None) or IMAGE_PX

    @property
    def place(self) -> Path:
        """The folder of the list and its pictures."""
        return self.out or Path("results", *([] if self.data else ["synthetic"]), f"{self.found_task.name}-disputed")


def parse(arguments: Sequence[str]) -> CurateOptions:
    """Return what is asked for; ConfigError with every problem at once."""
    options = command_line.parse(parser(), CurateOptions, arguments)
    if not options.out and (problem := _unfit(options.place)):
        raise ConfigError("These options cannot be used:", [f"--out: {problem}."])
    return options


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    return command_line.parser(CurateOptions.model_fields, prog=program("search.curate"), description=_DESCRIPTION)


def _check(find: Callable[[Any], object], value: object) -> None:
    """Call ``find``; its ConfigError becomes the ValueError that a validator raises."""
    try:
        find(value)
    except ConfigError as error:
        raise ValueError(f"{error.heading} {' '.join(error.problems)}".rstrip(".")) from None


def _from_scratch(place: Path) -> tuple[HyperParams, int | None]:
    """Return hyperparameters and image size; ConfigError where they need weights, which an export does not hold."""
    stored = Configuration.read(place)
    hparams = HyperParams.from_dict(stored.hyperparameters)
    if hparams.backbone == "cnn":
        return hparams, stored.image_px
    raise ConfigError(
        f"It starts from loaded weights (backbone {hparams.backbone}), and here models train from scratch.",
        ["Give an export whose backbone is cnn, or leave --model out."],
    )


def _unfit(out: Path) -> str:
    """Return why a list cannot be written to a folder, which need not be there yet; nothing is left behind."""
    try:
        if (out / LIST).exists():
            return f"{out / LIST} is there, perhaps shortened by hand; give another --out, or move it away"
        there = next(each for each in (out.absolute(), *out.absolute().parents) if each.exists())
        if not there.is_dir():
            return f"{there} is a file; give a folder"
        with tempfile.TemporaryFile(dir=there):
            return ""
    except OSError as error:
        return f"{out} cannot be written ({error.strerror}); give another folder"
