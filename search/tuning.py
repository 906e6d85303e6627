"""Ray Tune, told to keep out of what the journal does: no restore, no loggers, no checkpoints of its own."""

import logging
import os
import shutil
from functools import partial

import ray
from ray import tune
from ray.tune import FailureConfig, RunConfig, Stopper, TuneConfig, Tuner
from ray.tune.experiment import Trial

from leukmodels.cells import TrainingData
from search.folder import StudyFolder
from search.scheduler import JournalingScheduler
from search.searcher import OptunaSearcher
from search.trial import Experiment, TrialPlan, run_trial

# A worker that is lost (node gone, out of memory) is replaced this often; errors of the trial itself are outcomes.
_LOST_WORKERS = 2

_VARIABLES = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # see interruption.py
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000",  # its state is never read back
    "TUNE_WARN_THRESHOLD_S": "3600",
    "RAY_AIR_NEW_OUTPUT": "0",
}


def run_trials(
    folder: StudyFolder,
    data: TrainingData | None,
    *,
    searcher: OptunaSearcher,
    scheduler: JournalingScheduler,
    stopper: Stopper,
    plan: TrialPlan,
    experiment: Experiment,
    concurrency: int,
) -> None:
    """Run trials until the searcher has no more or the stopper ends them.

    ``data`` is put into shared memory once, and stays there until this process leaves the Ray session.
    """
    for name, value in _VARIABLES.items():
        os.environ.setdefault(name, value)
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)  # what goes wrong is in the journal, and shown from there
    shared = ray.put(data)
    trainable = tune.with_resources(
        partial(_run, data=shared, plan=plan, experiment=experiment), {"cpu": plan.cpus, "gpu": plan.gpus}
    )
    shutil.rmtree(folder.scratch, ignore_errors=True)
    tuner = Tuner(
        trainable,
        tune_config=TuneConfig(
            search_alg=searcher,
            scheduler=scheduler,
            num_samples=-1,  # the searcher says when it is enough
            max_concurrent_trials=concurrency,
            reuse_actors=True,  # TensorFlow's import is paid once a worker
            trial_name_creator=_trial_name,
            trial_dirname_creator=_trial_name,
        ),
        run_config=RunConfig(
            name="tune",
            storage_path=str(folder.scratch),
            stop=stopper,
            failure_config=FailureConfig(max_failures=_LOST_WORKERS),
            verbose=0,
        ),
    )
    try:
        tuner.fit()
    finally:
        shutil.rmtree(folder.scratch, ignore_errors=True)


def _run(config: dict[str, object], *, data: ray.ObjectRef, plan: TrialPlan, experiment: Experiment) -> None:
    run_trial(config, data=ray.get(data), plan=plan, experiment=experiment)


def _trial_name(trial: Trial) -> str:
    return f"trial-{trial.config['number']}"
