"""What to try next: Optuna's sampler behind Ray Tune's searcher interface, told the truth.

Ray's own OptunaSearch tells Optuna the last report of every trial as its complete value, whether the trial ran to its
end or not, and stores itself as a pickle. This searcher keeps the Optuna study in memory only: it is replayed from the
journal's fold, and each trial is told as what the journal says it is.

    journal    Optuna
    complete   COMPLETE with its values and constraints
    stopped    PRUNED without values: a truncated value is not an outcome; and as breaking a constraint, the less the
               farther it came: else TPE takes the first that were stopped for good ones while few are complete
    failed     FAIL
    unfinished enqueued again under its own number, with its own parameters

A hyperparameter without effect under the others (``Space.conditions``) is not drawn at all, so no sampler learns from
its noise.
"""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import optuna
from ray.tune.search import Searcher

from leukmodels.space.dimensions import Choice, Dimension, Float, Int, Space
from search.study.config import Sampler
from search.study.manifest import WarmStart
from search.study.objectives import Objectives
from search.study.recorder import Recorder
from search.study.records import DEFAULT, LOADED, SAMPLED, WARM, TrialState
from search.tuning import samplers
from search.tuning.optuna_study import STATES, complete, constraints, told


class OptunaSearcher(Searcher):
    """Suggests up to ``trials`` configurations of ``space``, its default first; numbers are those of the journal.

    ``suggest`` returns ``{"number": ..., "params": {...}}``. ``complete`` is how many trials are expected to train to
    their end (None: all).
    """

    def __init__(
        self,
        recorder: Recorder,
        *,
        space: Space,
        objectives: Objectives,
        trials: int,
        seed: int,
        sampler: Sampler = "tpe",
        complete: int | None = None,
        prior: WarmStart | None = None,
    ) -> None:
        # Without metric and mode Tune neither compares results nor refuses one that lacks an objective.
        super().__init__(metric=None, mode=None)
        self._recorder = recorder
        self._space = space
        self._objectives = objectives
        self._trials = trials
        # Another seed for every session: a resumed sampler must not repeat the first one's draws.
        drawing = samplers.sampler(
            sampler, seed=seed + recorder.record.sessions - 1, trials=trials, complete=complete or trials
        )
        self._prior = prior
        self.study = told(recorder.record, space, objectives, drawing, learnt=self._learnt())
        self._numbers: dict[str, int] = {}
        self._asked: dict[int, optuna.Trial] = {}
        self._unfinished = len(recorder.record.by_state(TrialState.RUNNING))  # of earlier sessions, not yet handed out
        if not recorder.record.trials:
            self.study.enqueue_trial(dict(space.default), user_attrs={"source": DEFAULT})
        self._offer(LOADED, space.initial_points)
        self._offer(WARM, prior.front if prior else ())

    def _offer(self, source: str, configurations: Sequence[Mapping[str, Any]]) -> None:
        """Have the configurations that no session has begun yet tried before any is drawn."""
        begun = sum(trial.source == source for trial in self._recorder.record.trials.values())
        for params in configurations[begun:]:
            self.study.enqueue_trial(dict(params), user_attrs={"source": source})

    def _learnt(self) -> list[optuna.trial.FrozenTrial]:
        """Return the other study's trials, once the default has shown how the two tasks differ, and never again."""
        defaults = (trial for trial in self._recorder.record.by_state(TrialState.COMPLETE) if trial.source == DEFAULT)
        if self._prior is None or (default := next(defaults, None)) is None:
            return []
        moved, self._prior = self._prior.shifted(default.metrics, self._objectives), None
        return [complete(params, metrics, self._space, self._objectives) for params, metrics in moved]

    @property
    def has_more(self) -> bool:
        """Whether ``suggest`` has another configuration to give."""
        return self.left > 0

    @property
    def left(self) -> int:
        """How many configurations are still to be given."""
        return self._unfinished + max(0, self._trials - len(self._recorder.record.trials))

    def suggest(self, trial_id: str) -> dict[str, Any] | None:
        """Return the next configuration, unfinished trials of an earlier session first, or FINISHED."""
        if not self.has_more:
            return cast("dict[str, Any]", Searcher.FINISHED)  # Tune's sentinel is a plain string
        self._unfinished = max(self._unfinished - 1, 0)
        asked = self.study.ask()
        params: dict[str, Any] = {}
        for name, dimension in self._space.dimensions.items():
            if self._space.is_active(name, params):
                params[name] = _draw(asked, name, dimension)
        number = asked.user_attrs.get("number")
        if number is None:
            number = len(self._recorder.record.trials)
            self._recorder.trial_started(number, params, asked.user_attrs.get("source", SAMPLED))
        self._numbers[trial_id] = number
        self._asked[number] = asked
        return {"number": number, "params": params}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Tell Optuna what the journal says of the trial."""
        trial = self._recorder.record.trials[self._numbers[trial_id]]
        asked = self._asked.pop(trial.number)
        for name, violation in constraints(trial, self._objectives).items():
            asked.set_constraint(name, violation)
        if trial.state is TrialState.COMPLETE:
            self.study.tell(asked, self._objectives.values(trial.metrics))
            self.study.add_trials(self._learnt())
        else:
            self.study.tell(asked, state=STATES[trial.state])

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Nothing: epochs are the scheduler's business, and Optuna learns outcomes only."""

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the journal is what a study is resumed from."""

    def save_to_dir(self, checkpoint_dir: str, session_str: str = "default") -> None:
        """Nothing, see ``save``."""

    def restore(self, checkpoint_path: str) -> None:
        """Refuse: the journal is what a study is resumed from."""
        raise NotImplementedError("a study is resumed from its journal, not from Tune's state")


def _draw(asked: optuna.Trial, name: str, dimension: Dimension) -> Any:
    match dimension:
        case Int(low=low, high=high, log=log, step=step):
            return asked.suggest_int(name, low, high, log=log, step=step)
        case Float(low=low, high=high, log=log):
            return asked.suggest_float(name, low, high, log=log)
        case Choice(options=options):
            return asked.suggest_categorical(name, options)
