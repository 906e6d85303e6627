"""Options that several commands share: how a study, the storage folder and the cache are named."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, model_validator

from leukmodels.process.command_line import Arg, Options
from search.study.config import RENAMED_VALUES
from search.study.folder import StudyFolder
from search.study.manifest import Manifest

STORAGE_VARIABLE = "LEUKEMIA_SEARCH_STORAGE"

WithIdentifiers = Annotated[
    bool,
    Field(
        description="name patients and image files as they are, not by pseudonyms; the key of these stays in the study"
    ),
]
WithPictures = Annotated[bool, Field(description="show pictures of test cells")]

_CACHE = "cache"


def default_storage() -> Path:
    """Return where studies go unless the user says otherwise.

    The home folder rather than the working one: under ``ray job submit`` the working folder is a throw-away copy.
    """
    return Path(os.environ.get(STORAGE_VARIABLE) or Path.home() / "leukemia-studies")


class StorageOptions(Options):
    """Where studies are."""

    storage: Path = Field(
        default_factory=default_storage, description=f"folder of all studies, also ${STORAGE_VARIABLE}"
    )


class StudyOptions(StorageOptions):
    """A study that there is."""

    study: Annotated[str, Arg(positional=True, metavar="STUDY")] = Field(
        description="the study's folder, or its name below --storage"
    )

    def find(self) -> StudyFolder:
        """Return the study's folder; StudyError where there is none."""
        return find_study(self.study, self.storage)


class CacheOptions(Options):
    """Where prepared images are."""

    cache: Path | None = Field(
        default=None, description="folder of prepared images (default: cache in the storage folder)"
    )


class ReadingOptions(CacheOptions):
    """How images are read and prepared."""

    verify: bool = Field(
        default=False,
        description="read and hash every image file again, also those that the cache knows by path, size, times and "
        "inode",
    )


class RecallOptions(Options):
    """A recall that a model is to have, and of whom."""

    min_recall: Annotated[float | None, Arg(metavar="X")] = Field(
        default=None,
        ge=0,
        le=1,
        description="take the model, and the threshold, with the highest accuracy at this recall, 0 to 1",
    )
    recall_guarantee: bool = Field(
        default=True,
        description="that recall is to be had by as many other patients, with 95 percent confidence (resampling the "
        "validation patients), which few of them make hard; --no-recall-guarantee: by the validation patients",
    )

    @model_validator(mode="before")
    @classmethod
    def _are_called_as_now(cls, given: Mapping[str, Any]) -> dict[str, Any]:
        """``bounds`` was the name of both this and of what a search holds its floors against."""
        given = dict(given)
        if (bounds := given.pop("bounds", None)) is not None:
            if bounds not in RENAMED_VALUES:
                raise ValueError(f"--bounds is {bounds!r}; give --no-recall-guarantee, or nothing")
            given["recall_guarantee"] = bounds == "patients"
        return given


def find_cache(cache: Path | None, storage: Path) -> Path:
    """Return the folder of the cache that the user named, or else the one of the storage folder; absolute."""
    return (cache or storage / _CACHE).expanduser().resolve()


def find_study(study: str, storage: Path) -> StudyFolder:
    """Return the folder of the study that the user named, by its path or its name below ``storage``."""
    given = StudyFolder(Path(study).expanduser().resolve())
    folder = given if given.exists else StudyFolder((storage.expanduser() / study).resolve())
    Manifest.read(folder)  # raises StudyError where there is none
    return folder
