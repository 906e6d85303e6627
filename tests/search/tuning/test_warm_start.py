"""What another study gives to begin with."""

import json

import pytest
from optuna.trial import TrialState as OptunaState

from leukmodels.dataset.split import Split
from leukmodels.errors import StudyError
from leukmodels.space import presets
from search.study import journal
from search.study.journal import Journal
from search.study.manifest import WarmStart
from search.study.objectives import Objectives
from search.study.recorder import Recorder
from search.study.records import WARM, StudyRecord, fold
from search.tuning.searcher import OptunaSearcher
from search.tuning.warm_start import TRIED, read_prior, refuse_known_test
from studies import begin, complete, recording, start, stop

OBJECTIVES = Objectives(min_specificity=0.5)


@pytest.fixture
def other(tmp_path):
    """Return a study with its default, a front of seven and a stopped trial."""
    folder = begin(tmp_path / "npm1")
    with recording(folder) as recorder:
        start(recorder, 0)
        complete(recorder, 0, recall=0.5, specificity=0.6)
        for number in range(1, 8):
            start(recorder, number, dropout=number / 20)
            complete(recorder, number, recall=0.5 + number / 20, specificity=1 - number / 20)
        start(recorder, 8)
        stop(recorder, 8)
    return folder


@pytest.fixture
def recorder(tmp_path):
    with Journal(tmp_path / "journal.jsonl") as writing:
        yield Recorder(writing, StudyRecord())


def searcher_of(recorder, prior, **changed):
    arguments = {"space": presets.space("small"), "objectives": OBJECTIVES, "trials": 20, "seed": 0}
    return OptunaSearcher(recorder, prior=prior, **{**arguments, **changed})


def test_it_takes_a_few_of_the_front_and_every_complete_trial(other):
    prior = read_prior(other)
    assert len(prior.front) == TRIED
    assert {0.05, 0.35} <= {params["dropout"] for params in prior.front}  # both ends of the front
    assert len(prior.params) == 7
    assert prior.default["recall"] == 0.5
    assert "5 of its front are tried first, and the sampler learns from 7" in prior.describe("tpe")
    assert WarmStart(**json.loads(prior.model_dump_json())) == prior


def test_patients_that_another_study_was_developed_on_may_not_test_this_one(other):
    parts = {"a": "train", "b": "validation", "c": "test"}
    Split(part_of=parts).save(other.split)
    refuse_known_test(other, Split(part_of=parts))
    refuse_known_test(other, Split(part_of={"a": "validation", "b": "train", "d": "test"}))
    for known in ("a", "b"):
        with pytest.raises(
            StudyError, match=rf"chose its best trials on patients that are to test this study \(1: {known}\)"
        ):
            refuse_known_test(other, Split(part_of={**parts, known: "test"}))


def test_its_front_comes_after_the_default(other, recorder):
    prior = read_prior(other)
    searcher = searcher_of(recorder, prior)
    suggested = [searcher.suggest(str(number))["params"] for number in range(TRIED + 2)]
    assert suggested[1 : TRIED + 1] == [dict(params) for params in prior.front]
    sources = [trial.source for trial in recorder.record.trials.values()]
    assert sources == ["default", *[WARM] * TRIED, "sampled"]


def test_its_trials_are_learnt_from_once_the_default_shows_how_the_tasks_differ(other, recorder):
    searcher = searcher_of(recorder, read_prior(other))
    searcher.suggest("a")
    assert len(searcher.study.get_trials(states=[OptunaState.COMPLETE])) == 0
    complete(recorder, 0, recall=0.4, specificity=0.6)  # a tenth harder
    searcher.on_trial_complete("a", {})
    learnt = searcher.study.get_trials(states=[OptunaState.COMPLETE])[1:]
    assert sorted(trial.values[0] for trial in learnt) == pytest.approx([0.4 + number / 20 for number in range(1, 8)])
    assert all(trial.number > 0 for trial in learnt)
    assert searcher.suggest("b")["number"] == 1  # the journal's numbers know nothing of them


def test_a_resume_tries_what_of_the_front_is_left(other, recorder, tmp_path):
    prior = read_prior(other)
    searcher = searcher_of(recorder, prior)
    for number in range(3):
        searcher.suggest(str(number))
        complete(recorder, number)
        searcher.on_trial_complete(str(number), {})
    record = fold(journal.read(tmp_path / "journal.jsonl"))
    with Journal(tmp_path / "journal.jsonl") as writing:
        again = searcher_of(Recorder(writing, record), prior)
        assert [again.suggest(str(n))["params"] for n in range(3)] == [dict(params) for params in prior.front[2:]]
        assert [trial.number for trial in record.trials.values()] == [*range(6)]


def test_it_is_older_than_all_trials_of_a_resumed_study(other, recorder, tmp_path):
    prior = read_prior(other)
    searcher = searcher_of(recorder, prior)
    searcher.suggest("a")
    complete(recorder, 0)
    searcher.on_trial_complete("a", {})
    record = fold(journal.read(tmp_path / "journal.jsonl"))
    with Journal(tmp_path / "journal.jsonl") as writing:
        again = searcher_of(Recorder(writing, record), prior)
    assert [trial.params["dropout"] for trial in again.study.trials[: len(prior.params)]] == [
        params["dropout"] for params in prior.params
    ]


def test_what_models_cost_is_scaled_by_what_the_default_costs(other):
    prior = read_prior(other)
    moved = prior.shifted({**prior.default, "latency_ms": 10 * prior.default["latency_ms"]}, OBJECTIVES)
    assert [metrics["latency_ms"] for _, metrics in moved] == [25.0] * 7


def test_a_sampler_that_cannot_learn_from_it_is_not_said_to(other):
    assert "learns from 0 of its trials" in read_prior(other).describe("nsga2")


def test_a_study_without_a_front_has_nothing_to_give(tmp_path):
    folder = begin(tmp_path / "empty")
    with recording(folder) as recorder:
        start(recorder, 0)
    with pytest.raises(StudyError, match="has no front to begin with"):
        read_prior(folder)


def test_without_its_default_only_the_front_is_taken(tmp_path):
    folder = begin(tmp_path / "no default")
    with recording(folder) as recorder:
        start(recorder, 0)
        stop(recorder, 0)
        start(recorder, 1, dropout=0.1)
        complete(recorder, 1)
    prior = read_prior(folder)
    assert prior.shifted({"recall": 1.0}, OBJECTIVES) == []
    assert len(prior.front) == 1
