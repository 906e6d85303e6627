"""What the commands share: how a study, the storage folder and the cache are named."""

import argparse
import math
import os
from collections.abc import Callable
from pathlib import Path

from search.study.folder import StudyFolder
from search.study.manifest import Manifest

STORAGE_VARIABLE = "LEUKEMIA_SEARCH_STORAGE"

_CACHE = "cache"


def default_storage() -> Path:
    """Return where studies go unless the user says otherwise.

    The home folder rather than the working one: under ``ray job submit`` the working folder is a throw-away copy.
    """
    return Path(os.environ.get(STORAGE_VARIABLE) or Path.home() / "leukemia-studies")


def add_study(parser: argparse.ArgumentParser) -> None:
    """Give ``parser`` the arguments that name an existing study."""
    parser.add_argument("study", metavar="STUDY", help="the study's folder, or its name below --storage")
    add_storage(parser)


def add_storage(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """Give ``parser`` the argument that names the storage folder."""
    parser.add_argument(
        "--storage",
        type=Path,
        default=default_storage(),
        metavar="DIR",
        help=f"folder of all studies (default: ${STORAGE_VARIABLE} or %(default)s)",
    )


def add_cache(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """Give ``parser`` the argument that names the cache; see ``find_cache``."""
    parser.add_argument(
        "--cache", type=Path, metavar="DIR", help=f"folder of prepared images (default: {_CACHE} in the storage folder)"
    )


def find_cache(cache: Path | None, storage: Path) -> Path:
    """Return the folder of the cache that the user named, or else the one of the storage folder; absolute."""
    return (cache or storage / _CACHE).expanduser().resolve()


def number(low: float, high: float, words: str) -> Callable[[str], float]:
    """Return an argument's type: a number from ``low`` to ``high``; ``words`` say that in the refusal of any other."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is no {words}")
        return value

    return parse


def add_bounds(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """Give ``parser`` the argument that says by what the recall of --min-recall is judged."""
    parser.add_argument(
        "--bounds",
        choices=("patients", "estimates"),
        default="patients",
        help="what --min-recall means: patients: as many other patients will have this recall, with 95 percent "
        "confidence (resampling the validation patients), which few of them make hard; estimates: the validation "
        "patients have it (default: %(default)s)",
    )


def find_study(study: str, storage: Path) -> StudyFolder:
    """Return the folder of the study that the user named, by its path or its name below ``storage``."""
    given = StudyFolder(Path(study).expanduser().resolve())
    folder = given if given.exists else StudyFolder((storage.expanduser() / study).resolve())
    Manifest.read(folder)  # raises StudyError where there is none
    return folder
