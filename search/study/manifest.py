"""What a study is about, written once into ``study.json``: what was asked, on which data, by which versions."""

import datetime
import importlib.metadata
import json
import platform
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from leukmodels.collections.tasks import Task
from leukmodels.dataset.split import PARTS, Split
from leukmodels.errors import StudyError
from leukmodels.space.dimensions import Space
from search.study.config import SearchConfig, objectives_of
from search.study.folder import SCHEMA, StudyFolder, write_whole
from search.study.objectives import COSTS, Objectives
from search.study.records import StudyRecord

_VERSIONED = ("ray", "tensorflow", "keras", "optuna", "mlflow", "numpy", "pillow")


@dataclass(frozen=True, kw_only=True)
class DataReport:
    """The account of a data folder as ``study.json`` keeps it: counts of images, cells and patients by part.

    ``classes`` has the patients and cells of each class in each part.
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
    classes: Mapping[str, Mapping[str, Mapping[str, int]]]
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain values."""
        return asdict(self)

    def describe(self) -> str:
        """Return the account in one line."""
        excluded = f", {self.excluded:,} excluded" if self.excluded else ""
        parts = ", ".join(f"{part} {self.cells[part]:,} of {self.patients[part]:,}" for part in PARTS)
        return (
            f"{self.found:,} images: {self.used:,} used, {self.duplicates:,} duplicates, "
            f"{self.quarantined:,} quarantined{excluded}. Cells of patients: {parts} (test is locked away)."
        )


@dataclass(frozen=True, kw_only=True)
class WarmStart:
    """What is taken from the other study, JSON-able.

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

    def to_dict(self) -> dict[str, Any]:
        """Return it as ``study.json`` keeps it."""
        return asdict(self)

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
        times = {name: default[name] / self.default[name] for name in COSTS}  # other machines, other images
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


def begin(
    folder: StudyFolder,
    *,
    config: SearchConfig,
    task: Task,
    data: DataReport,
    split: Split,
    space: Space,
    command: str,
    starts: Mapping[str, Any],
    prior: WarmStart | None = None,
) -> None:
    """Write what a new study is about; StudyError where one of this name exists already."""
    refuse_existing(folder)
    manifest = {
        "schema": SCHEMA,
        "name": folder.name,
        "study_id": uuid.uuid4().hex,
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "task": asdict(task),
        "config": config.model_dump(mode="json"),
        "objectives": objectives_of(config).names,
        "aims": asdict(objectives_of(config)),
        "space": space.to_dict(),
        "starts": starts,
        "seed": config.seed,
        "data": data.to_dict(),
        "split": {"fingerprint": split.fingerprint, "seed": config.split_seed},
        "versions": {"python": platform.python_version()}
        | {name: importlib.metadata.version(name) for name in _VERSIONED},
        "command": command,
        "prior": prior.to_dict() if prior else None,
    }
    folder.trials.mkdir(parents=True, exist_ok=True)
    split.save(folder.split)
    # Last: a folder without study.json is no study, so one that was begun and lost can be begun again.
    write_whole(folder.manifest, json.dumps(manifest, indent=2) + "\n")


def knows_patients(manifest: Mapping[str, Any]) -> bool:
    """Return whether models may start from one that was trained on the training patients of this study."""
    return manifest["starts"]["base"] is not None


def prior_of(manifest: Mapping[str, Any]) -> WarmStart | None:
    """Return what the study was begun with of another, None where nothing."""
    return WarmStart(**manifest["prior"]) if manifest["prior"] else None


def refuse_existing(folder: StudyFolder) -> None:
    """Raise StudyError where a study of this name exists already."""
    if folder.exists:
        raise StudyError(
            f"There is a study named {folder.name} in {folder.path.parent} already. Go on with it "
            f"(--resume {folder.name}), or give the new one another name (--name)."
        )


def task_of(manifest: Mapping[str, Any]) -> Task:
    """Return the task that a study was begun with."""
    said = manifest["task"]
    return Task(**{**said, "disease": tuple(said["disease"]), "control": tuple(said["control"])})


def config_of(manifest: Mapping[str, Any], record: StudyRecord) -> SearchConfig:
    """Return the options of a study as they stand: those it was begun with, and what resumes have changed since."""
    return SearchConfig(**{**manifest["config"], **record.changes})
