"""What Tune is told while the workers start, part by part; test_study_loop.py has it whole."""

import pytest
import ray
from ray.tune.search import Searcher

from leukmodels.errors import SessionError
from search.tuning import warmup
from search.tuning.warmup import StartCounter, WarmSearcher, WarmUps


class Counting(Searcher):
    """Suggests numbers, and notes what it hears of."""

    def __init__(self):
        super().__init__(metric=None, mode=None)
        self.given, self.heard = 0, []

    def suggest(self, trial_id):
        self.given += 1
        return {"number": self.given, "params": {}}

    def on_trial_complete(self, trial_id, result=None, error=False):
        self.heard.append(trial_id)


class Trial:
    def __init__(self, number):
        self.config = {"number": number}


def test_warm_ups_come_first_and_configurations_only_with_the_data(session):
    warm_ups, inner = WarmUps(2, lambda: "pixels"), Counting()
    searcher = WarmSearcher(inner, warm_ups)
    assert [searcher.suggest(name) for name in "abc"] == [{"number": None}, {"number": None}, None]
    searcher.on_trial_complete("a")
    warm_ups.worker_started()
    warm_ups.look()
    assert searcher.suggest("c") is None
    warm_ups.worker_started()
    warm_ups.look()
    suggestion = searcher.suggest("c")
    assert suggestion["number"] == 1
    assert ray.get(suggestion["data"]) == "pixels"
    searcher.on_trial_complete("c")
    assert inner.heard == ["c"]


def test_a_cluster_that_starts_only_some_of_the_workers_is_not_waited_for_for_ever(session, monkeypatch):
    made = []
    warm_ups = WarmUps(2, lambda: made.append("data"))
    warm_ups.look()
    assert made == []
    monkeypatch.setattr(warmup, "_PATIENCE_S", 0.0)
    warm_ups.look()
    warm_ups.look()
    assert made == ["data"]


def test_the_first_reason_of_a_warm_up_that_failed_is_raised():
    warm_ups = WarmUps(2, lambda: None)
    warm_ups.failed("no GPU is seen")
    warm_ups.failed("nor here")
    with pytest.raises(SessionError, match=r"cannot be started\. no GPU is seen"):
        warm_ups.look()


def test_the_time_runs_from_the_first_trial():
    began = []
    counter = StartCounter(WarmUps(1, lambda: None), lambda: began.append("now"))
    counter.on_trial_start(0, [], Trial(None))
    assert began == []
    counter.on_trial_start(1, [], Trial(0))
    counter.on_trial_start(2, [], Trial(1))
    assert began == ["now"]
