"""What a study is about, written once into ``study.json``: what was asked, on which data, by which versions."""

import datetime
import importlib.metadata
import json
import platform
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from leukmodels.collections.tasks import Task
from leukmodels.dataset.split import PARTS, Split
from leukmodels.errors import StudyError
from leukmodels.space.dimensions import Space
from search.study.config import SearchConfig
from search.study.folder import SCHEMA, StudyFolder, write_whole
from search.study.objectives import OBJECTIVES, Aims
from search.study.records import StudyRecord
from search.tuning.successive_halving import Ladder
from search.tuning.warm_start import Prior

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

    def words(self) -> str:
        """Return the account in one line."""
        excluded = f", {self.excluded:,} excluded" if self.excluded else ""
        parts = ", ".join(f"{part} {self.cells[part]:,} of {self.patients[part]:,}" for part in PARTS)
        return (
            f"{self.found:,} images: {self.used:,} used, {self.duplicates:,} duplicates, "
            f"{self.quarantined:,} quarantined{excluded}. Cells of patients: {parts} (test is locked away)."
        )


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
    prior: Prior | None = None,
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
        "objectives": aims_of(config).objectives,
        "aims": asdict(aims_of(config)),
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


def prior_of(manifest: Mapping[str, Any]) -> Prior | None:
    """Return what the study was begun with of another, None where nothing."""
    return Prior(**manifest["prior"]) if manifest["prior"] else None


def refuse_existing(folder: StudyFolder) -> None:
    """Raise StudyError where a study of this name exists already."""
    if folder.exists:
        raise StudyError(
            f"There is a study named {folder.name} in {folder.path.parent} already. Go on with it "
            f"(--resume {folder.name}), or give the new one another name (--name)."
        )


def aims_of(config: SearchConfig) -> Aims:
    """Return what ``config`` asks for."""
    return Aims(
        cost="".join(config.objectives.split(",")[len(OBJECTIVES) :]),
        min_recall=config.min_recall,
        min_specificity=config.min_specificity,
        max_latency_ms=config.max_latency_ms,
        max_parameters=config.max_parameters,
        sure=config.bounds == "patients",
    )


def ladder_of(config: SearchConfig) -> Ladder:
    """Return where ``config`` has trials compared; a ladder without rungs where nobody is to be stopped."""
    grace = config.grace if config.scheduler == "asha" else config.epochs
    return Ladder(eta=config.eta, grace=grace, spacing=config.spacing, epochs=config.epochs)


def task_of(manifest: Mapping[str, Any]) -> Task:
    """Return the task that a study was begun with."""
    said = manifest["task"]
    return Task(**{**said, "disease": tuple(said["disease"]), "control": tuple(said["control"])})


def config_of(manifest: Mapping[str, Any], record: StudyRecord) -> SearchConfig:
    """Return the options of a study as they stand: those it was begun with, and what resumes have changed since."""
    return SearchConfig(**{**manifest["config"], **record.changes})
