"""What the models of a study may start from besides nothing: a base model, pre-trained networks.

The files are copied into the study's folder as it begins, so that a resume, and every node that sees the folder, has
them, whatever becomes of the originals.
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from leukmodels.errors import Attempts, ConfigError, StudyError
from leukmodels.model.exported import ExportedModel, current_export
from leukmodels.model.weights import ENDING, SMALLEST_PX, Weights, read_backbones
from leukmodels.space.hyperparameters import BASE, MOST_BLOCKS, PRETRAINED, HyperParams
from search.selection.preference import Preference
from search.study.config import SearchConfig
from search.study.folder import StudyFolder
from search.study.integrity import model_file
from search.study.manifest import BaseModelOrigin, Manifest, StoredInitialWeights, StoredWeights
from search.study.opened import Study
from search.study.options import find_study


@dataclass(frozen=True, kw_only=True)
class BaseModel:
    """A trained model whose convolutional weights trials may start from.

    weights   its file
    origin    where it comes from, and the split that it was trained on
    """

    weights: Weights
    origin: BaseModelOrigin

    @property
    def blocks(self) -> int:
        """How many blocks its body has."""
        own = HyperParams.from_dict(self.weights.hyperparameters)
        return own.blocks if own.backbone == "cnn" else MOST_BLOCKS


@dataclass(frozen=True, kw_only=True)
class InitialWeights:
    """The weights by the name of the backbone that starts from them, and what is to be said of them."""

    weights: Mapping[str, Weights] = field(default_factory=dict)
    base: BaseModel | None = None
    notes: tuple[str, ...] = ()

    @property
    def blocks(self) -> int:
        """How many blocks can be loaded of the base model, at the most."""
        return self.base.blocks if self.base else MOST_BLOCKS

    def stored(self) -> StoredInitialWeights:
        """Return what ``study.json`` keeps of them."""
        return StoredInitialWeights(
            files={
                name: StoredWeights(
                    file=_file(name, weights), sha256=weights.sha256, hyperparameters=dict(weights.hyperparameters)
                )
                for name, weights in self.weights.items()
            },
            base=self.base.origin if self.base else None,
        )

    def copy_to(self, folder: StudyFolder) -> None:
        """Copy the files into a study that begins."""
        for name, weights in self.weights.items():
            if path := weights.checked():
                folder.weights.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, folder.weights / str(_file(name, weights)))

    def refuse_other_split(self, fingerprint: str) -> None:
        """Raise StudyError where the base model's patients were split otherwise: it may know those it is tested on."""
        if self.base and self.base.origin.split != fingerprint:
            raise StudyError(
                f"The base model ({self.base.origin.origin}) was trained on cells that were split otherwise than "
                "those of this study, so it may have seen cells that are to test it. Train it on the same "
                "collection with the same --split-seed."
            )


def starts_of(config: SearchConfig, storage: Path) -> InitialWeights:
    """Return what a new study's options ask for; ConfigError or StudyError where it cannot be had."""
    attempts = Attempts()
    found: tuple[dict[str, Weights], list[str]] = {}, []
    if config.backbones:
        found = attempts.attempt(partial(read_backbones, config.backbones), found)
    base = attempts.attempt(partial(find_base, config.base_model, storage), None) if config.base_model else None
    attempts.settle("These initial weights cannot be used:")
    weights, notes = found
    if base:
        notes = [
            *notes,
            f"Base model: {base.origin.origin}, trained for {base.origin.task}; trials may start from its "
            f"{base.blocks} blocks.",
        ]
        weights = {BASE: base.weights, **weights}
    if networks_in(weights) and config.image_px < SMALLEST_PX:
        raise ConfigError(
            "Pre-trained networks cannot see images this small:",
            [f"--image-px is {config.image_px}; give {SMALLEST_PX} or more."],
        )
    return InitialWeights(weights=weights, base=base, notes=tuple(notes))


def starts_in(manifest: Manifest, folder: StudyFolder) -> Mapping[str, Weights]:
    """Return the weights that a study was begun with, where it keeps them."""
    return {
        name: Weights(
            path=folder.weights / stored.file if stored.file else None,
            sha256=stored.sha256,
            hyperparameters=stored.hyperparameters,
        )
        for name, stored in manifest.starts.files.items()
    }


def find_base(said: str, storage: Path) -> BaseModel:
    """Return the base model that is meant: a study's preferred trial, an exported folder, or the model in one.

    StudyError where there is none, or where nothing says which patients it was trained on.
    """
    path = Path(said).expanduser()
    bundle = path.parent if path.suffix == ".keras" else current_export(path)
    if (bundle / "config.yaml").is_file():
        return _exported(path if path.suffix == ".keras" else bundle / "model.keras", bundle / "config.yaml")
    if path.suffix == ".keras":
        raise StudyError(
            f"{path} cannot be a base model: no config.yaml beside it says which cells it was trained on, and they may "
            "be those that are to test it. Give an exported folder, or a study."
        )
    study = Study.open(find_study(said, storage))
    manifest, trial = study.manifest, Preference().choose(study.front, study.objectives)
    return _base(
        model_file(study.folder, trial),
        hyperparameters=_of_body(trial.params, manifest.starts),
        origin=BaseModelOrigin(
            origin=f"trial {trial.number} of {study.name}",
            task=manifest.task.name,
            split=manifest.split.fingerprint,
            study=manifest.study_id,
        ),
    )


def networks_in(weights: Mapping[str, Weights]) -> bool:
    """Return whether one of these backbones is a pre-trained network, by itself or within a base model."""
    made = {str(each.hyperparameters.get("backbone")) for each in weights.values()}
    return not made.union(weights).isdisjoint(PRETRAINED)


def _exported(model: Path, config: Path) -> BaseModel:
    try:
        said = ExportedModel.read(config)
        hyperparameters = _of_body(said.hyperparameters, StoredInitialWeights.model_validate(said.starts))
    except (ConfigError, ValueError) as error:
        raise StudyError(f"{config.parent} is no model that this version exported: {error}") from error
    origin = BaseModelOrigin(
        origin=f"trial {said.trial} of {said.study.name}",
        task=said.task,
        split=said.split_fingerprint,
        study=said.study.id,
    )
    base = _base(model, hyperparameters=hyperparameters, origin=origin)
    if base.weights.sha256 != said.model_sha256:
        raise StudyError(
            f"{model} is not the model that {config} tells of, so nothing says which cells it was trained on, and they "
            "may be those that are to test it. Export it again."
        )
    return base


def _base(model: Path, *, hyperparameters: Mapping[str, Any], origin: BaseModelOrigin) -> BaseModel:
    try:
        return BaseModel(weights=Weights.of(model.absolute(), hyperparameters), origin=origin)
    except OSError as error:
        raise StudyError(f"The base model's file {model} cannot be read: {error.strerror}.") from error


def _of_body(params: Mapping[str, Any], starts: StoredInitialWeights) -> Mapping[str, Any]:
    """Return the hyperparameters that made a trial's body: those of its own base model where it started from one."""
    return starts.files[BASE].hyperparameters if params.get("backbone") == BASE else params


def _file(name: str, weights: Weights) -> str | None:
    """Return what the study calls its copy of a file: by the end of its name Keras tells how it is to be read."""
    if weights.path is None:
        return None
    ending = ENDING if weights.path.name.endswith(ENDING) else weights.path.suffix
    return f"{name}{ending}"
