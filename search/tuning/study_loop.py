"""A study from its first trial to its last: the one place where journal, searcher, scheduler and stopper meet."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ray.tune import TuneError

from leukmodels.errors import StudyError
from leukmodels.space.dimensions import Space
from search.data.sharing import SharedDataset
from search.study import journal
from search.study.config import SearchConfig, objectives_of
from search.study.folder import StudyFolder
from search.study.integrity import refuse_lost_journal
from search.study.manifest import WarmStart
from search.study.recorder import Listener, Recorder
from search.study.records import StudyRecord, TrialState, fold
from search.tuning.faults import Faults, Watch, kill_process, living_nodes
from search.tuning.scheduler import JournalingScheduler
from search.tuning.searcher import OptunaSearcher
from search.tuning.signals import Interrupted, interruptible
from search.tuning.stopping import Ending, Plateau
from search.tuning.successive_halving import RungSchedule, RungTable
from search.tuning.trial import Experiment, KerasExperiment, TrialPlan, trial_seed
from search.tuning.tuner import Resources, run_trials


def drive(
    folder: StudyFolder,
    ready: Callable[[], SharedDataset | None],
    *,
    config: SearchConfig,
    space: Space,
    resources: Resources,
    listeners: Sequence[Listener] = (),
    changes: Mapping[str, Any] | None = None,
    experiment: Experiment | None = None,
    prior: WarmStart | None = None,
) -> StudyRecord:
    """Run the study to its end, from wherever its journal stands, and return its record; the caller holds its lock.

    ``ready`` is called once, while the workers start, unless nothing is left to train: it begins the study on disk
    where it is new, and returns the data of the trials. What it raises is raised. ``changes`` is what a resume set anew
    (None: not a resume). Interrupted leaves a study that can be resumed. ``experiment`` stands in for the Keras
    training (see ``trial.Experiment``); ``prior`` is what another study gives.
    """
    refuse_lost_journal(folder)
    with journal.Journal(folder.journal) as written:
        objectives, ladder, record = objectives_of(config), RungSchedule.of(config), fold(journal.read(folder.journal))
        plateau = Plateau(record, objectives, window=config.plateau_trials, tolerance=config.tolerance)
        recorder = Recorder(written, record, (*listeners, plateau))
        plan = TrialPlan.of(folder, config, cpus=resources.cpus, gpus=resources.gpus)
        experiment, watch = experiment or KerasExperiment(), Watch(kill=kill_process)
        searcher = OptunaSearcher(
            recorder,
            space=space,
            sampler=config.sampler,
            complete=ladder.complete(config.trials),
            objectives=objectives,
            trials=config.trials,
            seed=config.seed,
            prior=prior,
        )
        start = _Start(ready, recorder, changes)
        try:
            with interruptible() as check:
                ending = Ending(config.time_budget, plateau, check=check)

                if searcher.has_more:
                    run_trials(
                        folder,
                        start,
                        searcher=searcher,
                        scheduler=JournalingScheduler(
                            recorder, RungTable(ladder, objectives, recorder.record), Faults(nodes=living_nodes), watch
                        ),
                        watch=watch,
                        stopper=ending,
                        plan=plan,
                        experiment=experiment,
                        resources=replace(resources, concurrency=min(resources.concurrency, searcher.left)),
                        first_trial=ending.begin,
                    )
                elif changes is not None:  # nothing to train, so no images to prepare
                    recorder.study_resumed(changes)
                _keep_finished(recorder, plan, experiment)
                for trial in recorder.record.by_state(TrialState.RUNNING):
                    recorder.trial_finished(
                        trial.number, TrialState.STOPPED, reason=f"the study ended: {ending.reason}"
                    )
                recorder.study_finished(ending.reason or "all trials done")
        except TuneError:
            if recorder.failure:
                raise recorder.failure from None
            raise
        except Interrupted as interruption:
            if start.begun:
                with contextlib.suppress(StudyError):  # the journal cannot be written
                    _keep_finished(recorder, plan, experiment)
                    recorder.study_interrupted(interruption.signal)
            raise
        return recorder.record


def _keep_finished(recorder: Recorder, plan: TrialPlan, experiment: Experiment) -> None:
    """Record the trials as complete whose outcome is on disk, though their report was not heard any more."""
    for trial in recorder.record.by_state(TrialState.RUNNING):
        with contextlib.suppress(OSError):  # the disk is away: a resume finds it
            outcome = experiment.finished(
                dict(trial.params),
                plan=plan,
                seed=trial_seed(plan.seed, trial.number),
                folder=plan.study.trial(trial.number),
            )
            if outcome is not None:
                recorder.trial_finished(trial.number, TrialState.COMPLETE, outcome=outcome)


class _Start:
    """The data of the trials, asked for once; from then on the study is begun, and a resume is in the journal."""

    def __init__(
        self, ready: Callable[[], SharedDataset | None], recorder: Recorder, changes: Mapping[str, Any] | None
    ) -> None:
        self._ready, self._recorder, self._changes = ready, recorder, changes
        self.begun = changes is not None

    def __call__(self) -> SharedDataset | None:
        placed = self._ready()
        self.begun = True
        if self._changes is not None:
            self._recorder.study_resumed(self._changes)
        return placed
