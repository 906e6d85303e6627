"""The workers' start, hidden behind the preparation of the images.

Importing TensorFlow takes a worker seconds, and Tune starts a worker for a trial only. So Tune is first given as many
warm-ups as trials run at once. They are no trials: nothing of them is journaled or told to the sampler. Once all of
their workers have started, the driver prepares the images inside Tune's loop, while the workers import; the trials that
follow reuse the warm workers and get the prepared data.

    searcher    hands out the warm-ups, then what the search suggests, with the data
    callback    counts the workers that have started
    stopper     is asked in every round of Tune's loop, and so calls `ready`
"""

import time
from collections.abc import Callable
from typing import Any

import ray
from ray.tune import Callback, Stopper
from ray.tune.search import Searcher

from leukmodels.errors import SessionError

Ready = Callable[[], object]

# A cluster that others use as well may start some of the workers only when those are done.
_PATIENCE_S = 20.0


class WarmUps:
    """How far the start is.

    ``ready`` returns the data, and is called once: when ``count`` workers have started, or have kept us waiting.
    """

    def __init__(self, count: int, ready: Ready) -> None:
        self._count, self._ready = count, ready
        self._handed_out = self._started = 0
        self._began = time.monotonic()
        self._failure = ""
        self._broken: Exception | None = None
        self.data: ray.ObjectRef | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Leave everything behind, see ``Recorder``."""
        return {}

    def hand_out(self) -> bool:
        """Say whether one more warm-up is to be given."""
        self._handed_out += 1
        return self._handed_out <= self._count

    def worker_started(self) -> None:
        """A worker is alive, and its warm-up begins."""
        self._started += 1

    def failed(self, reason: str) -> None:
        """A worker could not be warmed up: no trial could run there either."""
        self._failure = self._failure or reason

    def broken(self, error: Exception) -> None:
        """The search itself has an error, which Tune would take for the trial's."""
        self._broken = self._broken or error

    def look(self) -> None:
        """Prepare the data when it is time; SessionError when a warm-up failed, or what the search itself raised."""
        if self._broken:
            raise self._broken
        if self._failure:
            raise SessionError(f"The workers cannot be started. {self._failure}")
        waited_s = time.monotonic() - self._began
        if self.data is None and (self._started >= self._count or waited_s > _PATIENCE_S):
            # Shared memory holds it until this process leaves the Ray session.
            self.data = ray.put(self._ready())


class WarmSearcher(Searcher):
    """Gives the warm-ups first, then what ``inner`` suggests, with the data as ``data``."""

    def __init__(self, inner: Searcher, warm_ups: WarmUps) -> None:
        super().__init__(metric=None, mode=None)
        self._inner, self._warm_ups = inner, warm_ups
        self._own: set[str] = set()

    def suggest(self, trial_id: str) -> dict[str, Any] | None:
        """Return a warm-up (``number`` is None), a configuration, None as long as there are no data, or FINISHED."""
        if self._warm_ups.hand_out():
            self._own.add(trial_id)
            return {"number": None}
        if self._warm_ups.data is None:
            return None
        suggestion: dict[str, Any] | None = self._inner.suggest(trial_id)
        if isinstance(suggestion, dict):
            return {**suggestion, "data": self._warm_ups.data}
        return suggestion

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Tell ``inner`` of trials."""
        if trial_id not in self._own:
            try:
                self._inner.on_trial_complete(trial_id, result, error)
            except Exception as failure:
                self._warm_ups.broken(failure)

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Tell ``inner`` of trials."""
        if trial_id not in self._own:
            self._inner.on_trial_result(trial_id, result)

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the journal is what a study is resumed from."""

    def save_to_dir(self, checkpoint_dir: str, session_str: str = "default") -> None:
        """Nothing, see ``save``."""

    def restore(self, checkpoint_path: str) -> None:
        """Refuse: the journal is what a study is resumed from."""
        raise NotImplementedError("a study is resumed from its journal, not from Tune's state")


class StartCounter(Callback):
    """Counts the workers that have started, says when the first trial does, and which trial begins again."""

    def __init__(
        self,
        warm_ups: WarmUps,
        first_trial: Callable[[], None],
        again: Callable[[Any], None] = lambda trial: None,
    ) -> None:
        self._warm_ups, self._first_trial, self._again = warm_ups, first_trial, again
        self._any_trial = False

    def __getstate__(self) -> dict[str, Any]:
        """Leave everything behind, see ``Recorder``."""
        return {}

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Tune has a live worker for ``trial``."""
        if trial.config["number"] is None:
            self._warm_ups.worker_started()
        elif not self._any_trial:
            self._any_trial = True
            self._first_trial()

    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Tune is about to ask for another worker for ``trial``."""
        self._again(trial)


class WarmStopper(Stopper):
    """Looks after the warm-ups and the workers (``watch``) in every round, and otherwise asks ``inner``."""

    def __init__(self, inner: Stopper, warm_ups: WarmUps, watch: Callable[[], object]) -> None:
        self._inner, self._warm_ups, self._watch = inner, warm_ups, watch

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Ask ``inner`` about one trial."""
        return bool(self._inner(trial_id, result))

    def stop_all(self) -> bool:
        """Ask ``inner`` whether all is over."""
        over = bool(self._inner.stop_all())
        self._warm_ups.look()
        self._watch()
        return over
