"""One study from its data to its exported bundle, new or resumed."""

import datetime
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cluster.session import Session
from leukmodels import checkpoint, readers
from leukmodels.cohort import draw_cohort
from leukmodels.errors import ConfigError, DataError, StudyError
from leukmodels.tasks import TASKS, Task, find_task
from search.bundle import check_out, default_out, write_bundle
from search.config import SearchConfig, configure, reconfigure
from search.display.console import Console
from search.display.figures import write_report
from search.folder import StudyFolder
from search.gauges import Gauges
from search.interruption import Interrupted
from search.prepare import Prepared, prepare, write_set_aside
from search.records import StudyRecord, TrialState
from search.standing import stand
from search.study import begin, drive, floors, keras_space, refuse_existing
from search.tracking.tracker import Tracker, default_uri, watch_command

# How long an ended study waits for MLflow to hear the rest of it.
_TRACKING_PATIENCE_S = 20.0
# `ray job stop` kills three seconds after it asked.
_INTERRUPTED_PATIENCE_S = 1.0


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One study to carry out; ``changes`` is what a resumed one was told anew, None for a new study."""

    folder: StudyFolder
    task: Task
    config: SearchConfig
    changes: Mapping[str, Any] | None
    command: str
    out: Path | None

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
    if config.data is None and task.reader != "mll":
        raise ConfigError(
            f"Task {task.name} needs images of its own (--data):",
            [f"A drawn cohort has the MLL layout, which the reader {task.reader!r} does not read."],
        )
    folder = StudyFolder(storage / (name or f"{task.name}-{datetime.datetime.now():%Y%m%d-%H%M%S}"))
    refuse_existing(folder)
    if out:
        check_out(out)
    return Plan(folder=folder, task=task, config=config, changes=None, command=command, out=out)


def plan_resume(folder: StudyFolder, *, given: Mapping[str, Any], out: Path | None, command: str) -> Plan:
    """Return the plan of going on with a study; StudyError where this version would search something else."""
    manifest = folder.read_manifest()
    config, changes = reconfigure(SearchConfig(**manifest["config"]), given)
    task = Task(**{**manifest["task"], **{key: tuple(manifest["task"][key]) for key in ("disease", "control")}})
    if manifest["space"] != keras_space().describe():
        raise StudyError(
            f"{folder.name} was begun with another search space than this version has; "
            "resume it with the version that began it, or start a new study."
        )
    return Plan(folder=folder, task=task, config=config, changes=changes, command=command, out=out)


def tasks_of(data: Path | None) -> list[str]:
    """Return every built-in task that the given data can answer, in order."""
    if data is None:
        return [name for name, task in TASKS.items() if task.reader == "mll"]
    reasons = []
    for reader in dict.fromkeys(task.reader for task in TASKS.values()):
        try:
            present = set(readers.read(reader, data).cells["class_name"].to_pylist())
        except DataError as error:
            reasons.append(f"{reader}: {error}")
            continue
        return [name for name, task in TASKS.items() if {*task.disease, *task.control} <= present]
    raise DataError(f"No built-in task can be answered from {data}:", reasons)


def carry_out(plan: Plan, session: Session) -> bool:
    """Run the study to its end and say whether a trial succeeded; Interrupted leaves one that can be resumed."""
    config, folder = plan.config, plan.folder
    with Console(
        planned_trials=config.trials,
        epochs=config.epochs,
        floors=floors(config),
        synthetic=config.data is None,
        time_budget_s=config.time_budget,
    ) as console:
        prepared = _prepare(plan, console)
        if plan.changes is None:
            _begin(plan, prepared)
        else:
            _refuse_other_data(folder, prepared)
        out = plan.out or default_out(folder, folder.read_manifest())
        check_out(out)  # before the training, not after it
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
            return _finish(plan, out, record, console, tracker)
        except Interrupted as interruption:
            console.say(
                f"Interrupted by {interruption.signal}; nothing that was finished is lost. Go on with:\n"
                f"  python -m search.run --resume {shlex.quote(str(folder.path))}"
            )
            raise
        finally:
            tracker.stop(_INTERRUPTED_PATIENCE_S)


def _begin(plan: Plan, prepared: Prepared) -> None:
    begin(
        plan.folder,
        config=plan.config,
        task=plan.task,
        data=prepared.report,
        split=prepared.split,
        space=keras_space(),
        command=plan.command,
    )
    write_set_aside(plan.folder.set_aside, prepared.set_aside)


def _finish(plan: Plan, out: Path, record: StudyRecord, console: Console, tracker: Tracker) -> bool:
    """Write the pictures and the export, tell MLflow the rest, and say it all; whether a trial succeeded."""
    folder = plan.folder
    manifest = folder.read_manifest()
    standing = stand(record, floors(plan.config))
    for trial in record.by_state(TrialState.STOPPED, TrialState.FAILED):
        checkpoint.remove(folder.trial(trial.number))
    written: dict[str, Path | str] = {"study": folder.path}
    if record.count(TrialState.COMPLETE):
        write_report(folder, record, manifest)
        written["front, picture"] = folder.report / "front.png"
        written["front, table"] = folder.report / "front.csv"
        written["progress"] = folder.report / "progress.png"
    commands = [f"python -m search.status {shlex.quote(str(folder.path))}"]
    if standing.front:
        bundle = write_bundle(folder, out)
        written["exported"] = f"{bundle.path} ({bundle.verification.note})"
        commands += [
            f"python -m leukmodels.predictor {shlex.quote(str(bundle.path))} IMAGE...",
            f"python -m search.export {shlex.quote(str(folder.path))} --prefer accuracy",
        ]
        tracker.log_front()
    if not tracker.stop(_TRACKING_PATIENCE_S):
        console.say(f"MLflow has not heard everything yet ({tracker.problem}).")
        commands.append(f"python -m search.sync {shlex.quote(str(folder.path))}")
    console.summary(record, written=written, commands=commands)
    return record.count(TrialState.COMPLETE) > 0


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


def _refuse_other_data(folder: StudyFolder, prepared: Prepared) -> None:
    manifest = folder.read_manifest()
    now = {"data": prepared.report.fingerprint, "split": prepared.split.fingerprint}
    before = {"data": manifest["data"]["fingerprint"], "split": manifest["split"]["fingerprint"]}
    if now != before:
        raise StudyError(
            f"The images in {manifest['data']['root']} are not those that {folder.name} was begun with "
            f"(fingerprint {now['data'][:12]}, then {before['data'][:12]}). Restore them, or start a new study."
        )
