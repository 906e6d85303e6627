"""Studies replayed on recorded learning curves: the project's own searcher, scheduler and stopper, without a training.

A configuration that a searcher suggests is given the whole learning curve of a recorded one that is like it. What is
alike follows from what matters: a random forest, fitted to how the recorded ones ended, has those in one leaf that
differ in nothing that it found to make a difference. A trial gets the curve of one of these, drawn by seed and trial (a
quantile regression forest, Meinshausen 2006, with whole curves for values). So a suggestion that repeats another is not
worth the same again, as a second training would not be.

Workers are simulated with the recorded seconds of each epoch, so trials report in the order in which they would have.
Everything follows from the seed.
"""

import heapq
import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Protocol

import numpy as np
import pyarrow.parquet as pq
from ray.tune.schedulers import TrialScheduler
from ray.tune.search import Searcher
from scipy.stats import spearmanr
from sklearn.ensemble import RandomForestRegressor

from leukmodels.space import presets
from leukmodels.space.dimensions import Choice, Float, Int, Space
from search.study.config import Sampler
from search.study.dominance import hypervolume
from search.study.objectives import Objectives
from search.study.recorder import Recorder
from search.study.records import StudyRecord
from search.tuning.scheduler import JournalingScheduler
from search.tuning.searcher import OptunaSearcher
from search.tuning.stopping import Plateau
from search.tuning.successive_halving import RungSchedule, RungTable

OF_TRAINING = ("loss", "seconds", "images_per_s")
OF_INTEREST = ("recall", "specificity", "log_loss")
_TREES, _LEAF = 200, 3


class Curves:
    """Recorded learning curves: those of a configuration that is like one.

    ``half`` 0 or 1 takes every second recorded configuration only, so that what was chosen on one half can be tried on
    configurations and trainings that had no part in it.
    """

    def __init__(self, path: Path, space: Space | None = None, *, half: int | None = None) -> None:
        self.space = space or presets.space("small")
        self.configs: list[dict[str, Any]] = []
        self._curves: list[list[dict[str, float]]] = []
        known: dict[int, int] = {}
        for row in pq.read_table(path).to_pylist():
            number = row.pop("trial")
            if half is not None and number % 2 != half:
                continue
            if number not in known:
                known[number] = len(self.configs)
                self.configs.append({name: row[name] for name in self.space.dimensions})
                self._curves.append([])
            self._curves[known[number]].append(
                {name: float(value) for name, value in row.items() if name not in self.space.dimensions}
            )
        self.epochs = len(self._curves[0])
        assert {len(curve) for curve in self._curves} == {self.epochs}, "some curves are shorter than others"
        self._recorded = np.array([self._features(config) for config in self.configs], dtype=np.float32)
        self._forest = _forest(bootstrap=False).fit(self._recorded, self._ends())
        self._leaves = self._forest.apply(self._recorded)

    def __len__(self) -> int:
        return len(self.configs)

    def of(self, row: int, patience: int | None = None) -> list[dict[str, float]]:
        """Return the metrics of each epoch of a recorded configuration, up to where ``patience`` would end it."""
        curve = self._curves[row]
        best = 0
        for last, metrics in enumerate(curve if patience else ()):
            if metrics["log_loss"] < curve[best]["log_loss"]:
                best = last
            elif last - best == patience:
                return curve[: last + 1]
        return curve

    def like(self, params: Mapping[str, Any], rng: np.random.Generator) -> int:
        """Return a recorded configuration that is like one: from the leaf of a tree, both drawn."""
        tree = int(rng.integers(_TREES))
        features = np.array([self._features({**self.space.default, **params})], dtype=np.float32)
        leaf = self._forest.estimators_[tree].tree_.apply(features)[0]
        return int(rng.choice(np.flatnonzero(self._leaves[:, tree] == leaf)))

    def fidelity(self) -> dict[str, float]:
        """Return for each of OF_INTEREST the rank correlation of how configurations ended with what is foretold.

        Foretold is the mean over trees that had not seen the configuration.
        """
        ends = self._ends()
        unseen = _forest(bootstrap=True, oob_score=True).fit(self._recorded, ends).oob_prediction_
        return {
            name: float(spearmanr(ends[:, column], unseen[:, column]).statistic)
            for column, name in enumerate(OF_INTEREST)
        }

    def _ends(self) -> np.ndarray:
        """Return OF_INTEREST of each configuration's best epoch, each over its spread."""
        best = [min(curve, key=lambda metrics: metrics["log_loss"]) for curve in self._curves]
        ends = np.array([[metrics[name] for name in OF_INTEREST] for metrics in best])
        return ends / np.maximum(ends.std(axis=0), 1e-9)

    def _features(self, config: Mapping[str, Any]) -> list[float]:
        """Return a number as its share of its range, and a choice as a 1 among zeros."""
        features: list[float] = []
        for name, dimension in self.space.dimensions.items():
            if isinstance(dimension, Choice):
                chosen = dimension.options.index(dimension.canonical(config[name]))
                features += [float(place == chosen) for place in range(len(dimension.options))]
            else:
                features.append(_share(dimension, config[name]))
        return features


def _forest(**given: Any) -> RandomForestRegressor:
    return RandomForestRegressor(_TREES, min_samples_leaf=_LEAF, max_features=0.5, random_state=0, **given)


def _share(dimension: Int | Float, value: float) -> float:
    low, high = float(dimension.low), float(dimension.high)
    if dimension.log:
        low, high, value = math.log(low), math.log(high), math.log(value)
    return (value - low) / (high - low)


@dataclass(frozen=True, kw_only=True)
class Suggestion:
    """A configuration, and which of its epochs are trained: those after ``done`` up to ``last`` (None: to the end)."""

    params: Mapping[str, Any]
    done: int = 0
    last: int | None = None


class Search(Protocol):
    """What chooses configurations and stops trials: this project's, or a peer's."""

    def suggest(self, trial: str) -> Suggestion | None:
        """Return what to train, None where there is nothing now."""

    def report(self, trial: str, epoch: int, metrics: Mapping[str, float]) -> bool:
        """Take an epoch's metrics; return whether the trial goes on."""

    def end(self, trial: str, metrics: Mapping[str, float], *, whole: bool) -> None:
        """Take the best epoch's metrics of a trial that has ended, whole or early."""


@dataclass
class Replayed:
    """What came out: after each ended trial the epochs spent so far, the best epoch of its curve, and whether whole."""

    epochs: list[int] = field(default_factory=list)
    metrics: list[Mapping[str, float]] = field(default_factory=list)
    whole: list[bool] = field(default_factory=list)

    def hypervolumes(self, objectives: Objectives, *, whole_only: bool) -> Iterator[tuple[int, float]]:
        """Yield epochs spent and the hypervolume of what is feasible so far, each time that it has grown."""
        points: list[tuple[float, ...]] = []
        volume = 0.0
        for spent, metrics, whole in zip(self.epochs, self.metrics, self.whole, strict=True):
            if (whole or not whole_only) and objectives.is_feasible(metrics):
                points.append(objectives.minimised(metrics))
                grown = hypervolume(np.array(points), np.ones(len(points[0])))
                if grown > volume:
                    volume = grown
                    yield spent, volume


def replay(
    search: Search,
    curves: Curves,
    *,
    epochs: int,
    workers: int,
    seed: int = 0,
    patience: int | None = None,
    over: Callable[[], bool] = lambda: False,
) -> Replayed:
    """Run a study until so many epochs are spent, it has no more to suggest, or it is ``over``.

    ``patience`` epochs without a lower log loss end a trial as whole; None: only its last epoch does.
    """
    found = Replayed()
    spent = begun = 0
    running: list[tuple[float, int, int, int, int]] = []  # when an epoch ends, trial, row, epoch, last epoch

    def fill(now: float) -> None:
        nonlocal begun
        while len(running) < workers and (suggestion := search.suggest(str(begun))) is not None:
            row = curves.like(suggestion.params, np.random.default_rng([seed, begun]))
            curve = curves.of(row, patience)
            last = min(suggestion.last or curves.epochs, len(curve))
            first = min(suggestion.done + 1, last)  # one that patience had ended earlier trains an epoch
            heapq.heappush(running, (now + curve[first - 1]["seconds"], begun, row, first, last))
            begun += 1

    fill(0.0)
    while running and spent < epochs and not over():
        now, trial, row, epoch, last = heapq.heappop(running)
        curve = curves.of(row, patience)
        spent += 1
        goes_on = search.report(str(trial), epoch, curve[epoch - 1])
        if goes_on and epoch < last:
            heapq.heappush(running, (now + curve[epoch]["seconds"], trial, row, epoch + 1, last))
            continue
        # Some schedulers stop what has come to the last epoch; what is stopped as patience ends it was stopped.
        whole = epoch == curves.epochs or (goes_on and epoch == len(curve))
        best = min(curve[:epoch], key=lambda metrics: metrics["log_loss"])
        search.end(str(trial), best, whole=whole)
        found.epochs.append(spent)
        found.metrics.append(best)
        found.whole.append(whole)
        fill(now)
    return found


class _Events:
    """A journal that is kept in memory, with the trials' order for a clock."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []

    def append(self, event: str, **fields: Any) -> dict[str, Any]:
        """Keep an event."""
        self.events.append({"seq": len(self.events) + 1, "time": float(len(self.events)), "event": event, **fields})
        return self.events[-1]


class Ours:
    """This project's search."""

    def __init__(
        self,
        curves: Curves,
        objectives: Objectives,
        *,
        seed: int,
        trials: int,
        ladder: RungSchedule,
        sampler: Sampler = "tpe",
        plateau: int = 0,
    ) -> None:
        record = StudyRecord()
        self.journal = _Events()
        self.plateau = Plateau(record, objectives, window=plateau, tolerance=0.001)
        self.recorder = Recorder(self.journal, record, (self.plateau,))  # type: ignore[arg-type]
        self.rungs = RungTable(ladder, objectives, record)
        self._scheduler = JournalingScheduler(self.recorder, self.rungs)
        self._searcher = OptunaSearcher(
            self.recorder,
            space=curves.space,
            objectives=objectives,
            trials=trials,
            seed=seed,
            sampler=sampler,
            complete=ladder.complete(trials),
        )
        self._trials: dict[str, Any] = {}

    def suggest(self, trial: str) -> Suggestion | None:
        """Return what the searcher suggests."""
        suggestion = self._searcher.suggest(trial)
        if not isinstance(suggestion, dict):
            assert suggestion == Searcher.FINISHED
            return None
        self._trials[trial] = SimpleNamespace(config={"number": suggestion["number"]})
        return Suggestion(params=suggestion["params"])

    def report(self, trial: str, epoch: int, metrics: Mapping[str, float]) -> bool:
        """Have the scheduler record an epoch and decide."""
        result = {"epoch": epoch, "metrics": json.dumps(metrics)}
        return self._scheduler.on_trial_result(None, self._trials[trial], result) != TrialScheduler.STOP  # type: ignore[arg-type]

    def end(self, trial: str, metrics: Mapping[str, float], *, whole: bool) -> None:
        """Have a whole trial's outcome recorded, and the sampler told of any."""
        if whole:
            outcome = {"metrics": {name: value for name, value in metrics.items() if name not in OF_TRAINING}}
            self._scheduler.on_trial_result(None, self._trials[trial], {"outcome": json.dumps(outcome)})  # type: ignore[arg-type]
        self._searcher.on_trial_complete(trial, {})
