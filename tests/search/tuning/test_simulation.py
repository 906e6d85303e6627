"""The replay of studies on learning curves, by the project's own searcher, scheduler and stopper."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from search.study.objectives import Objectives
from search.study.records import TrialState
from search.tuning.successive_halving import RungSchedule
from simulation import Curves, Ours, replay
from studies import TOLD, metrics
from toy import SPACE

OBJECTIVES = Objectives(min_specificity=0.5)
EPOCHS = 9
LADDER = RungSchedule(reduction_factor=3, grace_period=1, rung_factor=3, epochs=EPOCHS)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """Record curves of a hundred random configurations that learn the better the nearer their rate is to 1e-3."""
    rng, rows = np.random.default_rng(0), []
    for trial in range(100):
        rate = float(10 ** rng.uniform(-5, -2))
        params = {
            "learning_rate": rate,
            "filters": int(rng.integers(8, 129)),
            "pooling": str(rng.choice(["max", "average"])),
        }
        quality = 1 - abs(np.log10(rate) + 3) / 4
        for epoch in range(1, EPOCHS + 1):
            recall = float(np.clip(quality * (1 - 0.7**epoch) + rng.normal(0, 0.01), 0, 1))
            told = metrics(recall, 1.1 - recall / 2, log_loss=1 - recall) | TOLD
            rows.append({"trial": trial, "epoch": epoch, **params, **told})
    path = tmp_path_factory.mktemp("curves") / "curves.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


@pytest.fixture(scope="module")
def curves(recorded):
    return Curves(recorded, SPACE)


def search(curves, *, seed=0, ladder=LADDER, **given):
    return Ours(curves, OBJECTIVES, seed=seed, trials=given.pop("trials", 60), ladder=ladder, **given)


def test_what_is_like_a_configuration_is_what_matters(curves):
    """Only the rate does here."""
    rng = np.random.default_rng(0)
    worth = np.array([abs(np.log10(config["learning_rate"]) + 3) for config in curves.configs])
    like = np.array([curves.like(config, rng) for config in curves.configs])
    assert np.abs(worth[like] - worth).mean() < np.abs(worth[::-1] - worth).mean() / 3
    assert curves.fidelity()["recall"] > 0.9


def test_the_halves_have_no_configuration_in_common(recorded):
    halves = [Curves(recorded, SPACE, half=half) for half in (0, 1)]
    assert [len(half) for half in halves] == [50, 50]
    assert not [config for config in halves[0].configs if config in halves[1].configs]


def test_patience_ends_a_curve_where_a_training_would(curves):
    for row in range(len(curves)):
        losses = [metrics["log_loss"] for metrics in curves.of(row)]
        ended = len(curves.of(row, patience=2))
        best = losses.index(min(losses[:ended]))
        assert ended == EPOCHS or ended - 1 - best == 2


def test_the_same_seed_replays_the_same_study(curves):
    runs = []
    for seed in (3, 3, 4):
        mine = search(curves, seed=seed)
        replay(mine, curves, epochs=200, workers=3)
        runs.append([{k: v for k, v in event.items() if k != "time"} for event in mine.journal.events])
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


def test_a_budget_is_spent_and_no_more(curves):
    mine = search(curves)
    found = replay(mine, curves, epochs=150, workers=4)
    assert mine.recorder.record.epochs == 150
    assert found.epochs == sorted(found.epochs)


def test_halving_spends_less_on_what_is_worse(curves):
    mine = search(curves)
    replay(mine, curves, epochs=10_000, workers=4)
    record = mine.recorder.record
    assert len(record.trials) == 60
    assert record.count(TrialState.STOPPED) > record.count(TrialState.COMPLETE) > 0
    worth = {
        state: np.mean([abs(np.log10(trial.params["learning_rate"]) + 3) for trial in record.by_state(state)])
        for state in (TrialState.STOPPED, TrialState.COMPLETE)
    }
    assert worth[TrialState.COMPLETE] < worth[TrialState.STOPPED]


def test_the_plateau_ends_a_replayed_study(curves):
    mine = search(curves, trials=1000, plateau=8)
    replay(mine, curves, epochs=100_000, workers=4, over=lambda: mine.plateau.reached)
    assert mine.plateau.reached
    assert len(mine.recorder.record.trials) < 1000


@pytest.mark.parametrize("sampler", ["tpe", "nsga2", "nsga3", "random"])
def test_every_sampler_runs_with_every_bound(curves, sampler):
    bounds = Objectives(
        min_recall=0.3,
        min_specificity=0.5,
        ceilings={"latency_ms": 5, "parameters": 10_000},
        sure=True,
        cost="latency_ms",
    )
    mine = Ours(curves, bounds, seed=1, trials=25, ladder=LADDER, sampler=sampler)
    replay(mine, curves, epochs=10_000, workers=2)
    assert len(mine.recorder.record.trials) == 25
