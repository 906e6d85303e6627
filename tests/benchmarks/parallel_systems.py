"""The systems that bench_parallel times, each run in a fresh process of its own.

    python parallel_systems.py SYSTEM TRIALS EPOCHS ARRAYS FOLDER

A system is used as its documentation shows, with its defaults but for where it keeps its files. Each marks when its
search is called and when its front is on disk; trials keep their own times (``Load.timed``).
"""

import json
import multiprocessing
import sys
import time
from collections.abc import Callable, Mapping
from multiprocessing.synchronize import Barrier
from pathlib import Path
from types import MappingProxyType
from typing import Any

from parallel_load import OBJECTIVES, SMALLER, Load, cores, one_thread_and_warm, probed, train
from search.study.opened import Study
from studies import stored

LEARNING_RATES = SMALLER["learning_rate"].low, SMALLER["learning_rate"].high
FILTERS, DROPOUTS, OPTIMIZERS = (8, 32), (0.0, 0.6), ("adam", "adamw", "sgd", "rmsprop")


def probe(load: Load) -> None:
    """Tell how long the trials take on one thread."""
    data = load.data()
    one_thread_and_warm(load, data)
    (load.folder / "probe.json").write_text(json.dumps(probed(load, data)))


def one_after_another(load: Load) -> None:
    """T1: one warm Keras process on one thread, training only."""
    data = load.data()
    one_thread_and_warm(load, data)
    load.mark("search")
    load.write_front([_objectives(train(load, number, data)) for number in range(load.trials)])


def bare_processes(load: Load) -> None:
    """A warm one-thread process a core, taking one trial after the other, and no tuner: what the machine can give."""
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(cores() + 1)
    numbers, results = context.SimpleQueue(), context.SimpleQueue()
    workers = [context.Process(target=_bare_worker, args=(load, barrier, numbers, results)) for _ in range(cores())]
    for worker in workers:
        worker.start()
    barrier.wait()
    load.mark("search")
    for number in [*range(load.trials), *(None for _ in workers)]:
        numbers.put(number)
    load.write_front([results.get() for _ in range(load.trials)])
    for worker in workers:
        worker.join()


def _bare_worker(load: Load, barrier: Barrier, numbers: Any, results: Any) -> None:
    data = load.data()
    one_thread_and_warm(load, data)
    barrier.wait()
    while (number := numbers.get()) is not None:
        results.put(_objectives(train(load, number, data)))


def ours(load: Load, *, mlflow: bool = False) -> None:
    """This project: a study with journal, checkpoints, models and scores of every trial, and its report."""
    import studies
    from cluster.session import open_session
    from leukmodels.space import presets
    from parallel_load import IMAGE_PX
    from parallel_ours import FixedTrials, placed
    from search.report.gallery import write_gallery
    from search.study.records import TrialState
    from search.tracking.tracker import Tracker, default_uri
    from search.tuning.study_loop import drive
    from search.tuning.tuner import Resources

    options = {"trials": load.trials, "epochs": load.epochs, "patience": load.epochs, "image_px": IMAGE_PX}
    folder = studies.begin(load.folder / "study", **options)
    tracker = Tracker(folder, uri=default_uri(load.folder))
    with open_session(cpus=cores()) as session, folder.lock():
        if mlflow:
            tracker.start()
        load.mark("search")
        record = drive(
            folder,
            lambda: placed(load.data(stored(folder)["split"]["fingerprint"])),
            config=studies.config(**options),
            space=presets.space("small"),
            resources=Resources(
                concurrency=sum(node.holds(cpus=1, gpus=0) for node in session.nodes), cpus=1, gpus=0, memory=2**29
            ),
            experiment=FixedTrials(load),
        )
        write_gallery(Study.open(folder))
        # Its table is the front; the pictures come after it.
        load.mark("front", ago_s=time.time() - (folder.report / "front.csv").stat().st_mtime)
        for trial in record.by_state(TrialState.FAILED):
            print(trial.number, trial.reason)
        if mlflow and not tracker.stop(60):
            sys.exit(f"MLflow is behind: {tracker.problem}")


def ours_mlflow(load: Load) -> None:
    """The same, with MLflow following as in every search; it hears the last of it after the front is written."""
    ours(load, mlflow=True)


def ray_tune(load: Load) -> None:
    """Ray Tune with a function trainable and OptunaSearch."""
    import ray
    from ray import tune
    from ray.tune.search.optuna import OptunaSearch

    class Numbered(OptunaSearch):
        suggested = 0

        def suggest(self, trial_id: str) -> dict[str, Any] | None:
            suggestion = super().suggest(trial_id)
            if suggestion is None:
                return None
            self.suggested += 1
            return {**suggestion, "number": self.suggested - 1}

    def trainable(config: dict[str, Any], data: Any) -> None:
        train(load, config["number"], data, lambda epoch, numbers: tune.report(_named(numbers)))

    ray.init(address="local", num_cpus=cores())
    tuner = tune.Tuner(
        tune.with_parameters(trainable, data=load.data()),
        param_space={
            "learning_rate": tune.loguniform(*LEARNING_RATES),
            "filters": tune.randint(FILTERS[0], FILTERS[1] + 1),
            "dropout": tune.uniform(*DROPOUTS),
            "optimizer": tune.choice(OPTIMIZERS),
        },
        tune_config=tune.TuneConfig(
            search_alg=Numbered(metric=list(OBJECTIVES), mode=["max", "max"]), num_samples=load.trials
        ),
        run_config=tune.RunConfig(storage_path=str(load.folder / "ray_results")),
    )
    load.mark("search")
    results = tuner.fit()
    load.write_front([_objectives(result.metrics) for result in results if not result.error])


def keras_tuner(load: Load) -> None:
    """KerasTuner's RandomSearch with ``run_trial`` of its own, as its guide shows for what is no plain ``fit``."""
    import keras_tuner

    data = load.data()

    class Search(keras_tuner.RandomSearch):
        def run_trial(self, trial: Any) -> dict[str, float]:
            space = trial.hyperparameters
            space.Float("learning_rate", *LEARNING_RATES, sampling="log")
            space.Int("filters", *FILTERS)
            space.Float("dropout", *DROPOUTS)
            space.Choice("optimizer", OPTIMIZERS)
            return _named(train(load, int(trial.trial_id), data))

    tuner = Search(
        # Its list of objectives is refused for what run_trial returns, and would be their sum.
        objective=keras_tuner.Objective(OBJECTIVES[0], "max"),
        max_trials=load.trials,
        directory=load.folder / "keras_tuner",
    )
    load.mark("search")
    tuner.search()
    best_first = tuner.oracle.get_best_trials(load.trials)
    load.write_front([[trial.metrics.get_best_value(name) for name in OBJECTIVES] for trial in best_first])


def optuna_alone(load: Load) -> None:
    """Optuna's ``optimize``, one trial after the other in this process."""
    import optuna

    import leukmodels.training.training_loop  # noqa: F401  TensorFlow, which a script imports before it searches

    data = load.data()

    def objective(trial: Any) -> list[float]:
        trial.suggest_float("learning_rate", *LEARNING_RATES, log=True)
        trial.suggest_int("filters", *FILTERS)
        trial.suggest_float("dropout", *DROPOUTS)
        trial.suggest_categorical("optimizer", OPTIMIZERS)
        return _objectives(train(load, trial.number, data))

    study = optuna.create_study(directions=["maximize", "maximize"])
    load.mark("search")
    study.optimize(objective, n_trials=load.trials)
    load.write_front([trial.values for trial in study.best_trials])


def syne_tune(load: Load) -> None:
    """Syne Tune: random search on a local backend, a worker a core."""
    from syne_tune import StoppingCriterion, Tuner
    from syne_tune.backend import LocalBackend
    from syne_tune.config_space import choice, loguniform, randint, uniform
    from syne_tune.experiments import load_experiment
    from syne_tune.optimizer.schedulers.single_fidelity_scheduler import SingleFidelityScheduler

    import syne_tune_trial

    class Numbered(SingleFidelityScheduler):
        suggested = 0

        def suggest(self) -> Any:
            # Its stopping criterion would start more trials than asked for, and kill those.
            self.suggested += 1
            return super().suggest() if self.suggested <= load.trials else None

    space = {
        "learning_rate": loguniform(*LEARNING_RATES),
        "filters": randint(*FILTERS),
        "dropout": uniform(*DROPOUTS),
        "optimizer": choice(list(OPTIMIZERS)),
        **{"trials": load.trials, "epochs": load.epochs, "arrays": str(load.arrays), "folder": str(load.folder)},
    }
    tuner = Tuner(
        trial_backend=LocalBackend(entry_point=syne_tune_trial.__file__),
        scheduler=Numbered(space, metrics=list(OBJECTIVES), do_minimize=False),  # random search is its default
        stop_criterion=StoppingCriterion(max_num_trials_finished=load.trials),
        n_workers=cores(),
    )
    load.mark("search")
    tuner.run()
    table = load_experiment(tuner.name).results
    load.write_front(table.groupby("trial_id").last()[list(OBJECTIVES)].to_numpy())


def _objectives(numbers: Mapping[str, float]) -> list[float]:
    return [numbers[name] for name in OBJECTIVES]


def _named(numbers: Mapping[str, float]) -> dict[str, float]:
    return {name: numbers[name] for name in OBJECTIVES}


REFERENCE = "one-after-another"
SYSTEMS: Mapping[str, Callable[[Load], None]] = MappingProxyType(
    {
        REFERENCE: one_after_another,
        "bare-processes": bare_processes,
        "ours": ours,
        "ours-mlflow": ours_mlflow,
        "ray-tune": ray_tune,
        "keras-tuner": keras_tuner,
        "optuna": optuna_alone,
        "syne-tune": syne_tune,
    }
)


if __name__ == "__main__":
    name, trials, epochs, arrays, folder = sys.argv[1:]
    load = Load(trials=int(trials), epochs=int(epochs), arrays=Path(arrays), folder=Path(folder))
    {**SYSTEMS, "probe": probe}[name](load)
