"""Ray Tune, told to keep out of what the journal does: no restore, no loggers, no checkpoints of its own."""

import logging
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from ray import tune
from ray.tune import FailureConfig, RunConfig, Stopper, TuneConfig, Tuner
from ray.tune.experiment import Trial

from search.study.folder import StudyFolder
from search.tuning.faults import Watch
from search.tuning.scheduler import JournalingScheduler
from search.tuning.searcher import OptunaSearcher
from search.tuning.trial import Experiment, TrialPlan, run
from search.tuning.warmup import Ready, StartCounter, WarmSearcher, WarmStopper, WarmUps

# A worker that is lost (node gone, out of memory) is replaced this often; errors of the trial itself are outcomes, and
# faults of the machine do not count (faults.py).
_LOST_WORKERS = 2

_VARIABLES = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # see signals.py
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000",  # its state is never read back
    "TUNE_WARN_THRESHOLD_S": "3600",
    "RAY_AIR_NEW_OUTPUT": "0",
}


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What trials get: how many run at once, and CPUs, GPUs and bytes of memory of each."""

    concurrency: int
    cpus: int
    gpus: float
    memory: int


def run_trials(
    folder: StudyFolder,
    ready: Ready,
    *,
    searcher: OptunaSearcher,
    scheduler: JournalingScheduler,
    stopper: Stopper,
    plan: TrialPlan,
    experiment: Experiment,
    resources: Resources,
    first_trial: Callable[[], None],
    watch: Watch,
) -> None:
    """Run trials until the searcher has no more or the stopper ends them.

    ``ready`` prepares the data while the workers start (see ``warmup``); what it raises ends the search and is raised.
    ``first_trial`` is called as the first trial starts; ``watch`` looks after the workers.
    """
    for name, value in _VARIABLES.items():
        os.environ.setdefault(name, value)
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)  # what goes wrong is in the journal, and shown from there
    warm_ups = WarmUps(resources.concurrency, ready)
    scheduler.on_warm_up_failure, scheduler.on_hopeless = warm_ups.failed, warm_ups.broken
    trainable = tune.with_resources(
        partial(run, plan=plan, experiment=experiment),
        {"cpu": resources.cpus, "gpu": resources.gpus, "memory": resources.memory},
    )
    shutil.rmtree(folder.scratch, ignore_errors=True)
    tuner = Tuner(
        trainable,
        tune_config=TuneConfig(
            search_alg=WarmSearcher(searcher, warm_ups),
            scheduler=scheduler,
            num_samples=-1,  # the searcher says when it is enough
            max_concurrent_trials=resources.concurrency,
            reuse_actors=True,  # TensorFlow's import is paid once a worker
            trial_name_creator=_trial_name,
            trial_dirname_creator=_trial_name,
        ),
        run_config=RunConfig(
            name="tune",
            storage_path=str(folder.scratch),
            stop=WarmStopper(stopper, warm_ups, watch.look),
            callbacks=[StartCounter(warm_ups, first_trial, scheduler.keep_off)],
            failure_config=FailureConfig(max_failures=_LOST_WORKERS),
            verbose=0,
        ),
    )
    try:
        tuner.fit()
    finally:
        shutil.rmtree(folder.scratch, ignore_errors=True)


def _trial_name(trial: Trial) -> str:
    number = trial.config["number"]
    return f"warm-up-{trial.trial_id}" if number is None else f"trial-{number}"
