"""A study from its first trial to its last: the one place where journal, searcher, scheduler and stopper meet."""

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from cluster.session import Session, concurrent_trials, gpus_per_trial
from leukmodels.cells import TrainingData
from search import journal
from search.config import SearchConfig
from search.folder import StudyFolder
from search.interruption import Interrupted, interruptible
from search.manifest import Space, floors
from search.recorder import Listener, Recorder
from search.records import StudyRecord, TrialState, fold
from search.scheduler import JournalingScheduler
from search.searcher import OptunaSearcher
from search.stopping import TimeBudget
from search.trial import Experiment, TrialPlan, train_keras
from search.tuning import run_trials


def drive(
    folder: StudyFolder,
    data: TrainingData | None,
    *,
    config: SearchConfig,
    space: Space,
    session: Session,
    listeners: Sequence[Listener] = (),
    changes: Mapping[str, Any] | None = None,
    experiment: Experiment = train_keras,
) -> StudyRecord:
    """Run the study to its end, from wherever its journal stands, and return its record; the caller holds its lock.

    ``changes`` is what a resume set anew (None: not a resume). Interrupted leaves a study that can be resumed.
    ``experiment`` stands in for the Keras training (see ``trial.Experiment``).
    """
    gpus = gpus_per_trial(session, config.gpus_per_trial)
    concurrency = concurrent_trials(session, cpus=config.cpus_per_trial, gpus=gpus)
    with journal.Journal(folder.journal) as written:
        recorder = Recorder(written, fold(journal.read(folder.journal)), listeners)
        plan = TrialPlan(
            study=folder,
            epochs=config.epochs,
            patience=config.patience,
            seed=config.seed,
            split_fingerprint=folder.read_manifest()["split"]["fingerprint"],
            cpus=config.cpus_per_trial,
            gpus=gpus,
        )
        searcher = OptunaSearcher(
            recorder,
            space=space.dimensions,
            default=space.default,
            floors=floors(config),
            trials=config.trials,
            seed=config.seed,
        )
        try:
            with interruptible() as check:
                budget = TimeBudget(config.time_budget, check=check)
                if changes is not None:
                    recorder.study_resumed(changes)
                if searcher.has_more:
                    run_trials(
                        folder,
                        data,
                        searcher=searcher,
                        scheduler=JournalingScheduler(recorder),
                        stopper=budget,
                        plan=plan,
                        experiment=experiment,
                        concurrency=concurrency,
                    )
                for trial in recorder.record.by_state(TrialState.RUNNING):
                    recorder.trial_finished(trial.number, TrialState.STOPPED, reason="the time was up")
                recorder.study_finished("time budget" if budget.spent else "all trials done")
        except Interrupted as interruption:
            with contextlib.suppress(OSError):
                recorder.study_interrupted(interruption.signal)
            raise
        return recorder.record
