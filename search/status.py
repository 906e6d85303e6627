"""Where a study stands, told from its journal alone.

python -m search.status STUDY [--json]
python -m search.status                 lists the studies of the storage folder
"""

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from leukmodels.errors import ConfigError, StudyError, UserError
from leukmodels.process import command_line
from leukmodels.process.command import program, run_verb
from leukmodels.process.command_line import Arg, parse
from leukmodels.process.lock import holder
from leukmodels.process.progress import duration
from leukmodels.process.words import plural
from search.display.tables import front_table, studies_table, terminal, tested_table
from search.display.text import number
from search.selection import head_start
from search.selection.preference import Preference, ways
from search.study.confirmation_log import TestAccess
from search.study.folder import StudyFolder
from search.study.front import effort
from search.study.objectives import OBJECTIVES
from search.study.opened import Study
from search.study.options import StorageOptions, find_study
from search.study.records import StudyRecord, TrialRecord, TrialState

_EXAMPLES = """examples:
  python -m search.status                   the studies of the storage folder
  python -m search.status runx1-1           one of them
  python -m search.status runx1-1 --json    the same for a program
"""


@dataclass(frozen=True, kw_only=True)
class Status:
    """A study, and who writes to it now ("" when nobody does)."""

    study: Study
    driver: str

    @property
    def record(self) -> StudyRecord:
        """One record a trial."""
        return self.study.record

    @property
    def state(self) -> str:
        """One of running, finished and interrupted."""
        if self.driver:
            return "running"
        return "finished" if self.record.finished else "interrupted"

    @property
    def planned(self) -> int:
        """Return how many trials the study is to have."""
        return self.study.config.trials

    @property
    def finished_trials(self) -> int:
        """Return how many trials have ended, however they did."""
        return len(self.record.trials) - self.record.count(TrialState.RUNNING)


def look(folder: StudyFolder) -> Status:
    """Return the study's status; StudyError where the folder holds none."""
    return Status(study=Study.open(folder), driver=holder(folder.path / "lock"))


def as_json(status: Status) -> dict[str, Any]:
    """Return the status as plain values; ``best`` names the trial that each preference would export."""
    study, record, front, objectives = status.study, status.record, status.study.front, status.study.objectives
    return {
        "study": study.manifest.name,
        "path": str(study.folder.path),
        "task": study.manifest.task.name,
        "synthetic": study.manifest.data.synthetic,
        "state": status.state,
        "driver": status.driver,
        "ended_by": record.finished,
        "sessions": record.sessions,
        "trials": {"planned": status.planned} | {str(state): record.count(state) for state in TrialState},
        "epochs": record.epochs,
        "objectives": objectives.names,
        "aims": objectives.to_dict(),
        "test": _test(study.confirmation.latest),
        "hypervolume": front.hypervolume,
        "best": {by: Preference(by=by).choose(front, objectives).number for by in ways(objectives)}
        if front.trials
        else {},
        "front": [_trial(trial) for trial in front.trials],
    }


def show(status: Status) -> None:
    """Print the status for a person."""
    study, manifest, record, front = status.study, status.study.manifest, status.record, status.study.front
    synthetic = " (SYNTHETIC DATA)" if manifest.data.synthetic else ""
    counts = ", ".join(f"{record.count(state)} {state}" for state in TrialState if record.count(state)) or "none begun"
    trained = sum(epoch.get("seconds") or 0.0 for trial in record.trials.values() for epoch in trial.epochs)
    out = terminal(sys.stdout)
    for line in (
        f"{manifest.name}: {manifest.task.question}{synthetic}",
        _state(status),
        f"{status.finished_trials}/{status.planned} trials ({counts}), {plural(record.epochs, 'epoch')}, "
        f"{duration(trained)} of training",
    ):
        out.print(line, soft_wrap=True)
    if opening := study.confirmation.latest:
        out.print(f"the locked test (opening {opening.number}), beside what validation promised:\n")
        out.print(tested_table(opening))
        out.print()
    if front.trials:
        out.print(f"front on validation cells at threshold 0.5, hypervolume {front.hypervolume:.3f}:\n")
        out.print(front_table(front.trials, cost=study.objectives.cost))
    else:
        out.print(front.why_empty)
    if head := head_start.head_start(manifest):
        reached = effort(record, study.objectives)
        out.print(f"\n{head_start.describe(head, reached, head_start.cold_start(study))}", soft_wrap=True)


def show_all(storage: Path) -> None:
    """Print a line for every study below ``storage``; a study that cannot be read is named with the reason."""
    folders = [StudyFolder(path.parent) for path in sorted(storage.glob("*/study.json"))]
    if not folders:
        raise StudyError(
            f"There is no study in {storage}. Begin one with `python -m search.run --task runx1`, or name the storage "
            "folder with --storage."
        )
    rows, problems = [], []
    for folder in folders:
        try:
            rows.append(_row(look(folder)))
        except UserError as error:  # the others are to be seen all the same
            problems.append(f"{folder.name} cannot be read: {error}")
    out = terminal(sys.stdout)
    out.print(f"Studies in {storage}:\n", soft_wrap=True)
    out.print(studies_table(rows))
    for problem in problems:
        out.print(problem, soft_wrap=True)


class StatusOptions(StorageOptions):
    """Which study is shown, and how."""

    study: Annotated[str | None, Arg(positional=True, metavar="STUDY")] = Field(
        default=None, description="the study's folder, or its name below --storage (default: list all)"
    )
    as_json: Annotated[bool, Arg(flag="json")] = Field(default=False, description="print one study as JSON")


def main(arguments: Sequence[str]) -> int:
    """Print the status of one study, or of all."""
    options = parse(parser(), StatusOptions, arguments)
    if options.study is None:
        if options.as_json:
            raise ConfigError("These options cannot be used:", ["--json needs a STUDY."])
        show_all(options.storage.expanduser())
        return 0
    status = look(find_study(options.study, options.storage))
    if options.as_json:
        print(json.dumps(as_json(status), indent=2))
    else:
        show(status)
    return 0


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    return command_line.parser(
        StatusOptions.model_fields,
        prog=program("search.status"),
        description="Show where a study stands, from its journal alone.",
        epilog=_EXAMPLES,
    )


def _state(status: Status) -> str:
    match status.state:
        case "running":
            return f"running ({status.driver})"
        case "finished":
            return f"finished: {status.record.finished}"
        case _:
            return (
                f"interrupted; go on with: python -m search.run --resume {shlex.quote(str(status.study.folder.path))}"
            )


def _row(status: Status) -> tuple[str, ...]:
    front, opening = status.study.front.trials, status.study.confirmation.latest
    tested = opening.results[opening.chosen[0].trial] if opening else {}
    reached = [number(tested.get(name)) for name in OBJECTIVES]
    best = [number(max((trial.metrics[name] for trial in front), default=None)) for name in OBJECTIVES]
    trials = f"{status.finished_trials}/{status.planned}"
    return status.study.folder.name, status.study.manifest.task.name, status.state, trials, *reached, *best


def _test(opening: TestAccess | None) -> dict[str, Any] | None:
    """Return what the models reached on the test, those first that it was opened for first; None while it is locked."""
    if not opening:
        return None
    return {
        "opening": opening.number,
        "models": [
            {
                "trial": each.trial,
                "threshold": each.threshold,
                "why": each.why,
                "test": dict(opening.results[each.trial]),
                "validation": dict(each.promise),
            }
            for each in opening.chosen
        ],
    }


def _trial(trial: TrialRecord) -> dict[str, Any]:
    return {
        "trial": trial.number,
        "epochs": trial.outcome.get("epochs", len(trial.epochs)),
        "metrics": dict(trial.metrics),
        "params": dict(trial.params),
    }


if __name__ == "__main__":
    run_verb(main)
