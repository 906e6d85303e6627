"""A study run from Python: the same options and the same plans as a command line makes."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cluster.session import open_session
from leukmodels.process.command_line import checked, option
from leukmodels.process.files import group_access
from search.run.options import RunOptions
from search.run.planning import plans_of
from search.run.workflow import carry_out
from search.study.config import current_names
from search.study.opened import Study
from search.tuning.signals import interruptible


def run(own: Mapping[str, Any], given: Mapping[str, Any]) -> Study:
    """Run one study: ``own`` are options of ``RunOptions``, ``given`` those of the study; return it."""
    said = {name: value for name, value in own.items() if value is not None}
    asked = checked(RunOptions, {**said, "given": current_names(given)})
    (plan,) = plans_of(asked, command=_as_command({**said, **given}))
    print("Starting Ray ...", flush=True)
    with (
        group_access(plan.config.group_access),
        interruptible(),
        open_session(dashboard=False) as session,
        interruptible(),
    ):
        carry_out(plan, session)
    return Study.open(plan.folder)


def _as_command(options: Mapping[str, Any]) -> str:
    """Return the command line that asks for the same."""
    words = ["python", "-m", "search.run"]
    for name, value in options.items():
        if value is True:
            words.append(option(name))
        elif value is not None and value is not False:
            words += [option(name), str(value) if not isinstance(value, Path) else value.as_posix()]
    return shlex.join(words)
