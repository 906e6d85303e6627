"""What a study is about, written once into ``study.json``: what was asked, on which data, by which versions.

The document's one reader and one writer. Keys that this version does not know are kept; a study of another schema is
refused with a sentence.
"""

import datetime
import importlib.metadata
import json
import platform
import uuid
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Self

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, ValidationError

from leukmodels.collections.tasks import Task
from leukmodels.dataset.split import PARTS, Split
from leukmodels.errors import StudyError
from leukmodels.evaluation.costs import COSTS
from leukmodels.process.words import Terms
from leukmodels.space.dimensions import Space
from search.study.config import SearchConfig, current_names, objectives_of
from search.study.folder import StudyFolder, write_whole
from search.study.objectives import Objectives

SCHEMA = 4
_VERSIONED = ("ray", "tensorflow", "keras", "optuna", "mlflow", "numpy", "pillow")


class _Stored(BaseModel):
    """A part of the document; what another version adds to it is kept."""

    model_config = ConfigDict(frozen=True, extra="allow")


class DataReport(_Stored):
    """What a data folder holds: counts of images, cells and patients by part.

    ``classes`` has the patients and cells of each class in each part. Where nobody is named (``patient_level`` false)
    patients are not counted: ``patients`` is empty then.
    """

    root: str
    synthetic: bool
    fingerprint: str
    image_px: int
    crop_px: int | None
    black_background: bool
    patient_level: bool
    found: int
    used: int
    duplicates: int
    quarantined: int
    excluded: int
    cells: Mapping[str, int]
    patients: Mapping[str, int]
    classes: Mapping[str, Mapping[str, Mapping[str, int]]] = Field(default_factory=dict)
    notes: tuple[str, ...]

    def describe(self, terms: Terms) -> str:
        """Return it in one line, in the study's terms."""
        excluded = f", {self.excluded:,} excluded" if self.excluded else ""
        whole = f"Cells of {terms.units}" if self.patient_level else "Cells"
        of = {part: f" of {self.patients[part]:,}" if self.patient_level else "" for part in PARTS}
        parts = ", ".join(f"{part} {self.cells[part]:,}{of[part]}" for part in PARTS)
        return (
            f"{self.found:,} images: {self.used:,} used, {self.duplicates:,} duplicates, "
            f"{self.quarantined:,} quarantined{excluded}. {whole}: {parts} (test is locked away)."
        )


class WarmStart(_Stored):
    """What is taken from another study to begin with.

    study, task   its names
    front         configurations to try first
    params, metrics      of its best trials
    default       metrics of its default configuration, empty where that was not complete
    """

    study: str
    task: str
    front: Sequence[Mapping[str, Any]]
    params: Sequence[Mapping[str, Any]]
    metrics: Sequence[Mapping[str, float]]
    default: Mapping[str, float]

    def describe(self, sampler: str) -> str:
        """Return what is done with it, in a sentence."""
        learnt = len(self.params) if self.default and sampler == "tpe" else 0
        return (
            f"Warm start from {self.study} ({self.task}): {len(self.front)} of its front are tried first, and the "
            f"sampler learns from {learnt} of its trials."
        )

    def shifted(
        self, default: Mapping[str, float], objectives: Objectives
    ) -> list[tuple[Mapping[str, Any], dict[str, float]]]:
        """Return params and metrics of each trial as they would be here, where the default has these metrics."""
        if not self.default:
            return []
        names = {*objectives.names, *objectives.violations(default)} - {*COSTS}
        names |= {f"{name}_low" for name in names if f"{name}_low" in default}
        apart = {name: default[name] - self.default[name] for name in names}
        times = {
            name: default[name] / self.default[name] for name in COSTS if name in default and name in self.default
        }  # other machines, other images
        return [
            (
                params,
                {
                    **metrics,
                    **{name: float(np.clip(metrics[name] + by, 0, 1)) for name, by in apart.items()},
                    **{name: metrics[name] * by for name, by in times.items()},
                },
            )
            for params, metrics in zip(self.params, self.metrics, strict=True)
        ]


class StoredWeights(_Stored):
    """A file of weights as the study keeps it: its name below ``weights/`` (None: random), and what made it."""

    file: str | None
    sha256: str
    hyperparameters: Mapping[str, Any]


class BaseModelOrigin(_Stored):
    """Where the base model comes from: in words, its task, the fingerprint of its split, the id of its study."""

    origin: str
    task: str
    split: str
    study: str


class StoredInitialWeights(_Stored):
    """What models of the study may start from, by the backbone that does."""

    files: Mapping[str, StoredWeights] = Field(default_factory=dict)
    base: BaseModelOrigin | None = None


class SplitReference(_Stored):
    """The split of the patients in ``split.json``: its fingerprint, and the seed that it was drawn with."""

    fingerprint: str
    seed: int


class _StoredConfig(SearchConfig):
    """The options that a study was begun with; those of another version are kept."""

    model_config = ConfigDict(extra="allow")


class Manifest(_Stored):
    """``study.json``."""

    schema_version: int = Field(alias="schema")
    name: str
    study_id: str
    created: str
    task: Task
    config: _StoredConfig
    objectives: tuple[str, ...]
    aims: Annotated[
        Objectives,
        BeforeValidator(lambda value: value if isinstance(value, Objectives) else Objectives.from_dict(value)),
        PlainSerializer(Objectives.to_dict),
    ]
    space: Annotated[
        Space,
        BeforeValidator(lambda value: value if isinstance(value, Space) else Space.from_dict(value)),
        PlainSerializer(lambda space: space.to_dict()),
    ]
    starts: StoredInitialWeights
    seed: int
    data: DataReport
    split: SplitReference
    versions: Mapping[str, str]
    command: str
    prior: WarmStart | None

    @property
    def title(self) -> str:
        """What pictures of the study are headed with."""
        return f"{self.task.name}: {self.name}"

    @property
    def terms(self) -> Terms:
        """What all that is said of the study calls what it counts and tells apart."""
        return self.task.terms(patient_level=self.data.patient_level)

    @property
    def knows_patients(self) -> bool:
        """Whether models may start from one that was trained on the training patients of this study."""
        return self.starts.base is not None

    def config_after(self, changes: Mapping[str, Any]) -> SearchConfig:
        """Return the options as they stand: those that the study was begun with, and what resumes have changed."""
        begun = self.config.model_dump(include={*SearchConfig.model_fields})
        return SearchConfig(**{**begun, **current_names(changes)})

    def to_dict(self) -> dict[str, Any]:
        """Return the document as plain values, ready for JSON."""
        return self.model_dump(mode="json", by_alias=True)

    @classmethod
    def read(cls, folder: StudyFolder) -> Self:
        """Return what ``study.json`` says; StudyError where there is no study, or one that this version cannot read."""
        if not folder.exists:
            raise StudyError(
                f"{folder.path} holds no study (no study.json). Give the folder of a study, or the name of one below "
                "--storage; `python -m search.status` lists them."
            )
        try:
            values = json.loads(folder.manifest.read_text(encoding="utf-8"))
            if isinstance(values, dict) and values.get("schema", SCHEMA) != SCHEMA:
                raise StudyError(
                    f"{folder.path} was begun by another version of this software (schema {values['schema']}, where "
                    f"this one has {SCHEMA}); read it with that version, or start a new study."
                )
            return cls.model_validate(values)
        except ValidationError as error:
            first = error.errors()[0]
            raise StudyError(
                f"{folder.manifest} cannot be used: {'.'.join(map(str, first['loc']))}: {first['msg']}. Restore it "
                "from a backup."
            ) from None
        except ValueError as error:
            raise StudyError(f"{folder.manifest} is not JSON ({error}). Restore it from a backup.") from None


def begin(
    folder: StudyFolder,
    *,
    config: SearchConfig,
    task: Task,
    data: DataReport,
    split: Split,
    space: Space,
    command: str,
    starts: StoredInitialWeights,
    prior: WarmStart | None = None,
) -> None:
    """Write what a new study is about; StudyError where one of this name exists already."""
    refuse_existing(folder)
    objectives = objectives_of(config)
    manifest = Manifest(
        schema=SCHEMA,
        name=folder.name,
        study_id=uuid.uuid4().hex,
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        task=task,
        config=_StoredConfig(**config.model_dump()),
        objectives=objectives.names,
        aims=objectives,
        space=space,
        starts=starts,
        seed=config.seed,
        data=data,
        split=SplitReference(fingerprint=split.fingerprint, seed=config.split_seed),
        versions={"python": platform.python_version()}
        | {name: importlib.metadata.version(name) for name in _VERSIONED},
        command=command,
        prior=prior,
    )
    folder.trials.mkdir(parents=True, exist_ok=True)
    split.save(folder.split)
    # Last: a folder without study.json is no study, so one that was begun and lost can be begun again.
    write_whole(folder.manifest, json.dumps(manifest.to_dict(), indent=2) + "\n")


def refuse_existing(folder: StudyFolder) -> None:
    """Raise StudyError where a study of this name exists already."""
    if folder.exists:
        raise StudyError(
            f"There is a study named {folder.name} in {folder.path.parent} already. Go on with it "
            f"(--resume {folder.name}), or give the new one another name (--name)."
        )
