"""What the commands share: how a study is named, and how a user's error ends."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from leukmodels.errors import UserError
from search.folder import StudyFolder

STORAGE_VARIABLE = "LEUKEMIA_SEARCH_STORAGE"


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


def find_study(study: str, storage: Path) -> StudyFolder:
    """Return the folder of the study that the user named, by its path or its name below ``storage``."""
    given = StudyFolder(Path(study))
    folder = given if given.exists else StudyFolder(storage.expanduser() / study)
    folder.read_manifest()  # raises StudyError where there is none
    return folder


def run_verb(main: Callable[[Sequence[str]], int]) -> NoReturn:
    """Run a command; a user's error becomes its message and exit status 2, a reader that went away is no error."""
    try:
        status = main(sys.argv[1:])
        sys.stdout.flush()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        status = 2
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    sys.exit(status)
