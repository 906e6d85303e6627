"""Optuna's samplers as studies use them, by name."""

import warnings

import optuna
from optuna.samplers import BaseSampler

from search.study.config import Sampler


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
    return optuna.samplers.TPESampler(
        seed=seed, multivariate=True, group=True, constant_liar=True, n_startup_trials=_first_random(trials)
    )


def _first_random(trials: int) -> int:
    """Return how many trials are drawn at random first: Optuna's ten would be nearly all of a small study."""
    return min(10, max(3, trials // 4))


def _population(complete: int) -> int:
    """Return the size of a generation: Optuna's 50, or fewer where there would not be five of them.

    Only complete trials count for one.
    """
    return min(50, max(4, complete // 5))
