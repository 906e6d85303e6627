"""What to try next: Optuna's sampler behind Ray Tune's searcher interface, told the truth.

Ray's own OptunaSearch tells Optuna the last report of every trial as its complete value, whether the trial ran to its
end or not, and stores itself as a pickle. This searcher keeps the Optuna study in memory only: it is replayed from the
journal's fold, and each trial is told as what the journal says it is.

    journal    Optuna
    complete   COMPLETE with its values and constraints
    stopped    PRUNED without values: a truncated value is not an outcome
    failed     FAIL
    unfinished enqueued again under its own number, with its own parameters
"""

from collections.abc import Mapping
from typing import Any, cast

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState as OptunaState
from optuna.trial import create_trial
from ray.tune.search import Searcher

from leukmodels.space import Choice, Dimension, Float, Int
from search.recorder import Recorder
from search.records import TrialRecord, TrialState
from search.standing import OBJECTIVES, Floors, values

_STATES = {
    TrialState.COMPLETE: OptunaState.COMPLETE,
    TrialState.STOPPED: OptunaState.PRUNED,
    TrialState.FAILED: OptunaState.FAIL,
}


class OptunaSearcher(Searcher):
    """Suggests up to ``trials`` configurations of ``space``, ``default`` first; numbers are those of the journal.

    ``suggest`` returns ``{"number": ..., "params": {...}}``.
    """

    def __init__(
        self,
        recorder: Recorder,
        *,
        space: Mapping[str, Dimension],
        default: Mapping[str, Any],
        floors: Floors,
        trials: int,
        seed: int,
    ) -> None:
        # Without metric and mode Tune neither compares results nor refuses one that lacks an objective.
        super().__init__(metric=None, mode=None)
        self._recorder = recorder
        self._distributions = {name: distribution(dimension) for name, dimension in space.items()}
        self._floors = floors
        self._trials = trials
        sampler = optuna.samplers.TPESampler(
            # Another seed for every session: a resumed sampler must not repeat the first one's draws.
            seed=seed + recorder.record.sessions - 1,
            multivariate=True,
            # Optuna's ten random trials would be nearly all of a small study.
            n_startup_trials=min(10, max(3, trials // 4)),
        )
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.study = optuna.create_study(directions=["maximize"] * len(OBJECTIVES), sampler=sampler)
        self._numbers: dict[str, int] = {}
        self._asked: dict[int, optuna.Trial] = {}
        self._unfinished = len(recorder.record.by_state(TrialState.RUNNING))  # of earlier sessions, not yet handed out
        self._replay(default)

    def _replay(self, default: Mapping[str, Any]) -> None:
        trials = self._recorder.record.trials
        for number in sorted(trials):
            trial = trials[number]
            if trial.state is TrialState.RUNNING:
                self.study.enqueue_trial(dict(trial.params))
            else:
                self.study.add_trial(self._as_told(trial))
        if not trials:
            self.study.enqueue_trial(dict(default))

    def _as_told(self, trial: TrialRecord) -> optuna.trial.FrozenTrial:
        complete = trial.state is TrialState.COMPLETE
        return create_trial(
            state=_STATES[trial.state],
            params=dict(trial.params),
            distributions=self._distributions,
            values=values(trial) if complete else None,
            constraints=self._floors.violations(trial.metrics) if complete else None,
        )

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
        asked = self.study.ask(self._distributions)
        if asked.number not in self._recorder.record.trials:
            source = "default" if asked.number == 0 else "sampled"
            self._recorder.trial_started(asked.number, asked.params, source)
        self._numbers[trial_id] = asked.number
        self._asked[asked.number] = asked
        return {"number": asked.number, "params": asked.params}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Tell Optuna what the journal says of the trial."""
        trial = self._recorder.record.trials[self._numbers[trial_id]]
        asked = self._asked.pop(trial.number)
        if trial.state is TrialState.COMPLETE:
            for name, violation in self._floors.violations(trial.metrics).items():
                asked.set_constraint(name, violation)
            self.study.tell(asked, values(trial))
        else:
            self.study.tell(asked, state=_STATES[trial.state])

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Nothing: epochs are the scheduler's business, and Optuna learns outcomes only."""

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the journal is what a study is resumed from."""

    def save_to_dir(self, checkpoint_dir: str, session_str: str = "default") -> None:
        """Nothing, see ``save``."""

    def restore(self, checkpoint_path: str) -> None:
        """Refuse: the journal is what a study is resumed from."""
        raise NotImplementedError("a study is resumed from its journal, not from Tune's state")


def distribution(dimension: Dimension) -> BaseDistribution:
    """Return Optuna's distribution of ``dimension``; both ends of a range are included on both sides."""
    match dimension:
        case Int(low=low, high=high, log=log, step=step):
            return IntDistribution(low, high, log=log, step=step)
        case Float(low=low, high=high, log=log):
            return FloatDistribution(low, high, log=log)
        case Choice(options=options):
            return CategoricalDistribution(options)
