"""What an exported model is: ``config.yaml`` beside ``model.keras``, with one reader and one writer.

Keys that this version does not know are kept.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from leukmodels.errors import ConfigError

FILE, MODEL_FILE = "config.yaml", "model.keras"
KIND: Literal["leukemia-search model"] = "leukemia-search model"

_EXPECTED = "Give a folder that python -m search.export wrote, or the config.yaml in it."

_Names = Annotated[tuple[str, ...], Field(min_length=1, description="a list of class names")]
_Px = Annotated[int, Field(strict=True, gt=0)]


class _Stored(BaseModel):
    model_config = ConfigDict(frozen=True, extra="allow")


class _Document(_Stored):
    """As much of ``config.yaml`` as its reader needs."""

    @classmethod
    def read(cls, place: Path) -> Self:
        """Return what ``config.yaml`` in the folder ``place``, or the file ``place``, says.

        ConfigError with everything that is missing or of another kind.
        """
        path = place / FILE if place.is_dir() else place
        try:
            values = yaml.safe_load(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigError(f"{path} cannot be read:", [f"{error.strerror}.", _EXPECTED]) from error
        except (ValueError, yaml.YAMLError) as error:  # ValueError: bytes, or a date, that are none
            raise ConfigError(f"{path} is not YAML:", [str(error), _EXPECTED]) from error
        try:
            return cls.model_validate(values if isinstance(values, dict) else {})
        except ValidationError as error:
            raise ConfigError(
                f"{path} cannot be used; write it again with python -m search.export:",
                list(dict.fromkeys(cls._sentence(each, values) for each in error.errors())),
            ) from None

    @classmethod
    def _sentence(cls, problem: Any, values: Any) -> str:
        key = problem["loc"][0]
        if problem["type"] == "missing":
            return f"{'.'.join(map(str, problem['loc']))} is missing."
        field = cls.model_fields.get(str(key))
        expected = (field and field.description) or problem["msg"]
        return f"{key} is {values[key]!r}; expected {expected}."


class Configuration(_Document):
    """What it takes to train such a model again."""

    hyperparameters: Mapping[str, Any] = Field(description="a table of hyperparameters")
    image_px: _Px | None = Field(default=None, description="a positive whole number")


class Preparation(_Document):
    """What it takes to use a model: its question, its threshold, and how images are prepared for it.

    positive, negative what answers call the disease and the control, "" in an export of an older version
    threshold          a cell whose score reaches it is called the disease
    image_px, crop_px  side of the images, and of the centre crop before resizing (None for none)
    """

    task: str = Field(description="a text")
    disease: _Names
    control: _Names
    positive: str = Field(default="", description="a text")
    negative: str = Field(default="", description="a text")
    threshold: float = Field(strict=True, ge=0, le=1, description="a number from 0 to 1")
    image_px: _Px = Field(description="a positive whole number")
    crop_px: _Px | None = Field(description="a positive whole number or null")


class StudyReference(_Stored):
    """The study that a model was exported from; ``created`` is an ISO 8601 time."""

    name: str
    id: str
    created: str


class Verification(_Stored):
    """What reloading showed: validation cells scored again, the largest difference to the recorded scores, in words."""

    checked: int
    largest_difference: float
    note: str


class ExportedModel(Preparation):
    """``config.yaml``: all that is needed to use the model, to judge it and to train it again.

    patients     by part, empty where nobody is named
    validation   metrics of the validation cells at the threshold;  training  epochs, seconds, precision
    front        the trials that it was chosen from;  preference  what it was chosen by
    """

    kind: Literal["leukemia-search model"] = KIND
    schema_version: int = Field(default=1, alias="schema")
    question: str
    reader: str
    promised_recall: float | None = None
    black_background: bool
    hyperparameters: Mapping[str, Any]
    validation: Mapping[str, Any]
    training: Mapping[str, Any]
    preference: str
    front: tuple[int, ...]
    trial: int
    seed: int
    study: StudyReference
    data: str
    patient_level: bool
    cells: Mapping[str, int]
    excluded: int = 0
    patients: Mapping[str, int]
    data_fingerprint: str
    split_fingerprint: str
    starts: Mapping[str, Any]
    model_sha256: str
    versions: Mapping[str, str]
    command: str
    verification: Verification | None = None

    def write(self, folder: Path) -> None:
        """Write ``config.yaml`` into ``folder``."""
        text = yaml.safe_dump(
            self.model_dump(mode="json", by_alias=True), sort_keys=False, allow_unicode=True, width=120
        )
        (folder / FILE).write_text(text, encoding="utf-8")
