import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.study import journal
from search.study.journal import Journal
from search.study.recorder import Recorder
from search.study.records import RungDecision, StudyRecord, TrialState, fold
from studies import metrics, outcome

ACTIONS = st.lists(
    st.tuples(st.sampled_from(["start", "epoch", "complete", "fail", "stop", "resume"]), st.integers(0, 5)), max_size=40
)


def act(recorder: Recorder, action: str, pick: int) -> None:
    """Do what a driver could do: things are only reported of trials that exist."""
    trials = recorder.record.trials
    number = pick % len(trials) if trials else None
    match action:
        case "start":
            recorder.trial_started(len(trials), {"filters": pick}, "sampled")
        case "resume":
            recorder.study_resumed({})
        case _ if number is None:
            pass
        case "epoch":
            recorder.epoch(number, pick + 1, metrics(0.5, 0.5))
        case "complete":
            recorder.trial_finished(number, TrialState.COMPLETE, outcome=outcome(metrics(0.5, 0.5)))
        case "fail":
            recorder.trial_finished(number, TrialState.FAILED, reason="bad")
        case "stop":
            recorder.trial_finished(number, TrialState.STOPPED, reason="slow")


@given(actions=ACTIONS)
@settings(max_examples=60)
def test_every_prefix_of_a_journal_folds_to_the_state_the_live_run_had_there(tmp_path_factory, actions):
    path = tmp_path_factory.mktemp("fold") / "journal.jsonl"
    live = []
    with Journal(path) as writing:
        recorder = Recorder(writing, StudyRecord(), [lambda record, event: live.append(snapshot(record))])
        for action, pick in actions:
            act(recorder, action, pick)
    events = journal.read(path)
    assert [snapshot(fold(events[: count + 1])) for count in range(len(events))] == live


@given(actions=ACTIONS)
@settings(max_examples=60)
def test_no_trial_ends_twice_and_epochs_are_consecutive(tmp_path_factory, actions):
    path = tmp_path_factory.mktemp("once") / "journal.jsonl"
    with Journal(path) as writing:
        recorder = Recorder(writing, StudyRecord())
        for action, pick in actions:
            act(recorder, action, pick)
    events = journal.read(path)
    for number in recorder.record.trials:
        mine = [event for event in events if event.get("trial") == number]
        assert sum(event["event"] == "trial_finished" for event in mine) <= 1
        epochs = [event["epoch"] for event in mine if event["event"] == "epoch"]
        assert epochs == list(range(1, len(epochs) + 1))


def snapshot(record: StudyRecord):
    return (dict(record.trials), record.sessions, record.finished, record.seq)


@pytest.mark.fault("files", "a journal has events of a newer version", "they change nothing")
def test_unknown_events_of_a_newer_version_change_nothing():
    record = fold([{"seq": 1, "time": 0.0, "event": "test_opened", "by": "someone"}])
    assert record.trials == {}
    assert record.seq == 1


@pytest.mark.parametrize(("rank", "stops"), [(1, False), (2, False), (3, True), (4, True)])
def test_a_trial_whose_rank_is_the_quota_is_promoted(rank, stops):
    assert RungDecision(rung=1, rank=rank, size=4, quota=2).stops is stops


def folded(*events):
    return fold({"seq": seq, "time": float(seq), **event} for seq, event in enumerate(events, start=1))


FINISHED = {"event": "study_finished", "reason": "all trials done"}


def test_a_study_that_was_resumed_is_not_finished():
    assert folded(FINISHED).finished == "all trials done"
    assert folded(FINISHED, {"event": "study_resumed", "session": 2, "changes": {}}).finished == ""


def test_the_changes_of_several_resumes_add_up_and_the_last_of_one_option_counts():
    resumes = ({"trials": 9}, {"time_budget": 5.0}, {"trials": 12})
    events = [{"event": "study_resumed", "session": 2, "changes": changes} for changes in resumes]
    assert folded(*events).changes == {"trials": 12, "time_budget": 5.0}
