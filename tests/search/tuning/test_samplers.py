"""Optuna's samplers as studies use them."""

from typing import get_args

import optuna
import pytest

from search.study.config import Sampler
from search.tuning.samplers import sampler
from search.tuning.successive_halving import RungSchedule


@pytest.mark.parametrize("name", get_args(Sampler))
def test_the_same_seed_draws_the_same(name):
    drawn = []
    for seed in (1, 1, 2):
        study = optuna.create_study(sampler=sampler(name, seed=seed, trials=20, complete=20))
        drawn.append([study.ask().suggest_float("rate", 0, 1) for _ in range(3)])
    assert drawn[0] == drawn[1] != drawn[2]


@pytest.mark.parametrize("name", ["nsga2", "nsga3"])
def test_a_second_generation_comes_where_most_trials_are_stopped(name):
    """Generations count complete trials only."""
    ladder = RungSchedule(reduction_factor=3, grace_period=1, rung_factor=9, epochs=40)
    study = optuna.create_study(
        directions=["maximize", "maximize"],
        sampler=sampler(name, seed=0, trials=100, complete=ladder.complete(100)),
    )
    for number in range(100):
        trial = study.ask()
        rate = trial.suggest_float("rate", 0, 1)
        if number % 9:
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        else:
            study.tell(trial, (rate, 1 - rate))
    generations = {key for trial in study.trials for key in trial.system_attrs if "generation" in key}
    assert generations
    assert max(trial.system_attrs[key] for trial in study.trials for key in generations & {*trial.system_attrs}) >= 1
