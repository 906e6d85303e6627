"""Do the ledgers agree? The journal, Optuna and MLflow, trial by trial.

Optuna keeps nothing on disk: its side is the study that a resume would be told from the journal. Of MLflow's epochs
their number and the last one are compared.

python -m search.audit STUDY [--tracking-uri URI]

Exit status: 0 they agree, 1 they do not, and where; 2 there is nothing to compare.
"""

import argparse
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated

from pydantic import Field

from leukmodels.process import command_line
from leukmodels.process.command import program, run_verb
from leukmodels.process.command_line import Arg, parse
from leukmodels.process.words import plural
from leukmodels.space.dimensions import Space
from search.study import journal
from search.study.folder import StudyFolder
from search.study.objectives import Objectives
from search.study.opened import Study
from search.study.options import StudyOptions
from search.study.records import StudyRecord, TrialState
from search.tracking.follower import catch_up
from search.tracking.ledger import LedgerEntry, ledger
from search.tracking.runs import TRIAL_STATUS, as_param
from search.tracking.store import redacted
from search.tracking.tracker import study_uri
from search.tuning.optuna_study import told


@dataclass(frozen=True, kw_only=True)
class Audit:
    """What was compared, and in which points the ledgers differ."""

    record: StudyRecord
    differences: tuple[str, ...]


def audit(folder: StudyFolder, *, uri: str | None = None) -> Audit:
    """Compare the ledgers of a study, MLflow at ``uri`` or where the study told it; StudyError where there is none."""
    study = Study.open(folder)
    record = study.record
    entries = ledger(uri or study_uri(folder), study.manifest.study_id)
    return Audit(
        record=record,
        differences=(
            *_in_the_journal(study.events, record),
            *_in_optuna(record, study.manifest.space, study.objectives),
            *_in_mlflow(record, entries),
        ),
    )


def _in_the_journal(events: Sequence[journal.Event], record: StudyRecord) -> Iterator[str]:
    """Yield where the journal contradicts itself."""
    counts = {kind: Counter(e["trial"] for e in events if e["event"] == kind) for kind in ("trial_started", _ENDED)}
    for number, times in sorted((counts["trial_started"] | counts[_ENDED]).items()):
        if times > 1:
            yield f"trial {number} was begun or ended {times} times by the journal"
    if sorted(record.trials) != list(range(len(record.trials))):
        yield f"the journal's trials are not numbered without gaps: {sorted(record.trials)}"
    if record.finished and (running := record.by_state(TrialState.RUNNING)):
        yield f"the study ended, and trials {[trial.number for trial in running]} are running by the journal"
    for earlier, later in pairwise(events):
        if later["seq"] <= earlier["seq"]:
            yield f"event {later['seq']} follows event {earlier['seq']} in the journal"


def _in_optuna(record: StudyRecord, space: Space, objectives: Objectives) -> Iterator[str]:
    """Yield where Optuna's study, as the searcher would have it, differs from the journal."""
    trials = (record.trials[number] for number in sorted(record.trials))
    for trial, known in zip(trials, told(record, space, objectives).trials, strict=True):
        who = f"trial {trial.number}"
        if known.state.is_finished() != (trial.state is not TrialState.RUNNING):
            yield f"{who} is {trial.state} by the journal, {known.state.name.lower()} by Optuna"
        expected = list(objectives.values(trial.metrics)) if trial.state is TrialState.COMPLETE else None
        if known.values != expected:
            yield f"{who} has {expected} by the journal, {known.values} by Optuna"
        if trial.state is not TrialState.RUNNING and known.params != dict(trial.params):
            yield f"{who} has other hyperparameters in Optuna than in the journal"


def _in_mlflow(record: StudyRecord, entries: Mapping[int, LedgerEntry]) -> Iterator[str]:
    """Yield where MLflow's runs differ from the journal."""
    for number in sorted(record.trials.keys() | entries.keys()):
        who = f"trial {number}"
        if number not in entries:
            yield f"{who} is not in MLflow"
            continue
        if number not in record.trials:
            yield f"{who} is in MLflow and not in the journal"
            continue
        trial, entry = record.trials[number], entries[number]
        if entry.runs != 1:
            yield f"{who} has {entry.runs} runs in MLflow"
        if entry.status != (status := TRIAL_STATUS.get(trial.state, "RUNNING")):
            yield f"{who} is {trial.state} by the journal ({status}), {entry.status} by MLflow"
        if entry.epochs != len(trial.epochs):
            yield f"{who} has {plural(len(trial.epochs), 'epoch')} by the journal, {entry.epochs} by MLflow"
        for name, value in trial.params.items():
            if entry.params.get(name) != (text := as_param(value)):
                yield f"{who} has {name} {text} by the journal, {entry.params.get(name)} by MLflow"
        last = trial.epochs[-1] if trial.epochs else {}
        for when, ours, theirs in (("", trial.metrics, entry.metrics), (" in its last epoch", last, entry.last)):
            for name, value in ours.items():
                if value is not None and not _equal(theirs.get(name), value):
                    yield f"{who} has {name} {value}{when} by the journal, {theirs.get(name)} by MLflow"


def _equal(theirs: float | None, ours: float) -> bool:
    return theirs is not None and math.isclose(theirs, ours, rel_tol=1e-9, abs_tol=1e-12)


_ENDED = "trial_finished"


class AuditOptions(StudyOptions):
    """Which ledgers are compared."""

    sync: bool = Field(
        default=False, description="first tell MLflow what it does not know yet: after it was down, or another store"
    )
    tracking_uri: Annotated[str | None, Arg(metavar="URI")] = Field(
        default=None, description="another MLflow than the study's own, such as http://127.0.0.1:5000"
    )


def main(arguments: Sequence[str]) -> int:
    """Compare, and print one line, or one for each difference; return the exit status."""
    options = parse(parser(), AuditOptions, arguments)
    folder = options.find()
    uri = options.tracking_uri or study_uri(folder)
    if options.sync:
        print(f"MLflow at {redacted(uri)} knows all of {folder.name}; {_news(catch_up(folder, uri))} new to it.")
    found = audit(folder, uri=options.tracking_uri)
    counts = ", ".join(f"{found.record.count(state)} {state}" for state in TrialState if found.record.count(state))
    trials = f"{plural(len(found.record.trials), 'trial')} ({counts or 'none begun'})"
    if not found.differences:
        print(f"{folder.name}: journal, Optuna and MLflow ({redacted(uri)}) agree on {trials}.")
        return 0
    print(f"{folder.name}: journal, Optuna and MLflow ({redacted(uri)}) differ; {trials} by the journal:")
    for difference in found.differences:
        print(f"  {difference}")
    if not options.sync and any("MLflow" in difference for difference in found.differences):
        print(f"Tell MLflow what it does not know: python -m search.audit {folder.path} --sync")
    return 1


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    return command_line.parser(
        AuditOptions.model_fields,
        prog=program("search.audit"),
        description="Compare the ledgers of a study, trial by trial: its journal, Optuna and MLflow.",
        epilog="exit status: 0 agree, 1 differ",
    )


def _news(events: int) -> str:
    return "1 event was" if events == 1 else f"{events} events were"


if __name__ == "__main__":
    run_verb(main)
