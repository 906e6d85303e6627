"""One study of trials that do nothing, timed: ``python overhead_study.py ours|bare TRIALS FOLDER``.

Prints the seconds from the first trial's start to the last one's end.
"""

import os
import sys
import time
from pathlib import Path
from typing import Any

from leukmodels.space import presets
from search.tuning.optuna_study import distribution
from studies import TOLD, begin, config, metrics, outcome

REPORTS, CPUS = 3, 2


class Idle:
    """Reports three epochs and its outcome at once."""

    def warm_up(self, plan: Any) -> None:
        """Nothing to import."""

    def train(self, params: Any, data: Any, *, plan: Any, seed: int, folder: Path, report: Any) -> dict[str, Any]:
        """Pretend to train."""
        measured = metrics(min(0.1 + int(folder.name) / 2000, 1.0), 0.8)  # better than all before: nobody is stopped
        for epoch in range(1, REPORTS + 1):
            report(epoch, measured | TOLD)
        return outcome(measured, REPORTS)


def ours(trials: int, folder: Path) -> float:
    """Return the time of this project's study, with journal, front, gauges, a log's display and MLflow following."""
    from cluster.session import open_session
    from search.display.console import Console
    from search.study.journal import read
    from search.study.objectives import Objectives
    from search.study.records import fold
    from search.tracking.prometheus import Gauges
    from search.tracking.tracker import Tracker, default_uri
    from search.tuning.study_loop import drive
    from search.tuning.tuner import Resources

    options = {"trials": trials, "epochs": REPORTS, "scheduler": "asha", "grace": 1, "plateau": 0}
    study = begin(folder / "study", **options)
    tracker = Tracker(study, uri=default_uri(folder))
    starts: list[float] = []
    with open_session(cpus=CPUS) as session, study.lock(), (folder / "log").open("w") as log:
        console = Console(log, planned_trials=trials, epochs=REPORTS, objectives=Objectives(), synthetic=True)

        def ready() -> None:
            tracker.start()
            starts.append(time.perf_counter())

        with console:
            drive(
                study,
                ready,
                config=config(**options),
                space=presets.space("small"),
                resources=Resources(concurrency=len(session.nodes) * CPUS, cpus=1, gpus=0, memory=2**20),
                listeners=(console.show, Gauges("overhead", Objectives())),
                experiment=Idle(),
            )
        if not tracker.stop(300):
            sys.exit(f"MLflow is behind: {tracker.problem}")
        taken = time.perf_counter() - starts[0]
        record = fold(read(study.journal))
        assert all(len(trial.epochs) == REPORTS for trial in record.trials.values())
    return taken


def bare(trials: int, folder: Path) -> float:
    """Return the time of Ray Tune with its OptunaSearch on two objectives, workers reused, none of its own loggers."""
    import ray
    from ray import tune
    from ray.tune.search.optuna import OptunaSearch

    def trainable(config: Any) -> None:
        for _ in range(REPORTS + 1):
            tune.report({"recall": 0.1 + config["dropout"], "accuracy": 0.8})

    class Timed(tune.Callback):
        began = 0.0

        def on_trial_start(self, **_: Any) -> None:
            self.began = self.began or time.perf_counter()

    timed = Timed()
    os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"
    ray.init(address="local", num_cpus=CPUS, log_to_driver=False)
    distributions = {name: distribution(dimension) for name, dimension in presets.space("small").dimensions.items()}
    tuner = tune.Tuner(
        tune.with_resources(trainable, {"cpu": 1}),
        tune_config=tune.TuneConfig(
            search_alg=OptunaSearch(space=distributions, metric=["recall", "accuracy"], mode=["max", "max"]),
            num_samples=trials,
            max_concurrent_trials=CPUS,
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(storage_path=str(folder), verbose=0, callbacks=[timed]),
    )
    tuner.fit()
    taken = time.perf_counter() - timed.began
    ray.shutdown()
    return taken


if __name__ == "__main__":
    side = {"ours": ours, "bare": bare}[sys.argv[1]]
    print(f"SECONDS {side(int(sys.argv[2]), Path(sys.argv[3]))}")
