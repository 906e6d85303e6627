"""Peers of the search, as their documentation has them used, for ``simulation.replay``.

Each tries the default configuration first and is told the bound on specificity where it has a means for that: Optuna
has both, Ray Tune the first only, KerasTuner and Syne Tune neither.
"""

import random
import tempfile
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras_tuner
import numpy as np
import optuna
from keras_tuner.src.tuners.hyperband import HyperbandOracle
from keras_tuner.src.tuners.randomsearch import RandomSearchOracle
from ray.tune.schedulers import AsyncHyperBandScheduler, TrialScheduler
from syne_tune import config_space as syne_space
from syne_tune.backend.trial_status import Trial
from syne_tune.optimizer.scheduler import SchedulerDecision
from syne_tune.optimizer.schedulers.multiobjective.moasha import MOASHA
from syne_tune.optimizer.schedulers.multiobjective.multiobjective_priority import MOPriority

from leukmodels.space.dimensions import Choice, Float, Int
from search.selection.nondominated import rank
from search.study.objectives import OBJECTIVES, Objectives
from search.tuning.optuna_study import distribution
from simulation import Curves, Suggestion

optuna.logging.set_verbosity(optuna.logging.ERROR)


class OptunaAlone:
    """Optuna's sampler on recall and accuracy with its constraint; every trial runs to its end."""

    def __init__(self, curves: Curves, objectives: Objectives, sampler: optuna.samplers.BaseSampler) -> None:
        self._objectives = objectives
        self._distributions = {name: distribution(of) for name, of in curves.space.dimensions.items()}
        self._study = optuna.create_study(directions=["maximize"] * len(OBJECTIVES), sampler=sampler)
        self._study.enqueue_trial(dict(curves.space.default))
        self._asked: dict[str, optuna.Trial] = {}

    def suggest(self, trial: str) -> Suggestion:
        self._asked[trial] = self._study.ask(self._distributions)
        return Suggestion(params=self._asked[trial].params)

    def report(self, trial: str, epoch: int, metrics: dict[str, float]) -> bool:
        return True

    def end(self, trial: str, metrics: dict[str, float], *, whole: bool) -> None:
        asked = self._asked.pop(trial)
        for name, violation in self._objectives.violations(metrics).items():
            asked.set_constraint(name, violation)
        self._study.tell(asked, [metrics[name] for name in OBJECTIVES])


class AshaOnRecall:
    """Ray Tune's ASHA with its Optuna search, on recall alone; as there, the last value is told of every trial."""

    def __init__(self, curves: Curves, *, seed: int) -> None:
        self._distributions = {name: distribution(of) for name, of in curves.space.dimensions.items()}
        self._study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))
        self._study.enqueue_trial(dict(curves.space.default))
        self._scheduler = AsyncHyperBandScheduler(
            metric="recall", mode="max", max_t=curves.epochs, grace_period=1, reduction_factor=3
        )
        self._asked: dict[str, optuna.Trial] = {}
        self._trials: dict[str, Any] = {}
        self._last: dict[str, float] = {}

    def suggest(self, trial: str) -> Suggestion:
        self._asked[trial] = self._study.ask(self._distributions)
        self._trials[trial] = SimpleNamespace(trial_id=trial)
        self._scheduler.on_trial_add(None, self._trials[trial])
        return Suggestion(params=self._asked[trial].params)

    def report(self, trial: str, epoch: int, metrics: dict[str, float]) -> bool:
        self._last[trial] = metrics["recall"]
        result = {"training_iteration": epoch, "recall": metrics["recall"]}
        return self._scheduler.on_trial_result(None, self._trials[trial], result) != TrialScheduler.STOP

    def end(self, trial: str, metrics: dict[str, float], *, whole: bool) -> None:
        self._study.tell(self._asked.pop(trial), self._last[trial])


class KerasTuner:
    """KerasTuner on the sum of recall and accuracy, which is how it takes several objectives."""

    def __init__(self, curves: Curves, *, seed: int, hyperband: bool, trials: int) -> None:
        self._names = [*curves.space.dimensions]
        self._epochs = curves.epochs
        settings: dict[str, Any] = {
            "objective": [keras_tuner.Objective(f"val_{name}", "max") for name in OBJECTIVES],
            "hyperparameters": _keras_space(curves),
            "seed": seed + 1,  # 0 means any
        }
        self._oracle: Any = (
            HyperbandOracle(max_epochs=curves.epochs, factor=3, hyperband_iterations=1000, **settings)
            if hyperband
            else RandomSearchOracle(max_trials=trials, **settings)
        )
        self._oracle.verbose = 0
        self._folder = tempfile.TemporaryDirectory()  # it writes a file a trial
        self._oracle._set_project_dir(Path(self._folder.name), "search")
        self._oracle.save = lambda: None
        self._oracle._save_trial = lambda trial: None
        self._trials: dict[str, Any] = {}

    def suggest(self, trial: str) -> Suggestion | None:
        made = self._oracle.create_trial(f"tuner{trial}")
        if made.status != "RUNNING":
            return None
        self._trials[trial] = made
        values = made.hyperparameters.values
        return Suggestion(
            params={name: values[name] for name in self._names},
            done=values.get("tuner/initial_epoch", 0),
            last=values.get("tuner/epochs", self._epochs),
        )

    def report(self, trial: str, epoch: int, metrics: dict[str, float]) -> bool:
        told = {f"val_{name}": metrics[name] for name in OBJECTIVES}
        told[self._oracle.objective.name] = self._oracle.objective.get_value(told)  # as its Tuner does
        self._oracle.update_trial(self._trials[trial].trial_id, told, step=epoch)
        return True

    def end(self, trial: str, metrics: dict[str, float], *, whole: bool) -> None:
        ended = self._oracle.get_trial(self._trials.pop(trial).trial_id)
        ended.status = "COMPLETED"
        self._oracle.end_trial(ended)


class Places(MOPriority):
    """Its non-dominated sort as places. Its own (0.16.0) returns the sorted rows, which its ASHA takes for places."""

    def priority_unsafe(self, objectives: np.ndarray) -> np.ndarray:
        return np.argsort(rank(objectives, np.zeros(len(objectives))))


class SyneTune:
    """Syne Tune's multi-objective ASHA, as it is or with its sort ``mended``."""

    def __init__(self, curves: Curves, *, seed: int, mended: bool) -> None:
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002  its spaces draw from the global generator
        self._scheduler = MOASHA(
            config_space={name: _syne_dimension(of) for name, of in curves.space.dimensions.items()},
            metrics=[*OBJECTIVES],
            do_minimize=False,
            multiobjective_priority=Places() if mended else None,
            time_attr="epoch",
            max_t=curves.epochs,
            grace_period=1,
            reduction_factor=3,
            random_seed=seed,
        )
        self._trials: dict[str, Trial] = {}

    def suggest(self, trial: str) -> Suggestion:
        config = self._scheduler.suggest().config
        self._trials[trial] = Trial(trial_id=int(trial), config=config, creation_time=datetime(2026, 1, 1))
        self._scheduler.on_trial_add(self._trials[trial])
        return Suggestion(params=config)

    def report(self, trial: str, epoch: int, metrics: dict[str, float]) -> bool:
        result = {"epoch": epoch, **{name: metrics[name] for name in OBJECTIVES}}
        return self._scheduler.on_trial_result(self._trials[trial], result) == SchedulerDecision.CONTINUE

    def end(self, trial: str, metrics: dict[str, float], *, whole: bool) -> None:
        self._trials.pop(trial)


def _keras_space(curves: Curves) -> keras_tuner.HyperParameters:
    space = keras_tuner.HyperParameters()
    for name, dimension in curves.space.dimensions.items():
        match dimension:
            case Choice(options=options):
                space.Choice(name, list(options))
            case Int(low=low, high=high, log=log, step=step):
                space.Int(name, low, high, step=None if log else step, sampling="log" if log else None)
            case Float(low=low, high=high, log=log):
                space.Float(name, low, high, sampling="log" if log else None)
    return space


def _syne_dimension(dimension: Int | Float | Choice) -> Any:
    match dimension:
        case Choice(options=options):
            return syne_space.choice(list(options))
        case Int(low=low, high=high, log=True):
            return syne_space.lograndint(low, high)
        case Int(low=low, high=high, step=step):
            return syne_space.choice([*range(low, high + 1, step)])
        case Float(low=low, high=high, log=log):
            return (syne_space.loguniform if log else syne_space.uniform)(low, high)
