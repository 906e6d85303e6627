"""One study from its data to its exported bundle, new or resumed."""

import contextlib
import shlex
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from cluster.session import Session
from leukmodels.errors import StudyError, UserError
from leukmodels.training import checkpoint
from search.display.console import Console
from search.export.bundle import write_bundle
from search.export.destination import check_out
from search.report.gallery import write_gallery
from search.report.write import write_page
from search.run.planning import Plan
from search.run.preparation import Preparation
from search.run.resources import StudyResources
from search.selection import head_start
from search.selection.preference import Preference
from search.study.config import objectives_of
from search.study.folder import StudyFolder
from search.study.front import effort
from search.study.journal import Event
from search.study.opened import Study
from search.study.records import StudyRecord, TrialState
from search.tracking.prometheus import Gauges
from search.tracking.tracker import Tracker
from search.tuning.signals import Interrupted
from search.tuning.study_loop import drive
from search.tuning.successive_halving import RungSchedule

if TYPE_CHECKING:
    from pathlib import Path

# How long an ended study waits for MLflow to hear the rest of it.
_TRACKING_PATIENCE_S = 30.0


def carry_out(plan: Plan, session: Session) -> bool:
    """Run the study to its end and say whether a trial succeeded; Interrupted leaves one that can be resumed."""
    config, folder = plan.config, plan.folder
    console = Console(
        planned_trials=config.trials,
        epochs=config.epochs,
        objectives=objectives_of(config),
        synthetic=config.data is None,
        time_budget_s=config.time_budget,
    )
    cache = plan.pixel_cache
    with folder.lock(), cache.in_use(), console:
        found = StudyResources(plan, session, cache, console)
        plan = replace(plan, config=found.config)
        for note in (RungSchedule.of(config).describe(), *plan.starts.notes, *found.notes):
            console.say(note)
        if plan.prior:
            console.say(plan.prior.describe(config.sampler))
        tracker = Tracker(folder, uri=plan.uri)
        preparation = Preparation(plan, found, tracker, console, dashboard=session.dashboard)
        try:
            record = drive(
                folder,
                preparation,
                config=plan.config,
                space=plan.space,
                resources=found.resources,
                listeners=(console.show, Gauges(folder.name, objectives_of(config)), partial(_forget, folder)),
                changes=plan.changes,
                prior=plan.prior,
            )
        except BaseException as end:
            tracker.release()
            if isinstance(end, Interrupted):
                console.say(_interrupted(plan, end))
            raise
        preparation.follow()  # a study that had nothing left to train
        return _finish(plan, record, console, tracker)


def _interrupted(plan: Plan, end: Interrupted) -> str:
    if not plan.folder.exists:
        return f"Interrupted by {end.signal} before the first trial; the images prepared so far are kept for the next."
    return (
        f"Interrupted by {end.signal}; nothing that was finished is lost. Go on with:\n"
        f"  python -m search.run --resume {shlex.quote(str(plan.folder.path))}"
    )


def _forget(folder: StudyFolder, record: StudyRecord, event: Event) -> None:
    """Remove the checkpoint of a trial that has ended without an outcome: of a large network it takes half a GB."""
    if event["event"] == "trial_finished" and event["state"] != TrialState.COMPLETE:
        with contextlib.suppress(OSError):
            checkpoint.remove(folder.trial(event["trial"]))


def _finish(plan: Plan, record: StudyRecord, console: Console, tracker: Tracker) -> bool:
    """Write the pictures, the export and the page, tell MLflow the rest, and say it all; whether a trial succeeded."""
    folder, study = plan.folder, Study.open(plan.folder)
    named = shlex.quote(str(folder.path))
    written: dict[str, Path | str] = {"study": folder.path}
    if record.count(TrialState.COMPLETE):
        written |= write_gallery(study)
        tracker.log_report()
    commands = [f"python -m search.status {named}"]
    if study.front.trials:
        written["exported"], command = _export(plan, study)
        commands += [command, f"python -m search.confirm {named}", f"python -m search.export {named} --prefer accuracy"]
    if record.count(TrialState.COMPLETE):
        written["page"] = _page(folder)
    if head := head_start.head_start(study.manifest):
        console.say(head_start.describe(head, effort(record, study.objectives), head_start.cold_start(study)))
    if not tracker.stop(_TRACKING_PATIENCE_S):
        behind = tracker.problem or f"{tracker.behind} events are on their way"
        console.say(f"MLflow has not heard everything yet: {behind}")
        commands.append(f"python -m search.audit {named} --sync")
    console.summary(record, written=written, commands=commands)
    return record.count(TrialState.COMPLETE) > 0


def _page(folder: StudyFolder) -> "Path | str":
    """Write the page and return where; or why there is none: the result is safe anyway."""
    try:
        return write_page(folder)
    except (StudyError, OSError) as error:
        return f"nothing: {error}"


def _export(plan: Plan, study: Study) -> tuple[str, str]:
    """Export the preferred trial; return what became of it and the command to go on with. The result is safe anyway."""
    try:
        before = check_out(plan.out)
        bundle = write_bundle(study, plan.out, Preference())
    except (UserError, OSError) as error:
        again = f"python -m search.export {shlex.quote(str(plan.folder.path))} --out DIR"
        return f"nothing: {error}", again
    another = before and before.study.id != study.manifest.study_id
    replaced = f"; replaced that of {before.study.name}" if before and another else ""
    standing = f". {bundle.standing}" if bundle.standing else ""
    return (
        f"{bundle.path} ({bundle.verification.note}{replaced}){standing}",
        f"python -m leukmodels.predictor {shlex.quote(str(bundle.path))} IMAGE...",
    )
