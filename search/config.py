"""What a search is asked to do: every option once, with its meaning and allowed values, and the presets."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from leukmodels.errors import ConfigError

PRESETS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "smoke": {"trials": 3, "epochs": 3, "patience": 3, "image_px": 32, "cells_per_patient": 8},
        "quick": {"trials": 12, "epochs": 6, "patience": 3, "image_px": 48, "time_budget": 240.0},
        "thorough": {"trials": 100, "epochs": 40, "patience": 8, "image_px": 144, "cells_per_patient": 100},
    }
)
# What a resumed study may be told anew: how long and where it goes on, never what it measures.
RESUMABLE = frozenset({"trials", "time_budget", "cpus_per_trial", "gpus_per_trial", "tracking_uri"})


class SearchConfig(BaseModel):
    """One study's options. The field descriptions are the command line's help."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: str = Field(min_length=1, description="a task's name, or a task file (.toml)")
    data: Path | None = Field(
        default=None, description="folder of images in the layout of the task's collection (default: a drawn cohort)"
    )
    trials: int = Field(default=12, ge=1, le=100_000, description="configurations to try")
    epochs: int = Field(default=6, ge=1, le=10_000, description="epochs a trial trains at the most")
    patience: int = Field(
        default=3, ge=1, le=10_000, description="epochs without a better validation log loss that end a trial"
    )
    time_budget: float | None = Field(
        default=None, gt=0, description="seconds after which running trials are stopped and the study ends"
    )
    image_px: int = Field(default=48, ge=8, le=1024, description="side of the images the models see, in pixels")
    min_specificity: float = Field(
        default=0.5, ge=0, le=1, description="specificity below which a trial cannot be on the front"
    )
    min_recall: float = Field(default=0.0, ge=0, le=1, description="recall below which a trial cannot be on the front")
    seed: int = Field(default=0, ge=0, lt=2**31, description="seed of the search and of every trial")
    split_seed: int = Field(
        default=0, ge=0, lt=2**31, description="seed of the patient split; equal seeds split every task alike"
    )
    cells_per_patient: int = Field(
        default=16, ge=1, le=1000, description="mean number of cells a patient in the drawn cohort (without --data)"
    )
    max_bad: float = Field(
        default=0.01, ge=0, le=1, description="share of unusable image files above which nothing is trained"
    )
    cpus_per_trial: int = Field(
        default=1, ge=1, le=1024, description="CPUs of one trial; its TensorFlow uses as many threads"
    )
    gpus_per_trial: float = Field(
        default=0.0, ge=0, le=64, description="GPUs of one trial; fractions share one between trials"
    )
    tracking_uri: str | None = Field(
        default=None, description="MLflow server or store (default: an SQLite file in the storage folder)"
    )

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if self.gpus_per_trial > 1 and self.gpus_per_trial != int(self.gpus_per_trial):
            raise ValueError(
                f"gpus_per_trial is {self.gpus_per_trial:g}; give a fraction below 1, or a whole number of GPUs"
            )
        return self


def configure(preset: str, given: Mapping[str, Any]) -> SearchConfig:
    """Return the preset with what the user gave on top; ConfigError with every problem at once."""
    try:
        return SearchConfig(**{**PRESETS[preset], **given})
    except ValidationError as error:
        raise ConfigError("These options cannot be used:", [_sentence(problem) for problem in error.errors()]) from None


def reconfigure(config: SearchConfig, given: Mapping[str, Any]) -> tuple[SearchConfig, dict[str, Any]]:
    """Return the config of a resumed study and what changed; ConfigError for what may not change any more."""
    if fixed := sorted(set(given) - RESUMABLE):
        raise ConfigError(
            "A study that goes on keeps what it measures:",
            [
                f"{option(name)} cannot be given with --resume (the study has {getattr(config, name)}); "
                "start a new study to change it."
                for name in fixed
            ],
        )
    changed = configure("quick", {**config.model_dump(), **given})
    return changed, {name: value for name, value in given.items() if value != getattr(config, name)}


def option(name: str) -> str:
    """Return the command line's spelling of a field."""
    return "--" + name.replace("_", "-")


def _sentence(problem: Any) -> str:
    where = option(str(problem["loc"][0])) if problem["loc"] else "options"
    what = problem["msg"].removeprefix("Value error, ")
    given = "" if not problem["loc"] else f" (given: {problem['input']!r})"
    return f"{where}: {what[0].lower()}{what[1:]}{given}."
