"""What an exported model is: ``config.yaml`` beside ``model.keras``, with one reader and one writer.

Keys that this version does not know are kept. A folder of several exports has a ``current.yaml`` that names the one
which answers for it: a plain file, because links get lost in archives, copies and object stores.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from leukmodels.domain.description import DomainDescription
from leukmodels.errors import ConfigError
from leukmodels.process.files import digest, written_aside
from leukmodels.process.words import plural

FILE, MODEL_FILE, CURRENT_FILE = "config.yaml", "model.keras", "current.yaml"
FILE, MODEL_FILE = "config.yaml", "model.keras"
SYNTHETIC = "synthetic"
KIND: Literal["leukemia-search model"] = "leukemia-search model"

_EXPECTED = "Give a folder that python -m search.export wrote, or the config.yaml in it."

_TOLD = ("recall", "specificity", "accuracy")  # of a model, before it answers

_Names = Annotated[tuple[str, ...], Field(min_length=1, description="a list of class names")]
_Px = Annotated[int, Field(strict=True, gt=0)]


class _Stored(BaseModel):
    model_config = ConfigDict(frozen=True, extra="allow")


class _Document(_Stored):
    """As much of a YAML file as its reader needs."""

    @classmethod
    def read(cls, place: Path) -> Self:
        """Return what ``config.yaml`` of the exported model in the folder ``place``, or the file ``place``, says.

        ConfigError with everything that is missing or of another kind.
        """
        return cls._of(current_export(place) / FILE if place.is_dir() else place)

    @classmethod
    def _of(cls, path: Path) -> Self:
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
        key, path = problem["loc"][0], ".".join(map(str, problem["loc"]))
        if problem["type"] == "missing":
            return f"{path} is missing."
        if len(problem["loc"]) > 1 and key == "domain":
            return f"{path} is {problem['input']!r}; {problem['msg']}."
        field = cls.model_fields.get(str(key))
        expected = (field and field.description) or problem["msg"]
        return f"{key} is {values[key]!r}; expected {expected}."


class _Current(_Document):
    """``current.yaml``: the name of the folder beside it which answers for all."""

    folder: str = Field(description="the name of a folder beside this file")

    @field_validator("folder")
    @classmethod
    def _lies_beside(cls, folder: str) -> str:
        if folder in ("", ".", "..") or set(folder) & set("/\\\0"):
            raise ValueError
        return folder


def current_export(place: Path) -> Path:
    """Return the folder of the exported model that ``place`` means: itself, or the one its ``current.yaml`` names.

    ConfigError where that file cannot be used.
    """
    file = place / CURRENT_FILE
    return place / _Current._of(file).folder if file.is_file() else place


def make_current(folder: Path) -> None:
    """Have the exported model in ``folder`` answer for all exports beside it."""
    with written_aside(folder.parent / CURRENT_FILE) as aside:
        aside.write_text(yaml.safe_dump({"folder": folder.name}, allow_unicode=True), encoding="utf-8")


class Configuration(_Document):
    """What it takes to train such a model again."""

    hyperparameters: Mapping[str, Any] = Field(description="a table of hyperparameters")
    image_px: _Px | None = Field(default=None, description="a positive whole number")


class Figure(_Stored):
    """A measure, and its 95 % interval."""

    estimate: float
    low: float
    high: float


class TestFigures(_Stored):
    """What a model reached on the locked test, at its threshold.

    opening   which one of the test, from 1, and when it was ``opened``, an ISO 8601 time
    cells     that it was asked about
    figures   by the name of the measure, of cells
    broken    each promise of validation that the test broke, in a sentence
    """

    __test__: ClassVar[bool] = False  # of pytest

    opening: int
    opened: str
    cells: int
    figures: Mapping[str, Figure]
    broken: tuple[str, ...] = ()


class Preparation(_Document):
    """What it takes to use a model: its question, its threshold, how images are prepared for it, what it is worth.

    positive, negative what answers call the disease and the control, "" in an export of an older version
    threshold          a cell whose score reaches it is called the disease
    image_px, crop_px  side of the images, and of the centre crop before resizing (None for none)
    model_sha256       of model.keras
    test               what it reached on the test, None where it was not held against it at this threshold
    validation         metrics of the validation cells at the threshold
    data               the name of the collection, SYNTHETIC where it was drawn
    domain             what its training cells look like; None in an export of an older version, or made without images
    """

    task: str = Field(description="a text")
    disease: _Names
    control: _Names
    positive: str = Field(default="", description="a text")
    negative: str = Field(default="", description="a text")
    threshold: float = Field(strict=True, ge=0, le=1, description="a number from 0 to 1")
    image_px: _Px = Field(description="a positive whole number")
    crop_px: _Px | None = Field(description="a positive whole number or null")
    model_sha256: str = Field(pattern="^[0-9a-f]{64}$", description="the SHA-256 of model.keras, 64 hexadecimal digits")

    test: TestFigures | None = None
    validation: Mapping[str, Any] = Field(default_factory=dict)
    data: str = Field(default="", description="the name of a collection")
    domain: DomainDescription | None = Field(default=None, description="what export says of the training cells")

    @property
    def synthetic(self) -> bool:
        """Whether the training cells were drawn."""
        return self.data == SYNTHETIC

    @property
    def measured(self) -> str:
        """What the model was measured to do, in a sentence: on the test where it was opened for it."""
        if not self.test:
            return (
                f"On the validation cells that it was chosen on, too good: {self._validated()}."
                if self.validation
                else ""
            )
        figures = {name: self.test.figures[name] for name in _TOLD if name in self.test.figures}
        found = [f"{name} {of.estimate:.3f} ({of.low:.3f} to {of.high:.3f})" for name, of in figures.items()]
        said = f"On {plural(self.test.cells, 'cell')} of the locked test: {', '.join(found)}."
        return " ".join(["IT FAILED ITS TEST.", said, *self.test.broken] if self.test.broken else [said])

    def _validated(self) -> str:
        numbers = {name: self.validation.get(name) for name in _TOLD}
        return ", ".join(f"{name} {value:.3f}" for name, value in numbers.items() if isinstance(value, int | float))

    def check_model(self, folder: Path) -> Path:
        """Return the model's file in ``folder``; ConfigError where it is another than was exported."""
        if (now := digest(folder / MODEL_FILE)) != self.model_sha256:
            raise ConfigError(
                f"{folder / MODEL_FILE} is not the model that was exported and measured:",
                [
                    f"Its SHA-256 is {now}, {FILE} says {self.model_sha256}: threshold and figures are of another "
                    "model. Write the folder again with python -m search.export."
                ],
            )
        return folder / MODEL_FILE


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
    training     epochs, seconds, precision
    front        the trials that it was chosen from;  preference  what it was chosen by
    domain_note  why there is no domain
    """

    kind: Literal["leukemia-search model"] = KIND
    schema_version: int = Field(default=1, alias="schema")
    question: str
    reader: str
    promised_recall: float | None = None
    black_background: bool
    hyperparameters: Mapping[str, Any]
    training: Mapping[str, Any]
    preference: str
    front: tuple[int, ...]
    trial: int
    seed: int
    study: StudyReference
    patient_level: bool
    cells: Mapping[str, int]
    excluded: int = 0
    patients: Mapping[str, int]
    data_fingerprint: str
    split_fingerprint: str
    starts: Mapping[str, Any]
    versions: Mapping[str, str]
    command: str
    verification: Verification | None = None
    domain_note: str = ""

    @property
    def confirmed(self) -> bool:
        """Whether a test was opened for the model, and kept what validation had promised."""
        if self.test:
            return not self.test.broken
        return self.preference.startswith("its confirmation")  # a version before wrote no figures of the test

    def write(self, folder: Path) -> None:
        """Write ``config.yaml`` into ``folder``."""
        values = self.model_dump(mode="json", by_alias=True)
        values["domain"] = values.pop("domain")  # long, and for programs
        text = yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=120)
        (folder / FILE).write_text(text, encoding="utf-8")
