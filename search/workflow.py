"""One study from its data to its exported bundle, new or resumed."""

import contextlib
import shlex
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from cluster.nodes import NodeState
from cluster.session import Session, gpus_per_trial, probe
from leukmodels import checkpoint
from leukmodels.cohort import cohort_bytes, draw_cohort
from leukmodels.errors import StudyError
from leukmodels.readers.source import Source, open_source
from leukmodels.shards import image_bytes
from search import comparison
from search.arithmetic import settle
from search.bundle import check_out, write_bundle
from search.data import admission, placing
from search.data.cache import PixelCache
from search.data.demand import Demand
from search.data.prepare import Prepared, prepare, write_listing
from search.display.console import Console
from search.folder import StudyFolder
from search.gauges import Gauges
from search.interruption import Interrupted
from search.journal import Event
from search.manifest import aims_of, begin, ladder_of
from search.planning import Plan
from search.preference import Preference
from search.records import StudyRecord, TrialState
from search.report import write_report
from search.standing import effort, stand
from search.study import drive
from search.tracking.tracker import Tracker, watch_command
from search.tuning import Resources

# How long an ended study waits for MLflow to hear the rest of it.
_TRACKING_PATIENCE_S = 30.0


def carry_out(plan: Plan, session: Session) -> bool:
    """Run the study to its end and say whether a trial succeeded; Interrupted leaves one that can be resumed."""
    config, folder = plan.config, plan.folder
    console = Console(
        planned_trials=config.trials,
        epochs=config.epochs,
        aims=aims_of(config),
        synthetic=config.data is None,
        time_budget_s=config.time_budget,
    )
    cache = PixelCache(plan.cache)
    with folder.lock(), cache.in_use(), console:
        source = open_source(config.data) if config.data else None
        gpus = gpus_per_trial(session, config.gpus_per_trial)
        demand = Demand.of(
            config,
            gpus=gpus,
            storage=folder.path.parent,
            cache=plan.cache,
            networks=plan.networks,
            data=Path(source.root) if source and source.local else None,
            drawn_bytes=0 if source or _cohort_place(plan).exists() else cohort_bytes(config.cells_per_patient),
        )
        states = probe(session, written=[demand.storage, demand.cache], read=[demand.data] if demand.data else [])
        settled = settle(config, states, gpus=gpus)
        plan = replace(plan, config=settled.config)
        admitted = admission.admit(states, demand)
        for note in admitted.notes:
            console.say(note)
        console.say(ladder_of(config).words())
        for note in plan.starts.notes:
            console.say(note)
        console.say(settled.words)
        if plan.prior:
            console.say(plan.prior.words(config.sampler))
        tracker, followed = Tracker(folder, uri=plan.uri), False

        def follow() -> None:
            nonlocal followed
            if not followed:
                followed = True
                tracker.start()

        def ready() -> placing.Placed:
            images = source or _drawn_cohort(plan, console)
            prepared, asked = _prepare(plan, images, cache, states, demand, console)
            if plan.changes is not None:
                _refuse_other_data(folder, prepared)
            plan.starts.refuse_other_split(prepared.split.fingerprint)
            placed = _place(prepared, cache, states, asked, admitted.concurrency, console)
            if plan.changes is None:
                _begin(plan, prepared)
            follow()
            console.link("Study", str(folder.path))
            console.link("MLflow", watch_command(plan.uri))
            if session.dashboard:
                console.link("Ray dashboard", session.dashboard)
            return placed

        try:
            record = drive(
                folder,
                ready,
                config=settled.config,
                space=plan.space,
                resources=Resources(
                    concurrency=admitted.concurrency,
                    cpus=config.cpus_per_trial,
                    gpus=gpus,
                    memory=admitted.trial_bytes,
                ),
                listeners=(console.show, Gauges(folder.name, aims_of(config)), partial(_forget, folder)),
                changes=plan.changes,
                prior=plan.prior,
            )
        except BaseException as end:
            tracker.release()
            if isinstance(end, Interrupted):
                console.say(_interrupted(plan, end))
            raise
        follow()  # a study that had nothing left to train
        return _finish(plan, record, console, tracker)


def _interrupted(plan: Plan, end: Interrupted) -> str:
    if not plan.folder.exists:
        return f"Interrupted by {end.signal} before the first trial; the images prepared so far are kept for the next."
    return (
        f"Interrupted by {end.signal}; nothing that was finished is lost. Go on with:\n"
        f"  python -m search.run --resume {shlex.quote(str(plan.folder.path))}"
    )


def _begin(plan: Plan, prepared: Prepared) -> None:
    write_listing(plan.folder.quarantine, prepared.quarantined)
    write_listing(plan.folder.duplicates, prepared.duplicates)
    plan.starts.copy_to(plan.folder)
    if plan.config.exclude:
        write_listing(plan.folder.excluded, prepared.excluded)
    begin(
        plan.folder,
        config=plan.config,
        task=plan.task,
        data=prepared.report,
        split=prepared.split,
        space=plan.space,
        command=plan.command,
        starts=plan.starts.to_dict(),
        prior=plan.prior,
    )


def _forget(folder: StudyFolder, record: StudyRecord, event: Event) -> None:
    """Remove the checkpoint of a trial that has ended without an outcome: of a large network it takes half a GB."""
    if event["event"] == "trial_finished" and event["state"] != TrialState.COMPLETE:
        with contextlib.suppress(OSError):
            checkpoint.remove(folder.trial(event["trial"]))


def _finish(plan: Plan, record: StudyRecord, console: Console, tracker: Tracker) -> bool:
    """Write the pictures and the export, tell MLflow the rest, and say it all; whether a trial succeeded."""
    folder = plan.folder
    study = shlex.quote(str(folder.path))
    standing = stand(record, aims_of(plan.config))
    written: dict[str, Path | str] = {"study": folder.path}
    if record.count(TrialState.COMPLETE):
        written |= write_report(folder, record, folder.read_manifest())
        tracker.log_report()
    commands = [f"python -m search.status {study}"]
    if standing.front:
        written["exported"], command = _export(plan)
        commands += [command, f"python -m search.export {study} --prefer accuracy"]
    if head := comparison.head_start(folder.read_manifest()):
        console.say(comparison.words(head, effort(record, aims_of(plan.config)), comparison.cold_start(folder)))
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
        bundle = write_bundle(plan.folder, plan.out, Preference())
    except (StudyError, OSError) as error:
        again = f"python -m search.export {shlex.quote(str(plan.folder.path))} --out DIR"
        return f"nothing: {error}", again
    replaced = f"; replaced that of {before}" if before not in ("", plan.folder.name) else ""
    return (
        f"{bundle.path} ({bundle.verification.note}{replaced})",
        f"python -m leukmodels.predictor {shlex.quote(str(bundle.path))} IMAGE...",
    )


def _prepare(
    plan: Plan,
    source: Source,
    cache: PixelCache,
    states: Sequence[NodeState],
    demand: Demand,
    console: Console,
) -> tuple[Prepared, Demand]:
    """Return what was prepared, and the demand with what that took of the disk."""
    read = False

    def admit(images: int) -> None:
        nonlocal demand
        demand = replace(demand, prepare_bytes=images * image_bytes(plan.config.image_px))
        admission.admit(states, demand)

    def progress(done: int, total: int) -> None:
        nonlocal read
        read = True
        console.progress("Reading images", done, total)

    prepared = prepare(
        source,
        plan.task,
        plan.config,
        cache,
        synthetic=plan.config.data is None,
        cores=sum(state.cores for state in states),
        admit=admit,
        progress=progress,
    )
    if not read:
        console.say("No image had to be read: all of them are in the cache.")
    for note in prepared.report.notes:
        console.say(note)
    console.say(prepared.report.words())
    return prepared, demand


def _place(
    prepared: Prepared,
    cache: PixelCache,
    states: Sequence[NodeState],
    demand: Demand,
    concurrency: int,
    console: Console,
) -> placing.Placed:
    placement = admission.place(
        states,
        demand,
        concurrency=concurrency,
        pixel_bytes=prepared.pixel_bytes,
        stream_bytes=placing.missing_stream_bytes(prepared, cache, window=demand.shuffle_window),
    )
    console.say(placement.words)
    if placement.streamed:
        return placing.stream(
            prepared,
            cache,
            window=demand.shuffle_window,
            progress=lambda done, total: console.progress("Writing shards", done, total),
        )
    return placing.share(prepared, cache)


def _drawn_cohort(plan: Plan, console: Console) -> Source:
    cells = plan.config.cells_per_patient
    console.say("No --data given: searching on a DRAWN cohort. Its cells are pictures of nobody; no result is medical.")
    return open_source(
        draw_cohort(
            _cohort_place(plan),
            cells_per_patient=cells,
            progress=lambda done, total: console.progress("Drawing cells", done, total),
        )
    )


def _cohort_place(plan: Plan) -> Path:
    return plan.folder.path.parent / "synthetic" / f"{plan.config.cells_per_patient}-cells-per-patient"


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
