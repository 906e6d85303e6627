"""One study from its data to its exported bundle, new or resumed."""

import datetime
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cluster.session import Session, check_shared
from leukmodels import checkpoint, readers
from leukmodels.cohort import draw_cohort
from leukmodels.errors import ConfigError, DataError, StudyError
from leukmodels.tasks import TASKS, Task, find_task
from search import journal
from search.bundle import check_out, default_out, write_bundle
from search.config import SearchConfig, configure, reconfigure
from search.display.console import Console
from search.display.figures import write_report
from search.folder import StudyFolder
from search.gauges import Gauges
from search.interruption import Interrupted
from search.manifest import begin, config_of, floors, keras_space, refuse_existing, task_of
from search.prepare import Prepared, prepare, write_set_aside
from search.records import StudyRecord, TrialState, fold
from search.standing import stand
from search.study import drive
from search.tracking.tracker import Tracker, default_uri, watch_command

# How long an ended study waits for MLflow to hear the rest of it.
_TRACKING_PATIENCE_S = 30.0
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_TAKEN = frozenset({"synthetic", "mlflow-artifacts"})  # the storage folder's own


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One study to carry out; ``changes`` is what a resumed one was told anew, None for a new study."""

    folder: StudyFolder
    task: Task
    config: SearchConfig
    changes: Mapping[str, Any] | None
    command: str
    out: Path

    @property
    def uri(self) -> str:
        """Where MLflow is."""
        return self.config.tracking_uri or default_uri(self.folder.path.parent)


def plan_new(
    task_name: str,
    storage: Path,
    *,
    preset: str,
    given: Mapping[str, Any],
    name: str | None,
    out: Path | None,
    command: str,
) -> Plan:
    """Return the plan of a new study, everything checked that can be checked before Ray is started."""
    task = find_task(task_name)
    config = configure(preset, {**given, "task": task_name})
    folder = StudyFolder(storage / _checked_name(name, task))
    refuse_existing(folder)
    _check_classes(task, config)
    out = out or default_out(folder, task=task.name, synthetic=config.data is None)
    check_out(out)
    return Plan(folder=folder, task=task, config=config, changes=None, command=command, out=out)


def plan_resume(folder: StudyFolder, *, given: Mapping[str, Any], out: Path | None, command: str) -> Plan:
    """Return the plan of going on with a study; StudyError where this version would search something else."""
    manifest = folder.read_manifest()
    config, changes = reconfigure(config_of(manifest, fold(journal.read(folder.journal))), given)
    task = task_of(manifest)
    if manifest["space"] != keras_space().describe():
        raise StudyError(
            f"{folder.name} was begun with another search space than this version has; "
            "resume it with the version that began it, or start a new study."
        )
    out = out or default_out(folder, task=task.name, synthetic=config.data is None)
    check_out(out)
    return Plan(folder=folder, task=task, config=config, changes=changes, command=command, out=out)


def refuse_collisions(plans: Sequence[Plan]) -> None:
    """Raise ConfigError where two of several studies would have one name or one place to export to."""
    for what, places in (("name", [plan.folder.path for plan in plans]), ("--out", [plan.out for plan in plans])):
        if twice := sorted({str(place) for place in places if places.count(place) > 1}):
            raise ConfigError(
                f"Two of these studies have the same {what}:",
                [f"{place}: name each task once, and give task files different names." for place in twice],
            )


def tasks_of(data: Path | None) -> list[str]:
    """Return every built-in task that the given data can answer, in order; DataError where there is none."""
    if data is None:
        return [name for name, task in TASKS.items() if task.reader == "mll"]
    reasons = []
    for reader in dict.fromkeys(task.reader for task in TASKS.values()):
        try:
            present = set(readers.read(reader, data).cells["class_name"].to_pylist())
        except DataError as error:
            reasons.append(f"{reader}: {error}")
            continue
        if answered := [name for name, task in TASKS.items() if {*task.disease, *task.control} <= present]:
            return answered
        reasons.append(f"{reader}: only the classes {', '.join(sorted(present))} are here, and no task has just those.")
    raise DataError(f"No built-in task can be answered from {data}:", reasons)


def carry_out(plan: Plan, session: Session) -> bool:
    """Run the study to its end and say whether a trial succeeded; Interrupted leaves one that can be resumed."""
    config, folder = plan.config, plan.folder
    console = Console(
        planned_trials=config.trials,
        epochs=config.epochs,
        floors=floors(config),
        synthetic=config.data is None,
        time_budget_s=config.time_budget,
    )
    with folder.lock(), console:
        prepared = _prepare(plan, console)
        if plan.changes is None:
            _begin(plan, prepared)
        else:
            _refuse_other_data(folder, prepared)
        check_shared(session, folder.trials)
        tracker = Tracker(folder, uri=plan.uri)
        console.link("Study", str(folder.path))
        console.link("MLflow", watch_command(plan.uri))
        if session.dashboard:
            console.link("Ray dashboard", session.dashboard)
        tracker.start()
        try:
            record = drive(
                folder,
                prepared.data,
                config=config,
                space=keras_space(),
                session=session,
                listeners=(console.show, Gauges(folder.name, floors(config))),
                changes=plan.changes,
            )
        except BaseException as end:
            tracker.release()
            if isinstance(end, Interrupted):
                console.say(
                    f"Interrupted by {end.signal}; nothing that was finished is lost. Go on with:\n"
                    f"  python -m search.run --resume {shlex.quote(str(folder.path))}"
                )
            raise
        return _finish(plan, record, console, tracker)


def _begin(plan: Plan, prepared: Prepared) -> None:
    write_set_aside(plan.folder.set_aside, prepared.set_aside)
    begin(
        plan.folder,
        config=plan.config,
        task=plan.task,
        data=prepared.report,
        split=prepared.split,
        space=keras_space(),
        command=plan.command,
    )


def _finish(plan: Plan, record: StudyRecord, console: Console, tracker: Tracker) -> bool:
    """Write the pictures and the export, tell MLflow the rest, and say it all; whether a trial succeeded."""
    folder = plan.folder
    study = shlex.quote(str(folder.path))
    standing = stand(record, floors(plan.config))
    for trial in record.by_state(TrialState.STOPPED, TrialState.FAILED):
        checkpoint.remove(folder.trial(trial.number))
    written: dict[str, Path | str] = {"study": folder.path}
    if record.count(TrialState.COMPLETE):
        write_report(folder, record, folder.read_manifest())
        written["front, picture"] = folder.report / "front.png"
        written["front, table"] = folder.report / "front.csv"
        written["progress"] = folder.report / "progress.png"
    commands = [f"python -m search.status {study}"]
    if standing.front:
        written["exported"], command = _export(plan)
        commands += [command, f"python -m search.export {study} --prefer accuracy"]
        tracker.log_front()
    if not tracker.stop(_TRACKING_PATIENCE_S):
        behind = tracker.problem or f"{tracker.behind} events are on their way"
        console.say(f"MLflow has not heard everything yet: {behind}")
        commands.append(f"python -m search.sync {study}")
    console.summary(record, written=written, commands=commands)
    return record.count(TrialState.COMPLETE) > 0


def _export(plan: Plan) -> tuple[str, str]:
    """Export the preferred trial; return what became of it and the command to go on with. The result is safe anyway."""
    try:
        before = check_out(plan.out)
        bundle = write_bundle(plan.folder, plan.out)
    except (StudyError, OSError) as error:
        again = f"python -m search.export {shlex.quote(str(plan.folder.path))} --out DIR"
        return f"nothing: {error}", again
    replaced = f"; replaced that of {before}" if before not in ("", plan.folder.name) else ""
    return (
        f"{bundle.path} ({bundle.verification.note}{replaced})",
        f"python -m leukmodels.predictor {shlex.quote(str(bundle.path))} IMAGE...",
    )


def _prepare(plan: Plan, console: Console) -> Prepared:
    config = plan.config
    root = config.data or _drawn_cohort(plan, console)
    prepared = prepare(
        root,
        plan.task,
        config,
        synthetic=config.data is None,
        progress=lambda done, total: console.progress("Reading images", done, total),
    )
    for note in prepared.report.notes:
        console.say(note)
    console.say(prepared.report.words())
    return prepared


def _drawn_cohort(plan: Plan, console: Console) -> Path:
    cells = plan.config.cells_per_patient
    console.say("No --data given: searching on a DRAWN cohort. Its cells are pictures of nobody; no result is medical.")
    return draw_cohort(
        plan.folder.path.parent / "synthetic" / f"{cells}-cells-per-patient",
        cells_per_patient=cells,
        progress=lambda done, total: console.progress("Drawing cells", done, total),
    )


def _checked_name(name: str | None, task: Task) -> str:
    if name is None:
        return f"{task.name}-{datetime.datetime.now():%Y%m%d-%H%M%S}"
    if not _NAME.fullmatch(name) or name in _TAKEN:
        raise ConfigError(
            "This study cannot be named so:",
            [
                f"--name is {name!r}; give letters, digits, '.', '_' and '-', a letter or digit first "
                f"(and none of {', '.join(sorted(_TAKEN))})."
            ],
        )
    return name


def _check_classes(task: Task, config: SearchConfig) -> None:
    """Raise DataError or ConfigError where the data cannot hold the task's classes; opens no image."""
    if config.data:
        task.select(readers.read(task.reader, config.data).cells)
    elif task.reader != "mll":
        raise ConfigError(
            f"Task {task.name} needs images of its own (--data):",
            [f"A drawn cohort has the MLL layout, which the reader {task.reader!r} does not read."],
        )


def _refuse_other_data(folder: StudyFolder, prepared: Prepared) -> None:
    manifest = folder.read_manifest()
    now = {"data": prepared.report.fingerprint, "split": prepared.split.fingerprint}
    before = {"data": manifest["data"]["fingerprint"], "split": manifest["split"]["fingerprint"]}
    if now != before:
        raise StudyError(
            f"The images in {prepared.report.root} are not those that {folder.name} was begun with "
            f"(fingerprint {now['data'][:12]}, then {before['data'][:12]}). Restore them, say where they are "
            "(--data), or start a new study."
        )
