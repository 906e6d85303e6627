"""Optuna's samplers as studies use them, by name."""

import warnings
from collections.abc import Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from search.config import Sampler

# Every so manieth suggestion of TPE is drawn at random: a model of few and noisy outcomes is often wrong, and one that
# only asks for more of what it believes in never finds out. (results/benchmarks/replay.md has what it is worth.)
DRAWN_EVERY = 3


class Interleaved(BaseSampler):
    """A model's suggestions with drawn ones between them; a drawn trial teaches the model like any other."""

    def __init__(self, model: BaseSampler, chance: BaseSampler, *, every: int) -> None:
        self._model, self._chance, self._every = model, chance, every

    def _of(self, trial: FrozenTrial) -> BaseSampler:
        return self._chance if trial.number % self._every == self._every - 1 else self._model

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Ask whose turn it is."""
        return self._of(trial).infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Ask whose turn it is."""
        return self._of(trial).sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Ask whose turn it is."""
        return self._of(trial).sample_independent(study, trial, param_name, param_distribution)

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Tell whose turn it is."""
        self._of(trial).before_trial(study, trial)

    def after_trial(
        self, study: optuna.Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        """Tell whose turn it was."""
        self._of(trial).after_trial(study, trial, state, values)


def sampler(name: Sampler, *, seed: int, trials: int, complete: int) -> BaseSampler:
    """Return the sampler ``name`` for a study of so many trials, of which so many will be complete."""
    with warnings.catch_warnings(action="ignore", category=optuna.exceptions.ExperimentalWarning):
        match name:
            case "tpe":
                return _tpe(seed, trials)
            case "nsga2":
                return optuna.samplers.NSGAIISampler(seed=seed, population_size=_population(complete))
            case "nsga3":
                return optuna.samplers.NSGAIIISampler(seed=seed, population_size=_population(complete))
            case "random":
                return optuna.samplers.RandomSampler(seed=seed)


def _tpe(seed: int, trials: int) -> BaseSampler:
    # In groups, as not every trial has every hyperparameter; running trials count as bad ones, so that those that run
    # at the same time differ.
    model = optuna.samplers.TPESampler(
        seed=seed, multivariate=True, group=True, constant_liar=True, n_startup_trials=_first_random(trials)
    )
    return Interleaved(model, optuna.samplers.RandomSampler(seed=seed + 1), every=DRAWN_EVERY)


def _first_random(trials: int) -> int:
    """Return how many trials are drawn at random first: Optuna's ten would be nearly all of a small study."""
    return min(10, max(3, trials // 4))


def _population(complete: int) -> int:
    """Return the size of a generation: Optuna's 50, or fewer where there would not be five of them.

    Only complete trials count for one.
    """
    return min(50, max(4, complete // 5))
