"""Who trains on beyond a rung."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from ray.tune.schedulers import TrialScheduler

from search.selection.nondominated import epsilon_net
from search.study import journal
from search.study.journal import Journal
from search.study.objectives import Objectives
from search.study.recorder import Recorder
from search.study.records import DEFAULT, SAMPLED, RungDecision, StudyRecord, TrialState, fold
from search.tuning.scheduler import JournalingScheduler
from search.tuning.successive_halving import RungSchedule, RungTable
from studies import TOLD, complete, metrics
from tune_trials import outcome_of, report_of, trial_of

OBJECTIVES = Objectives(min_specificity=0.5)
LADDER = RungSchedule(reduction_factor=3, grace_period=1, rung_factor=3, epochs=9)
SHARES = st.integers(0, 10).map(lambda tenths: tenths / 10)  # many ties


@pytest.fixture
def recorder(tmp_path):
    with Journal(tmp_path / "journal.jsonl") as writing:
        yield Recorder(writing, StudyRecord())


@given(spacing=st.integers(2, 9), grace=st.integers(1, 30), epochs=st.integers(1, 100))
def test_rungs_are_epochs_before_the_last(spacing, grace, epochs):
    rungs = RungSchedule(reduction_factor=3, grace_period=grace, rung_factor=spacing, epochs=epochs).rungs
    assert all(rung < epochs for rung in rungs)
    assert [b / a for a, b in pairwise(rungs)] == [spacing] * max(len(rungs) - 1, 0)
    assert bool(rungs) == (grace < epochs)


@pytest.mark.parametrize(
    ("grace", "epochs", "said"),
    [
        (1, 1, "No trial is stopped early: each may train to epoch 1."),
        (1, 9, "compared after epoch 1 of 9: the best 1/3"),
        (1, 40, "compared after epochs 1 and 9 of 40: the best 1/3"),
        (1, 100, "compared after epochs 1, 9 and 81 of 100"),
    ],
)
def test_who_is_stopped_is_said(grace, epochs, said):
    assert said in RungSchedule(reduction_factor=3, grace_period=grace, rung_factor=9, epochs=epochs).describe()


def start(recorder, number):
    recorder.trial_started(number, {}, SAMPLED)


def test_who_comes_first_trains_on_and_a_worse_one_after_it_does_not(recorder):
    scheduler = JournalingScheduler(recorder, RungTable(LADDER, OBJECTIVES, recorder.record))
    start(recorder, 0)
    start(recorder, 1)
    start(recorder, 2)
    assert scheduler.on_trial_result(None, trial_of(0), report_of(1, 0.8, 0.8)) == TrialScheduler.CONTINUE
    assert scheduler.on_trial_result(None, trial_of(1), report_of(1, 0.7, 0.7)) == TrialScheduler.STOP
    assert scheduler.on_trial_result(None, trial_of(2), report_of(1, 0.9, 0.9)) == TrialScheduler.CONTINUE
    stopped = recorder.record.trials[1]
    assert stopped.state is TrialState.STOPPED
    assert stopped.reason == "rank 2 of 2 at epoch 1, where the best 1 train on"
    assert recorder.record.trials[2].decisions == (RungDecision(rung=1, rank=1, size=3, quota=1),)


def test_feasible_trials_pass_before_infeasible_ones(recorder):
    scheduler = JournalingScheduler(recorder, RungTable(LADDER, OBJECTIVES, recorder.record))
    for number, (recall, specificity) in enumerate([(1.0, 0.0), (0.5, 0.6), (1.0, 0.4)]):
        start(recorder, number)
        scheduler.on_trial_result(None, trial_of(number), report_of(1, recall, specificity))
    assert [recorder.record.trials[number].decisions[0].rank for number in range(3)] == [1, 1, 2]


def test_a_trial_is_judged_by_its_best_epoch_so_far(recorder):
    start(recorder, 0)
    for epoch, loss in enumerate([0.5, 0.3, 0.4], start=1):
        recorder.epoch(0, epoch, metrics(epoch / 10, 0.8, log_loss=loss) | TOLD)
    trial = recorder.record.trials[0]
    assert [trial.metrics_at(rung)["recall"] for rung in (1, 2, 3)] == [0.1, 0.2, 0.2]
    assert trial.metrics_at(4) == {}


def test_who_ended_by_itself_stands_on_the_rungs_above(recorder):
    scheduler = JournalingScheduler(recorder, RungTable(LADDER, OBJECTIVES, recorder.record))
    start(recorder, 0)
    scheduler.on_trial_result(None, trial_of(0), report_of(1, 0.9, 0.9))
    scheduler.on_trial_result(None, trial_of(0), outcome_of(0.9, 0.9))
    start(recorder, 1)
    recorder.epoch(1, 1, metrics(1.0, 1.0) | TOLD)
    recorder.epoch(1, 2, metrics(0.5, 0.6, log_loss=0.1) | TOLD)
    assert scheduler.on_trial_result(None, trial_of(1), report_of(3, 0.5, 0.6, log_loss=0.05)) == TrialScheduler.STOP


def test_a_trial_that_resumes_is_not_judged_again_where_it_was(recorder):
    scheduler = JournalingScheduler(recorder, RungTable(LADDER, OBJECTIVES, recorder.record))
    for number, recall in enumerate([0.5, 0.9]):
        start(recorder, number)
        assert scheduler.on_trial_result(None, trial_of(number), report_of(1, recall, 0.8)) == TrialScheduler.CONTINUE
    again = JournalingScheduler(recorder, RungTable(LADDER, OBJECTIVES, recorder.record))
    assert again.on_trial_result(None, trial_of(0), report_of(1, 0.5, 0.8)) == TrialScheduler.CONTINUE
    assert len(recorder.record.trials[0].decisions) == 1


def test_a_verdict_that_was_not_acted_on_is_acted_on_after_a_resume(recorder):
    start(recorder, 0)
    recorder.epoch(0, 1, metrics(0.5, 0.8) | TOLD)
    recorder.rung(0, RungDecision(rung=1, rank=2, size=2, quota=1))  # and here the driver was killed
    scheduler = JournalingScheduler(recorder, RungTable(LADDER, OBJECTIVES, recorder.record))
    assert scheduler.on_trial_result(None, trial_of(0), report_of(1, 0.5, 0.8)) == TrialScheduler.STOP
    assert recorder.record.trials[0].state is TrialState.STOPPED


def test_without_rungs_nobody_is_stopped(recorder):
    rungs = RungTable(
        RungSchedule(reduction_factor=3, grace_period=3, rung_factor=3, epochs=3), OBJECTIVES, recorder.record
    )
    scheduler = JournalingScheduler(recorder, rungs)
    for number, recall in enumerate([0.9, 0.1]):
        start(recorder, number)
        assert scheduler.on_trial_result(None, trial_of(number), report_of(1, recall, 0.8)) == TrialScheduler.CONTINUE


STEPS = st.lists(
    st.tuples(st.integers(0, 5), SHARES, SHARES, st.sampled_from(["epoch"] * 5 + ["complete", "fail"])), max_size=60
)


def play(recorder, steps, after=lambda scheduler: None):
    """Let up to six trials report in any order; return each verdict with what stood on its rung then."""
    scheduler = JournalingScheduler(recorder, rungs := RungTable(LADDER, OBJECTIVES, recorder.record))
    judged = []
    for number, recall, specificity, what in steps:
        if number not in recorder.record.trials:
            start(recorder, number)
        trial = recorder.record.trials[number]
        if trial.state is not TrialState.RUNNING:
            continue
        if what == "epoch" and len(trial.epochs) < LADDER.epochs:
            epoch = len(trial.epochs) + 1
            scheduler.on_trial_result(None, trial_of(number), report_of(epoch, recall, specificity))
            if verdict := recorder.record.trials[number].decision(epoch):
                judged.append((number, verdict, dict(rungs.holds(epoch))))
        elif what == "complete" and trial.epochs:
            scheduler.on_trial_result(None, trial_of(number), outcome_of(recall, specificity))
        elif what == "fail":
            scheduler.on_trial_result(None, trial_of(number), {"failure": "why"})
        after(rungs)
    return judged


@settings(max_examples=60)
@given(steps=STEPS)
@example(steps=[(1, 0.0, 0.0, "epoch"), (0, 0.0, 0.0, "epoch")])  # equal, and the later one has the lower number
def test_nobody_within_the_quota_is_stopped_and_a_first_front_only_where_it_alone_exceeds_it(tmp_path_factory, steps):
    with Journal(tmp_path_factory.mktemp("rungs") / "journal.jsonl") as writing:
        for number, verdict, standing in play(Recorder(writing, StudyRecord()), steps):
            levels = levels_of(standing)
            better = sum(level < levels[number] for level in levels.values())
            as_good = sum(level == levels[number] for level in levels.values())
            assert verdict.quota == LADDER.quota(len(standing))
            if better >= verdict.quota:
                assert verdict.stops
            elif better + as_good <= verdict.quota:
                assert not verdict.stops
            else:  # its front alone exceeds what is left: the net decides
                front = sorted(other for other, level in levels.items() if level == levels[number])
                order = epsilon_net(np.array([standing[other][0] for other in front]))
                kept = [front[row] for row in order[: verdict.quota - better]]
                assert verdict.stops == (number not in kept)


def levels_of(standing):
    """Return the violation and the number of the front of each trial, the fronts by peeling."""
    levels, left, front = {}, dict(standing), 0
    while left:
        for number in [
            number
            for number, (losses, over) in left.items()
            if not any(other_over == over and dominates(other, losses) for other, other_over in left.values())
        ]:
            levels[number] = (left[number][1], front)
        left = {number: held for number, held in left.items() if number not in levels}
        front += 1
    return levels


def dominates(a, b):
    return all(x <= y for x, y in zip(a, b, strict=True)) and a != b


def test_the_default_is_judged_nowhere_and_others_are_measured_against_it(recorder):
    scheduler = JournalingScheduler(recorder, RungTable(LADDER, OBJECTIVES, recorder.record))
    recorder.trial_started(0, {}, DEFAULT)
    start(recorder, 1)
    start(recorder, 2)
    assert scheduler.on_trial_result(None, trial_of(1), report_of(1, 0.9, 0.9)) == TrialScheduler.CONTINUE
    assert scheduler.on_trial_result(None, trial_of(0), report_of(1, 0.5, 0.5)) == TrialScheduler.CONTINUE
    assert recorder.record.trials[0].decisions == ()
    scheduler.on_trial_result(None, trial_of(2), report_of(1, 0.4, 0.4))
    assert (recorder.record.trials[2].decisions[0].rank, recorder.record.trials[2].decisions[0].size) == (3, 3)


@settings(max_examples=40)
@given(steps=STEPS)
def test_any_prefix_of_a_journal_has_the_rungs_that_the_live_run_had(tmp_path_factory, steps):
    path = tmp_path_factory.mktemp("prefix") / "journal.jsonl"
    with Journal(path) as writing:
        recorder, seen = Recorder(writing, StudyRecord()), []
        play(recorder, steps, after=lambda rungs: seen.append((recorder.record.seq, contents(rungs))))
    events = list(journal.read(path)) if path.exists() else []
    for seq, live in seen:
        replayed = fold(event for event in events if event["seq"] <= seq)
        assert contents(RungTable(LADDER, OBJECTIVES, replayed)) == live


def contents(rungs):
    return {rung: dict(rungs.holds(rung)) for rung in LADDER.rungs}


def test_a_complete_trial_stands_on_every_rung_that_it_did_not_reach(recorder):
    start(recorder, 0)
    complete(recorder, 0)
    rungs = RungTable(LADDER, OBJECTIVES, recorder.record)
    assert [set(rungs.holds(rung)) for rung in LADDER.rungs] == [{0}, {0}]


@pytest.mark.parametrize(
    ("factor", "size", "promoted"),
    [(3, 1, 1), (3, 2, 1), (3, 3, 1), (3, 4, 2), (3, 6, 2), (3, 7, 3), (2, 1, 1), (2, 2, 1), (2, 3, 2), (4, 9, 3)],
)
def test_of_so_many_on_a_rung_so_many_are_promoted(factor, size, promoted):
    schedule = RungSchedule(reduction_factor=factor, grace_period=1, rung_factor=3, epochs=9)
    assert schedule.quota(size) == promoted


@pytest.mark.parametrize(
    ("trials", "epochs", "complete"),
    [  # rungs after 1 and 3 epochs of 9, after 1 of 3, and none of 1
        (1, 9, 1),
        (8, 9, 1),
        (9, 9, 1),
        (18, 9, 2),
        (100, 9, 11),
        (2, 3, 1),
        (7, 3, 2),
        (5, 1, 5),
    ],
)
def test_of_so_many_trials_so_many_end_whole_and_one_at_least(trials, epochs, complete):
    schedule = RungSchedule(reduction_factor=3, grace_period=1, rung_factor=3, epochs=epochs)
    assert schedule.complete(trials) == complete
