"""Studies replayed on recorded learning curves: the project's own searcher, scheduler and stopper, without a training.

A configuration that a searcher suggests is given the learning curve of the nearest recorded one: the mean over the
hyperparameters of their distance, which is 0 or 1 for a choice and the share of the range for a number (on its scale).
Workers are simulated with the recorded seconds of each epoch, so trials report in the order in which they would have.
Everything follows from the seed.
"""

import heapq
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Protocol

import numpy as np
import pyarrow.parquet as pq
from ray.tune.schedulers import TrialScheduler
from ray.tune.search import Searcher

from leukmodels.space import Choice, Dimension
from search.aims import Aims
from search.front import hypervolume
from search.manifest import Space, keras_space
from search.recorder import Recorder
from search.records import StudyRecord
from search.rungs import Ladder, Rungs
from search.scheduler import JournalingScheduler
from search.searcher import OptunaSearcher
from search.stopping import Plateau

OF_TRAINING = ("loss", "seconds", "images_per_s")


class Curves:
    """Recorded learning curves: ``metrics(row)`` an epoch, and the row that is nearest to a configuration."""

    def __init__(self, path: Path, space: Space | None = None) -> None:
        self.space = space or keras_space()
        table = pq.read_table(path)
        rows = table.to_pylist()
        self.configs: list[dict[str, Any]] = []
        self._epochs: list[list[dict[str, float]]] = []
        known: dict[int, int] = {}
        for row in rows:
            number = row.pop("trial")
            if number not in known:
                known[number] = len(self.configs)
                self.configs.append({name: row[name] for name in self.space.dimensions})
                self._epochs.append([])
            self._epochs[known[number]].append(
                {name: float(value) for name, value in row.items() if name not in self.space.dimensions}
            )
        self.epochs = len(self._epochs[0])
        assert {len(curve) for curve in self._epochs} == {self.epochs}, "some curves are shorter than others"
        self._places = np.array([self._place(config) for config in self.configs])
        self._chosen = np.array([isinstance(self.space.dimensions[name], Choice) for name in self.space.dimensions])

    def __len__(self) -> int:
        return len(self.configs)

    def of(self, row: int) -> list[dict[str, float]]:
        """Return the metrics of each epoch of a recorded configuration."""
        return self._epochs[row]

    def nearest(self, params: Mapping[str, Any]) -> int:
        """Return the recorded configuration that is nearest to one."""
        apart = np.abs(self._places - self._place({**self.space.default, **params}))
        distance = np.where(self._chosen, apart > 0, apart).mean(axis=1)
        return int(np.argmin(distance))

    def _place(self, config: Mapping[str, Any]) -> list[float]:
        return [_share(dimension, config[name]) for name, dimension in self.space.dimensions.items()]


def _share(dimension: Dimension, value: Any) -> float:
    if isinstance(dimension, Choice):
        return float(dimension.options.index(dimension.canonical(value)))
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

    def hypervolumes(self, aims: Aims, *, whole_only: bool) -> Iterator[tuple[int, float]]:
        """Yield epochs spent and the hypervolume of what is feasible so far, each time that it has grown."""
        points: list[tuple[float, ...]] = []
        volume = 0.0
        for spent, metrics, whole in zip(self.epochs, self.metrics, self.whole, strict=True):
            if (whole or not whole_only) and aims.admit(metrics):
                points.append(aims.losses(metrics))
                grown = hypervolume(np.array(points), np.ones(len(points[0])))
                if grown > volume:
                    volume = grown
                    yield spent, volume


def replay(search: Search, curves: Curves, *, epochs: int, workers: int, over: Any = lambda: False) -> Replayed:
    """Run a study until so many epochs are spent, it has no more to suggest, or it is ``over``."""
    found = Replayed()
    spent = begun = 0
    running: list[tuple[float, int, int, int, int]] = []  # when an epoch ends, trial, row, epoch, last epoch

    def fill(now: float) -> None:
        nonlocal begun
        while len(running) < workers and (suggestion := search.suggest(str(begun))) is not None:
            row, first = curves.nearest(suggestion.params), suggestion.done + 1
            last = suggestion.last or curves.epochs
            heapq.heappush(running, (now + curves.of(row)[first - 1]["seconds"], begun, row, first, last))
            begun += 1

    fill(0.0)
    while running and spent < epochs and not over():
        now, trial, row, epoch, last = heapq.heappop(running)
        curve = curves.of(row)
        spent += 1
        goes_on = search.report(str(trial), epoch, curve[epoch - 1])
        if goes_on and epoch < last:
            heapq.heappush(running, (now + curve[epoch]["seconds"], trial, row, epoch + 1, last))
            continue
        best = min(curve[:epoch], key=lambda metrics: metrics["log_loss"])
        search.end(str(trial), best, whole=epoch == curves.epochs)
        found.epochs.append(spent)
        found.metrics.append(best)
        found.whole.append(epoch == curves.epochs)
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
        aims: Aims,
        *,
        seed: int,
        trials: int,
        ladder: Ladder,
        sampler: str = "tpe",
        plateau: int = 0,
    ) -> None:
        record = StudyRecord()
        self.journal = _Events()
        self.plateau = Plateau(record, aims, window=plateau, tolerance=0.001)
        self.recorder = Recorder(self.journal, record, (self.plateau,))  # type: ignore[arg-type]
        self.rungs = Rungs(ladder, aims, record)
        self._scheduler = JournalingScheduler(self.recorder, self.rungs)
        self._searcher = OptunaSearcher(
            self.recorder, space=curves.space, aims=aims, trials=trials, seed=seed, sampler=sampler
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
