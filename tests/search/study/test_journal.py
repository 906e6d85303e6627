import json
import math
import os
import shutil
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leukmodels.errors import StudyError
from search.study import journal
from search.study.journal import Follower, Journal


def test_events_carry_a_monotone_number_and_survive_reopening(tmp_path):
    path = tmp_path / "journal.jsonl"
    with Journal(path) as first:
        first.append("trial_started", trial=0, params={"a": 1}, source="default")
    with Journal(path) as second:
        second.append("study_finished", reason="done")
    events = journal.read(path)
    assert [event["seq"] for event in events] == [1, 2]
    assert [event["event"] for event in events] == ["trial_started", "study_finished"]


def test_append_returns_what_a_reader_sees(tmp_path):
    with Journal(tmp_path / "j") as writing:
        event = writing.append("epoch", trial=3, epoch=1, metrics={"recall": 0.5, "bad": math.nan, "deep": (math.inf,)})
    assert event == journal.read(tmp_path / "j")[0]
    assert event["metrics"] == {"recall": 0.5, "bad": None, "deep": [None]}


@pytest.mark.fault("disks", "the journal's last line is torn at any byte", "cut, and the next one follows")
@given(cut=st.integers(min_value=1))
@settings(max_examples=60)
def test_a_torn_last_line_is_cut_wherever_it_tore(tmp_path_factory, cut):
    path = tmp_path_factory.mktemp("torn") / "journal.jsonl"
    with Journal(path) as writing:
        for trial in range(3):
            writing.append("trial_started", trial=trial, params={}, source="sampled")
    whole = path.read_bytes()
    last = whole.rstrip(b"\n").rfind(b"\n") + 1
    torn = whole[: last + cut % (len(whole) - last)]
    path.write_bytes(torn)
    assert len(journal.read(path)) == 2
    with Journal(path) as again:
        assert again.append("study_finished", reason="done")["seq"] == 3
    assert [event["seq"] for event in journal.read(path)] == [1, 2, 3]


def test_a_broken_line_in_the_middle_is_an_error_that_names_it(tmp_path):
    path = tmp_path / "journal.jsonl"
    path.write_text('{"seq": 1, "event": "x"}\nnonsense\n{"seq": 2, "event": "x"}\n')
    with pytest.raises(StudyError, match="Line 2"):
        journal.read(path)


def test_a_follower_sees_each_whole_event_once(tmp_path):
    path = tmp_path / "journal.jsonl"
    follower = Follower(path)
    assert follower.new() == []
    with Journal(path) as writing:
        writing.append("study_resumed", session=2, changes={})
        assert [event["seq"] for event in follower.new()] == [1]
        assert follower.new() == []
    other = shutil.copy(path, tmp_path / "other.jsonl")
    with Journal(other) as writing:
        writing.append("study_finished", reason="")
    line = other.read_bytes()[path.stat().st_size :]
    with path.open("ab") as torn:
        torn.write(line[:20])
        torn.flush()
        assert follower.new() == []
        torn.write(line[20:])
    assert [event["seq"] for event in follower.new()] == [2]


@pytest.mark.fault(
    "disks", "locks that two machines do not see of one another", "the later driver ends, no line is lost"
)
def test_a_second_driver_is_noticed_by_what_it_wrote(tmp_path):
    path = tmp_path / "journal.jsonl"
    with Journal(path) as one, Journal(path) as other:
        one.append("trial_started", trial=0, params={}, source="default")
        with pytest.raises(StudyError, match=r"Another driver writes to .*where this one had left 0\."):
            other.append("trial_started", trial=0, params={}, source="default")
        one.append("study_finished", reason="done")
    assert [event["event"] for event in journal.read(path)] == ["trial_started", "study_finished"]


@pytest.mark.fault(
    "disks",
    "the disk is full in the middle of a line of the journal",
    "an error; the journal has whole lines and goes on",
)
def test_a_full_disk_is_an_error_that_leaves_whole_lines(tmp_path, monkeypatch):
    path = tmp_path / "journal.jsonl"
    write = os.write
    with Journal(path) as writing:
        writing.append("trial_started", trial=0, params={}, source="default")
        monkeypatch.setattr(os, "write", lambda fd, line: write(fd, line[:20]))
        with pytest.raises(OSError, match="No space left"):
            writing.append("epoch", trial=0, epoch=1, metrics={})
        monkeypatch.setattr(os, "write", write)
        writing.append("study_interrupted", signal="SIGTERM")
    assert [event["event"] for event in journal.read(path)] == ["trial_started", "study_interrupted"]


def test_lines_are_plain_json(tmp_path):
    with Journal(tmp_path / "j") as writing:
        writing.append("study_interrupted", signal="SIGTERM")
    (line,) = (tmp_path / "j").read_text().splitlines()
    assert json.loads(line)["signal"] == "SIGTERM"


FIELDS = {
    "trial_started": {"trial": 0, "params": {}, "source": "default"},
    "epoch": {"trial": 0, "epoch": 1, "metrics": {}},
    "rung": {"trial": 0, "rung": 1, "rank": 1, "size": 1, "quota": 1},
    "trial_finished": {"trial": 0, "state": "complete"},
    "node_left_alone": {"node": "a", "reason": "full"},
    "study_resumed": {"session": 2, "changes": {}},
    "study_interrupted": {"signal": "SIGINT"},
    "study_finished": {"reason": "all trials done"},
    "retrained": {"trial": 0},
    "test_opened": {"chosen": []},
    "tested": {"trial": 0, "metrics": {}},
}
# Losing one of these would repeat or lose a trial, or a look at the test, or leave files beside a journal that never
# heard of their trial; losing another costs an epoch.
SYNCED = {
    "node_left_alone",
    "retrained",
    "study_finished",
    "study_interrupted",
    "study_resumed",
    "test_opened",
    "tested",
    "trial_finished",
    "trial_started",
}


def test_every_kind_of_event_has_its_case():
    assert FIELDS.keys() == {*get_args(journal.EventKind)}


@pytest.mark.parametrize("kind", FIELDS)
def test_what_must_not_be_lost_is_on_disk_before_anyone_acts_on_it(kind, tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr("os.fsync", synced.append)
    with Journal(tmp_path / "journal.jsonl") as writing:
        writing.append(kind, **FIELDS[kind])
    assert len(synced) == 1 + (kind in SYNCED)  # the folder's entry, once
