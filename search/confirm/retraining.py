"""Trials' configurations trained on other patients, and cells scored by models: as Ray tasks, several at once.

Plain tasks: Ray keeps their processes from one to the next, so TensorFlow's import is paid once a worker, and runs a
task again whose worker was lost.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import ray

from leukmodels.dataset.folds import CVRound
from leukmodels.errors import StudyError
from search.data.sharing import PlacedPart, SharedDataset
from search.study.confirmation_log import Retraining
from search.study.manifest import Manifest
from search.tuning.trial import KerasExperiment, TrialPlan, trial_seed
from search.tuning.tuner import Resources

_LOST_WORKERS = 2
_LOOK_S = 0.5


@dataclass(frozen=True, kw_only=True, eq=False)
class Task:
    """One retraining: which, with which hyperparameters, on whom; where its checkpoint and scores are kept."""

    which: Retraining
    params: dict[str, Any]
    round: CVRound
    folder: Path


@dataclass(frozen=True, kw_only=True, eq=False)
class Answer:
    """What came of a retraining: its metrics of the patients scored, or the reason why there are none."""

    which: Retraining
    metrics: dict[str, float]
    best_epoch: int = 0
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Test:
    """Whose model scores the test cells, and what has to be known to show examples of its answers."""

    trial: int
    threshold: float
    black_background: bool


class Models(Protocol):
    """How models are trained again, and asked; both run in Ray workers."""

    def retrain(self, task: Task, data: SharedDataset, plan: TrialPlan) -> Answer:
        """Train, and keep the scores of the other patients as scores.parquet in the task's folder."""

    def test(self, model: Path, cells: PlacedPart, place: Path, test: Test, plan: TrialPlan) -> int:
        """Ask a trial's model about test cells; keep <trial>.parquet and examples in ``place``; return the trial."""


class KerasModels:
    """Keras models: those of every real study."""

    def retrain(self, task: Task, data: SharedDataset, plan: TrialPlan) -> Answer:
        """Train; a training that diverges is an answer."""
        KerasExperiment().warm_up(plan)
        from leukmodels.dataset.cells import join
        from leukmodels.errors import TrainingDivergedError
        from leukmodels.evaluation.metrics import score
        from leukmodels.space.hyperparameters import HyperParams
        from leukmodels.training import checkpoint
        from leukmodels.training.cross_validation import Development, train_and_predict
        from leukmodels.training.scoring import write_scores
        from leukmodels.training.training_loop import Budget
        from search.tuning.initial_weights import starts_in

        opened = data.open()
        cells = join(opened.train, opened.validation)
        manifest = Manifest.read(plan.study)
        try:
            asked = train_and_predict(
                Development(
                    cells=cells,
                    black_background=opened.black_background,
                    split_fingerprint=opened.split_fingerprint,
                ),
                task.round,
                HyperParams.from_dict(task.params),
                budget=Budget(epochs=plan.epochs, patience=plan.patience),
                seed=trial_seed(plan.seed, f"confirmed {task.which.name}"),
                folder=task.folder,
                report=lambda epoch, metrics: None,
                weights=starts_in(manifest, plan.study),
                precision=plan.precision,
            )
        except TrainingDivergedError as error:
            checkpoint.remove(task.folder)
            return Answer(which=task.which, metrics={}, reason=str(error))
        about = cells.take(task.round.held_out)
        write_scores(task.folder / "scores.parquet", about, asked.scores)
        checkpoint.remove(task.folder)
        metrics = score(about.labels, asked.scores).to_dict()
        return Answer(which=task.which, metrics=metrics, best_epoch=asked.best_epoch)

    def test(self, model: Path, cells: PlacedPart, place: Path, test: Test, plan: TrialPlan) -> int:
        """Ask the model, loaded in safe mode."""
        KerasExperiment().warm_up(plan)
        from leukmodels.model.build import load
        from leukmodels.training.scoring import predict, scoring, write_scores
        from search.confirm.examples import write_examples

        opened, loaded = cells.open(), load(model)
        scores = predict(scoring(loaded), opened.pixels)
        write_examples(
            loaded,
            opened,
            scores,
            place / str(test.trial),
            threshold=test.threshold,
            black_background=test.black_background,
        )
        write_scores(place / f"{test.trial}.parquet", opened, scores)
        return test.trial


def run_tasks(
    function: Callable[..., Any], tasks: Sequence[tuple[Any, ...]], *, resources: Resources, check: Callable[[], None]
) -> Iterator[Any]:
    """Yield what ``function`` returns of each task (its arguments) as they end; StudyError where a worker fails.

    Arguments that are references of Ray are what they refer to when the function is called.

    ``check`` is called now and then, and may raise; whatever ends this early ends the tasks.
    """
    remote = ray.remote(
        num_cpus=resources.cpus,
        num_gpus=resources.gpus,
        memory=resources.memory,
        max_retries=_LOST_WORKERS,
        max_calls=0,  # with GPUs Ray would start a process for each task
    )(_call)
    waiting, running = list(reversed(tasks)), list[ray.ObjectRef]()
    try:
        while waiting or running:
            while waiting and len(running) < resources.concurrency:
                running.append(remote.remote(function, *waiting.pop()))
            ended, running = ray.wait(running, timeout=_LOOK_S)
            check()
            for each in ended:
                yield _result(each)
    finally:
        for each in running:
            ray.cancel(each, force=True)


def _call(function: Callable[..., Any], *arguments: Any) -> Any:
    """Run a task: Ray takes functions, and ``function`` is a method."""
    return function(*arguments)


def _result(reference: "ray.ObjectRef") -> Any:
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError:
        raise  # an error of ours: a user's, or a bug, with its traceback
    except ray.exceptions.RayError as error:
        raise StudyError(
            f"A worker was lost {_LOST_WORKERS + 1} times ({type(error).__name__}). What was finished is kept: run the "
            "same command again, with a smaller --concurrency if memory is short."
        ) from error
