"""How every command of this software ends."""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from leukmodels.errors import UserError
from leukmodels.process.files import group_access

SCRIPT = "leukemia-search"


def program(module: str) -> str:
    """Return how the user called the command of a module: as one of the console script's, or by ``python -m``."""
    script = Path(sys.argv[0]).name
    return f"{script} {module.rpartition('.')[2]}" if script == SCRIPT else f"python -m {module}"


def run_verb(main: Callable[[Sequence[str]], int]) -> NoReturn:
    """Run a command and exit with the status that it returns.

    A user's error becomes `error: ` and its message on standard error and status 2; a reader that went away (as head
    does) is no error; anything else is a bug and shows its traceback. What a command writes is for its user alone,
    unless the study that it writes for is its group's, too.
    """
    try:
        with group_access("none"):
            status = main(sys.argv[1:])
        sys.stdout.flush()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        status = 2
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is still to be flushed goes nowhere
        status = 0
    sys.exit(status)
