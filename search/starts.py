"""What the models of a study may start from besides nothing: a base model, pre-trained networks.

The files are copied into the study's folder as it begins, so that a resume, and every node that sees the folder, has
them, whatever becomes of the originals.
"""

import json
import re
import shutil
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from leukmodels.errors import ConfigError, StudyError
from leukmodels.hparams import MOST_BLOCKS
from leukmodels.weights import SMALLEST_PX, Weights, read_backbones
from search.aims import Aims
from search.cli import find_study
from search.config import SearchConfig
from search.folder import StudyFolder
from search.journal import read
from search.preference import Preference
from search.records import fold
from search.standing import stand

BASE = "base"
_BLOCK = re.compile(r"block(\d+)_")


@dataclass(frozen=True, kw_only=True)
class BaseModel:
    """A trained model whose convolutional weights trials may start from.

    weights   its file
    origin    where it comes from, in words
    task      that it was trained for
    split     fingerprint of the patient split that it was trained on
    blocks    of its body
    """

    weights: Weights
    origin: str
    task: str
    split: str
    blocks: int


@dataclass(frozen=True, kw_only=True)
class Starts:
    """The weights by the name of the backbone that starts from them, and what is to be said of them."""

    weights: Mapping[str, Weights] = field(default_factory=dict)
    base: BaseModel | None = None
    notes: tuple[str, ...] = ()

    @property
    def blocks(self) -> int:
        """How many blocks can be loaded of the base model, at the most."""
        return self.base.blocks if self.base else MOST_BLOCKS

    def to_dict(self) -> dict[str, Any]:
        """Return what ``study.json`` keeps of them."""
        return {
            "files": {
                name: {"file": _file(name, weights), "sha256": weights.sha256} for name, weights in self.weights.items()
            },
            "base": {name: getattr(self.base, name) for name in ("origin", "task", "split")} if self.base else None,
        }

    def copy_to(self, folder: StudyFolder) -> None:
        """Copy the files into a study that begins."""
        for name, weights in self.weights.items():
            if path := weights.checked():
                folder.weights.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, folder.weights / str(_file(name, weights)))

    def refuse_other_split(self, fingerprint: str) -> None:
        """Raise StudyError where the base model's patients were split otherwise: it may know those it is tested on."""
        if self.base and self.base.split != fingerprint:
            raise StudyError(
                f"The base model ({self.base.origin}) was trained on patients that were split otherwise than those of "
                "this study, so it may have seen patients that are to test it. Train it on the same collection with "
                "the same --split-seed."
            )


def starts_of(config: SearchConfig, storage: Path) -> Starts:
    """Return what a new study's options ask for; ConfigError or StudyError where it cannot be had."""
    weights, notes = read_backbones(config.backbones) if config.backbones else ({}, [])
    if weights and config.image_px < SMALLEST_PX:
        raise ConfigError(
            "Pre-trained networks cannot see images this small:",
            [f"--image-px is {config.image_px}; give {SMALLEST_PX} or more."],
        )
    if not config.base_model:
        return Starts(weights=weights, notes=tuple(notes))
    base = find_base(config.base_model, storage)
    notes = [
        *notes,
        f"Base model: {base.origin}, trained for {base.task}; trials may start from its {base.blocks} blocks.",
    ]
    return Starts(weights={BASE: base.weights, **weights}, base=base, notes=tuple(notes))


def starts_in(manifest: Mapping[str, Any], folder: StudyFolder) -> Mapping[str, Weights]:
    """Return the weights that a study was begun with, where it keeps them."""
    return {
        name: Weights(path=folder.weights / said["file"] if said["file"] else None, sha256=said["sha256"])
        for name, said in manifest["starts"]["files"].items()
    }


def find_base(said: str, storage: Path) -> BaseModel:
    """Return the base model that is meant: a study's preferred trial, an exported folder, or the model in one.

    StudyError where there is none, or where nothing says which patients it was trained on.
    """
    path = Path(said).expanduser()
    bundle = path.parent if path.suffix == ".keras" else path
    if (bundle / "config.yaml").is_file():
        return _exported(path if path.suffix == ".keras" else path / "model.keras", bundle / "config.yaml")
    if path.suffix == ".keras":
        raise StudyError(
            f"{path} cannot be a base model: no config.yaml beside it says which patients it was trained on, and they "
            "may be those that are to test it. Give an exported folder, or a study."
        )
    folder = find_study(said, storage)
    manifest = folder.read_manifest()
    aims = Aims(**manifest["aims"])
    trial = Preference().choose(stand(fold(read(folder.journal)), aims), aims)
    return _base(
        folder.trial(trial.number) / "model.keras",
        origin=f"trial {trial.number} of {folder.name}",
        task=manifest["task"]["name"],
        split=manifest["split"]["fingerprint"],
    )


def _exported(model: Path, config: Path) -> BaseModel:
    try:
        said = yaml.safe_load(config.read_text(encoding="utf-8"))
        return _base(
            model,
            origin=f"trial {said['trial']} of {said['study']['name']}",
            task=str(said["task"]),
            split=str(said["split_fingerprint"]),
        )
    except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError) as error:
        raise StudyError(f"{config.parent} is no exported model: {type(error).__name__}: {error}") from error


def _base(model: Path, *, origin: str, task: str, split: str) -> BaseModel:
    """Return the base model in a file, its blocks counted without Keras."""
    try:
        with zipfile.ZipFile(model) as archive:
            config = json.loads(archive.read("config.json"))
        body = next(layer for layer in config["config"]["layers"] if layer["config"]["name"] == "body")
        names = [layer["config"]["name"] for layer in body["config"]["layers"]]
        weights = Weights.of(model.absolute())
    except (OSError, ValueError, zipfile.BadZipFile, KeyError, TypeError, StopIteration) as error:
        raise StudyError(f"{model} cannot be a base model: it is no model that this version has trained.") from error
    blocks = [int(named[1]) for name in names if (named := _BLOCK.match(name))]
    return BaseModel(weights=weights, origin=origin, task=task, split=split, blocks=max(blocks, default=MOST_BLOCKS))


def _file(name: str, weights: Weights) -> str | None:
    """Return what the study calls its copy of a file."""
    return f"{name}{weights.path.suffix}" if weights.path else None
