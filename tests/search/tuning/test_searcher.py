from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.samplers._tpe.sampler import _split_trials
from optuna.trial import TrialState as OptunaState
from ray.tune.search import Searcher

from leukmodels.space import hyperparameters
from leukmodels.space.dimensions import Choice, Float, Int, Space
from search.study.config import Sampler
from search.study.journal import Journal
from search.study.objectives import Objectives
from search.study.recorder import Recorder
from search.study.records import RungDecision, StudyRecord, TrialState, fold
from search.tuning.optuna_study import distribution, told
from search.tuning.searcher import OptunaSearcher
from studies import complete, stop
from toy import SPACE


@pytest.fixture
def recorder(tmp_path):
    with Journal(tmp_path / "journal.jsonl") as writing:
        yield Recorder(writing, StudyRecord())


def searcher_of(recorder, trials=10, **changed):
    arguments = {"space": SPACE, "objectives": Objectives(min_specificity=0.5), "seed": 0}
    return OptunaSearcher(recorder, trials=trials, **{**arguments, **changed})


def test_the_default_comes_first_and_the_journal_knows_before_anyone_acts(recorder):
    searcher = searcher_of(recorder)
    first = searcher.suggest("a")
    assert first == {"number": 0, "params": dict(SPACE.default)}
    assert recorder.record.trials[0].source == "default"
    second = searcher.suggest("b")
    assert recorder.record.trials[1].params == second["params"]
    assert recorder.record.trials[1].source == "sampled"


def test_each_end_is_told_as_what_it_is(recorder):
    searcher = searcher_of(recorder)
    for name in "abcd":
        searcher.suggest(name)
    complete(recorder, 0, recall=0.9, specificity=0.7)
    recorder.trial_finished(1, TrialState.STOPPED, reason="time")
    recorder.trial_finished(2, TrialState.FAILED, reason="NaN")
    recorder.trial_finished(3, TrialState.FAILED, reason="its worker was lost")
    for name in "abc":
        searcher.on_trial_complete(name, {"metrics": "{}", "recall": 0.1})
    searcher.on_trial_complete("d", error=True)
    assert [trial.state for trial in searcher.study.trials] == [
        OptunaState.COMPLETE,
        OptunaState.PRUNED,
        OptunaState.FAIL,
        OptunaState.FAIL,
    ]
    assert searcher.study.trials[0].values == [0.9, pytest.approx(0.78)]


def test_everything_is_leukemia_is_told_as_infeasible(recorder):
    searcher = searcher_of(recorder)
    for name, specificity in (("a", 0.0), ("b", 0.9)):
        number = searcher.suggest(name)["number"]
        complete(recorder, number, recall=1.0 - number / 10, specificity=specificity)
        searcher.on_trial_complete(name, {})
    assert [trial.number for trial in searcher.study.best_trials] == [1]


def test_it_ends_after_the_last_trial(recorder):
    searcher = searcher_of(recorder, trials=2)
    searcher.suggest("a")
    searcher.suggest("b")
    assert searcher.suggest("c") == Searcher.FINISHED


ENDS = st.lists(st.sampled_from([*TrialState]), max_size=8)


@given(ends=ENDS)
@settings(max_examples=40)
def test_a_replayed_searcher_knows_every_end_and_hands_out_the_unfinished_first(tmp_path_factory, ends):
    path = tmp_path_factory.mktemp("replay") / "journal.jsonl"
    with Journal(path) as writing:
        recorder = Recorder(writing, StudyRecord())
        live = searcher_of(recorder)
        for number, end in enumerate(ends):
            live.suggest(str(number))
            if end is TrialState.COMPLETE:
                complete(recorder, number)
            elif end is not TrialState.RUNNING:
                recorder.trial_finished(number, end, reason="why")
            if end is not TrialState.RUNNING:
                live.on_trial_complete(str(number), {})
        before = dict(recorder.record.trials)
        recorder.study_resumed({})
        again = searcher_of(recorder)
        states = {True: OptunaState.WAITING}
        for known, replayed in zip(live.study.trials, again.study.trials, strict=True) if ends else ():
            expected = states.get(known.state is OptunaState.RUNNING, known.state)
            assert (replayed.number, replayed.state, replayed.values) == (known.number, expected, known.values)
        unfinished = [number for number, end in enumerate(ends) if end is TrialState.RUNNING]
        for number in unfinished:
            handed = again.suggest(f"again-{number}")
            assert handed == {"number": number, "params": dict(before[number].params)}
        assert again.suggest("new")["number"] == len(ends)


@given(steps=st.lists(st.sampled_from(["suggest", "outcome", "told"]), max_size=60), unfinished=st.integers(0, 3))
@settings(max_examples=60)
def test_in_any_order_of_events_every_trial_is_handed_out_once_and_none_too_many(tmp_path_factory, steps, unfinished):
    path = tmp_path_factory.mktemp("order") / "journal.jsonl"
    with Journal(path) as writing:
        recorder = Recorder(writing, StudyRecord())
        for number in range(unfinished):
            recorder.trial_started(number, SPACE.default, "sampled")
        searcher = searcher_of(recorder, trials=5)
        handed, with_outcome, told = [], [], []
        for step in [*steps, *["suggest"] * 6]:
            match step:
                case "suggest":
                    suggestion = searcher.suggest(str(len(handed)))
                    if suggestion != Searcher.FINISHED:
                        handed.append(suggestion["number"])
                case "outcome" if len(with_outcome) < len(handed):
                    with_outcome.append(handed[len(with_outcome)])
                    complete(recorder, with_outcome[-1])
                case "told" if len(told) < len(with_outcome):
                    searcher.on_trial_complete(str(len(told)), {})
                    told.append(with_outcome[len(told)])
        assert handed == [0, 1, 2, 3, 4]


def test_a_restart_from_tunes_own_state_is_refused(recorder, tmp_path):
    searcher = searcher_of(recorder)
    searcher.save(str(tmp_path / "state"))
    assert not (tmp_path / "state").exists()
    with pytest.raises(NotImplementedError, match="journal"):
        searcher.restore(str(tmp_path / "state"))


@given(data=st.data())
@settings(max_examples=50)
def test_both_ends_of_every_range_go_to_optuna_and_back(data):
    dimension = data.draw(st.sampled_from(list(hyperparameters.allowed().values())))
    converted = distribution(dimension)
    match dimension:
        case Choice(options=options):
            value = data.draw(st.sampled_from(options))
        case Int(low=low, high=high, step=step):
            value = data.draw(st.sampled_from(range(low, high + 1, step)))
        case Float(low=low, high=high):
            value = data.draw(st.sampled_from([low, high]) | st.floats(low, high))
    assert converted.to_external_repr(converted.to_internal_repr(value)) == pytest.approx(value)
    assert converted._contains(converted.to_internal_repr(value))


def test_a_second_fold_of_the_journal_is_the_recorders(recorder, tmp_path):
    searcher = searcher_of(recorder)
    searcher.suggest("a")
    from search.study import journal

    assert fold(journal.read(tmp_path / "journal.jsonl")).trials == recorder.record.trials


@pytest.mark.parametrize("resumed", [False, True])
def test_no_stopped_trial_is_taken_for_a_good_one_while_others_are_complete(recorder, resumed):
    searcher = searcher_of(recorder, trials=100)
    for number in range(60):
        searcher.suggest(str(number))
        recorder.rung(number, RungDecision(rung=1, rank=number + 1, size=60, quota=1))
        if number % 20 == 19:
            complete(recorder, number)
        else:
            stop(recorder, number)
        searcher.on_trial_complete(str(number), {})
    study = told(recorder.record, SPACE, Objectives()) if resumed else searcher.study
    ended = study.get_trials(states=[OptunaState.COMPLETE, OptunaState.PRUNED])
    better, _ = _split_trials(study, ended, 6)
    # The three that are complete, and then the best of the stopped ones.
    assert [trial.number for trial in better] == [0, 1, 2, 19, 39, 59]
    worse, _ = _split_trials(study, ended[30:], 3)
    assert [trial.number for trial in worse] == [30, 39, 59]


CONDITIONAL = Space(
    dimensions={
        "norm": Choice(options=("none", "group")),
        "groups": Int(low=2, high=8),
        "rate": Float(low=1e-4, high=1e-1, log=True),
    },
    default={"norm": "none", "groups": 4, "rate": 1e-2},
    conditions={"groups": {"norm": Choice(options=("group",))}},
)


@pytest.mark.parametrize("sampler", get_args(Sampler))
def test_a_hyperparameter_without_effect_is_not_drawn(recorder, sampler):
    searcher = searcher_of(recorder, trials=25, space=CONDITIONAL, sampler=sampler)
    for number in range(25):
        params = searcher.suggest(str(number))["params"]
        assert ("groups" in params) == (params["norm"] == "group")
        complete(recorder, number, recall=number / 25)
        searcher.on_trial_complete(str(number), {})
    assert {"none", "group"} == {trial.params["norm"] for trial in recorder.record.trials.values()}
    replayed = told(recorder.record, CONDITIONAL, Objectives())
    assert [trial.params for trial in replayed.trials] == [trial.params for trial in searcher.study.trials]


def test_a_third_objective_is_minimised(recorder):
    searcher = searcher_of(recorder, objectives=Objectives(cost="latency_ms"))
    number = searcher.suggest("a")["number"]
    complete(recorder, number)
    searcher.on_trial_complete("a", {})
    assert searcher.study.trials[0].values == [0.8, pytest.approx(0.8), 2.5]
    assert [direction.name for direction in searcher.study.directions] == ["MAXIMIZE", "MAXIMIZE", "MINIMIZE"]
