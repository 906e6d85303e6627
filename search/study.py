"""A study from its first trial to its last: the one place where journal, searcher, scheduler and stopper meet."""

import contextlib
import datetime
import importlib.metadata
import json
import platform
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from cluster.session import Session, check_fits
from leukmodels import hparams
from leukmodels.cells import TrainingData
from leukmodels.errors import StudyError
from leukmodels.space import Dimension
from leukmodels.split import Split
from leukmodels.tasks import Task
from search import journal
from search.config import SearchConfig
from search.folder import StudyFolder, write_whole
from search.interruption import Interrupted, interruptible
from search.prepare import DataReport
from search.recorder import Listener, Recorder
from search.records import StudyRecord, TrialState, fold
from search.standing import OBJECTIVES, Floors

_VERSIONED = ("ray", "tensorflow", "keras", "optuna", "mlflow", "numpy", "pillow")


@dataclass(frozen=True, kw_only=True)
class Space:
    """What is searched: the dimensions by name, and the configuration that is tried first."""

    dimensions: Mapping[str, Dimension]
    default: Mapping[str, Any]

    def describe(self) -> dict[str, str]:
        """Return each dimension in words, as ``study.json`` keeps it."""
        return {name: dimension.describe() for name, dimension in self.dimensions.items()}


def keras_space() -> Space:
    """Return the space of ``leukmodels.hparams``."""
    return Space(dimensions=hparams.space(), default=hparams.defaults())


def begin(
    folder: StudyFolder, *, config: SearchConfig, task: Task, data: DataReport, split: Split, space: Space, command: str
) -> None:
    """Write what a new study is about; StudyError where one of this name exists already."""
    refuse_existing(folder)
    manifest = {
        "schema": 1,
        "name": folder.name,
        "study_id": uuid.uuid4().hex,
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "task": asdict(task),
        "config": config.model_dump(mode="json"),
        "objectives": OBJECTIVES,
        "floors": asdict(floors(config)),
        "space": space.describe(),
        "seed": config.seed,
        "data": data.to_dict(),
        "split": {"fingerprint": split.fingerprint, "seed": config.split_seed},
        "versions": {"python": platform.python_version()}
        | {name: importlib.metadata.version(name) for name in _VERSIONED},
        "command": command,
    }
    folder.trials.mkdir(parents=True, exist_ok=True)
    split.save(folder.split)
    # Last: a folder without study.json is no study, so one that was begun and lost can be begun again.
    write_whole(folder.manifest, json.dumps(manifest, indent=2) + "\n")


def refuse_existing(folder: StudyFolder) -> None:
    """Raise StudyError where a study of this name exists already."""
    if folder.exists:
        raise StudyError(
            f"There is a study named {folder.name} in {folder.path.parent} already. Go on with it "
            f"(--resume {folder.name}), or give the new one another name (--name)."
        )


def floors(config: SearchConfig) -> Floors:
    """Return the floors that ``config`` asks for."""
    return Floors(specificity=config.min_specificity, recall=config.min_recall)


def drive(
    folder: StudyFolder,
    data: TrainingData | None,
    *,
    config: SearchConfig,
    space: Space,
    session: Session,
    listeners: Sequence[Listener] = (),
    changes: Mapping[str, Any] | None = None,
    experiment: Callable[..., dict[str, Any]] | None = None,
) -> StudyRecord:
    """Run the study to its end, from wherever its journal stands, and return its record.

    ``changes`` is what a resume set anew (None: not a resume). Interrupted leaves a study that can be resumed.
    ``experiment`` stands in for the Keras training (see ``trial.Experiment``).
    """
    concurrency = check_fits(session, cpus_per_trial=config.cpus_per_trial, gpus_per_trial=config.gpus_per_trial)
    with folder.lock(), journal.Journal(folder.journal) as written:
        recorder = Recorder(written, fold(journal.read(folder.journal)), listeners)
        try:
            with interruptible():
                if changes is not None:
                    recorder.study_resumed(changes)
                _search(folder, data, recorder, config, space, experiment, concurrency)
        except Interrupted as interruption:
            with contextlib.suppress(OSError):
                recorder.study_interrupted(interruption.signal)
            raise
        return recorder.record


def _search(
    folder: StudyFolder,
    data: TrainingData | None,
    recorder: Recorder,
    config: SearchConfig,
    space: Space,
    experiment: Callable[..., dict[str, Any]] | None,
    concurrency: int,
) -> None:
    # Optuna and Tune take seconds to import; beginning a study does not need them.
    from search.scheduler import JournalingScheduler
    from search.searcher import OptunaSearcher
    from search.stopping import TimeBudget
    from search.trial import TrialPlan, train_keras
    from search.tuning import run_trials

    searcher = OptunaSearcher(
        recorder,
        space=space.dimensions,
        default=space.default,
        floors=floors(config),
        trials=config.trials,
        seed=config.seed,
    )
    budget = TimeBudget(config.time_budget)
    plan = TrialPlan(
        epochs=config.epochs,
        patience=config.patience,
        seed=config.seed,
        threads=config.cpus_per_trial,
        trials=folder.trials,
    )
    run_trials(
        folder,
        data,
        searcher=searcher,
        scheduler=JournalingScheduler(recorder),
        stopper=budget,
        plan=plan,
        experiment=experiment or train_keras,
        concurrency=concurrency,
        cpus=config.cpus_per_trial,
        gpus=config.gpus_per_trial,
    )
    for trial in recorder.record.by_state(TrialState.RUNNING):
        searcher.tell(recorder.trial_finished(trial.number, TrialState.STOPPED, reason="the time was up"))
    recorder.study_finished("time budget" if budget.spent else "all trials done")
