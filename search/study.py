"""A study from its first trial to its last: the one place where journal, searcher, scheduler and stopper meet."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from search import journal
from search.config import SearchConfig
from search.data.placing import Placed
from search.folder import StudyFolder
from search.interruption import Interrupted, interruptible
from search.manifest import Space, floors
from search.recorder import Listener, Recorder
from search.records import StudyRecord, TrialState, fold
from search.scheduler import JournalingScheduler
from search.searcher import OptunaSearcher
from search.stopping import TimeBudget
from search.trial import Experiment, KerasExperiment, TrialPlan
from search.tuning import Resources, run_trials


def drive(
    folder: StudyFolder,
    ready: Callable[[], Placed | None],
    *,
    config: SearchConfig,
    space: Space,
    resources: Resources,
    listeners: Sequence[Listener] = (),
    changes: Mapping[str, Any] | None = None,
    experiment: Experiment | None = None,
) -> StudyRecord:
    """Run the study to its end, from wherever its journal stands, and return its record; the caller holds its lock.

    ``ready`` is called once, while the workers start: it begins the study on disk where it is new, and returns the data
    of the trials. What it raises is raised. ``changes`` is what a resume set anew (None: not a resume). Interrupted
    leaves a study that can be resumed. ``experiment`` stands in for the Keras training (see ``trial.Experiment``).
    """
    with journal.Journal(folder.journal) as written:
        recorder = Recorder(written, fold(journal.read(folder.journal)), listeners)
        plan = TrialPlan(
            study=folder,
            epochs=config.epochs,
            patience=config.patience,
            seed=config.seed,
            cpus=resources.cpus,
            gpus=resources.gpus,
        )
        searcher = OptunaSearcher(
            recorder,
            space=space.dimensions,
            default=space.default,
            floors=floors(config),
            trials=config.trials,
            seed=config.seed,
        )
        begun = changes is not None
        try:
            with interruptible() as check:
                budget = TimeBudget(config.time_budget, check=check)

                def begin() -> Placed | None:
                    nonlocal begun
                    placed = ready()
                    begun = True
                    if changes is not None:
                        recorder.study_resumed(changes)
                    return placed

                if searcher.has_more:
                    run_trials(
                        folder,
                        begin,
                        searcher=searcher,
                        scheduler=JournalingScheduler(recorder),
                        stopper=budget,
                        plan=plan,
                        experiment=experiment or KerasExperiment(),
                        resources=replace(resources, concurrency=min(resources.concurrency, searcher.left)),
                        first_trial=budget.begin,
                    )
                else:
                    begin()
                for trial in recorder.record.by_state(TrialState.RUNNING):
                    recorder.trial_finished(trial.number, TrialState.STOPPED, reason="the time was up")
                recorder.study_finished("time budget" if budget.spent else "all trials done")
        except Interrupted as interruption:
            if begun:
                with contextlib.suppress(OSError):
                    recorder.study_interrupted(interruption.signal)
            raise
        return recorder.record
