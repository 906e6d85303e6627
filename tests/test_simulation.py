"""The replay of studies on learning curves, by the project's own searcher, scheduler and stopper."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from search.aims import Aims
from search.records import TrialState
from search.rungs import Ladder
from simulation import Curves, Ours, replay
from studies import TOLD, metrics
from toy import SPACE

AIMS = Aims(min_specificity=0.5)
EPOCHS = 9
LADDER = Ladder(eta=3, grace=1, epochs=EPOCHS)


@pytest.fixture(scope="module")
def curves(tmp_path_factory):
    """Return curves of a hundred random configurations that learn the better the nearer their rate is to 1e-3."""
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
    return Curves(path, SPACE)


def search(curves, *, seed=0, ladder=LADDER, **given):
    return Ours(curves, AIMS, seed=seed, trials=given.pop("trials", 60), ladder=ladder, **given)


def test_a_recorded_configuration_is_nearest_to_itself(curves):
    assert [curves.nearest(config) for config in curves.configs] == [[row] for row in range(len(curves))]


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
        state: np.mean([curves.of(curves.nearest(trial.params)[0])[-1]["recall"] for trial in record.by_state(state)])
        for state in (TrialState.STOPPED, TrialState.COMPLETE)
    }
    assert worth[TrialState.COMPLETE] > worth[TrialState.STOPPED]


def test_the_plateau_ends_a_replayed_study(curves):
    mine = search(curves, trials=1000, plateau=8)
    replay(mine, curves, epochs=100_000, workers=4, over=lambda: mine.plateau.reached)
    assert mine.plateau.reached
    assert len(mine.recorder.record.trials) < 1000


@pytest.mark.parametrize("sampler", ["tpe", "nsga2", "nsga3", "random"])
def test_every_sampler_runs_with_every_bound(curves, sampler):
    bounds = Aims(
        min_recall=0.3, min_specificity=0.5, max_latency_ms=5, max_parameters=10_000, sure=True, cost="latency_ms"
    )
    mine = Ours(curves, bounds, seed=1, trials=25, ladder=LADDER, sampler=sampler)
    replay(mine, curves, epochs=10_000, workers=2)
    assert len(mine.recorder.record.trials) == 25
