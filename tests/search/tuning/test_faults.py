"""What is no outcome of a trial: counted, avoided, given up, and workers that hang."""

import os

import pytest
from ray.tune import PlacementGroupFactory

from leukmodels.errors import ConfigError, StudyError, TrainingDivergedError
from search.tuning.faults import Faults, Watch, is_fault_of_the_machine


def caused(error, cause):
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "is_one"),
    [
        (OSError(28, "No space left on device"), True),
        (FileNotFoundError("stream/0.parquet"), True),
        (StudyError("The base weights are gone."), True),
        (ConfigError("Files:", ["one"]), True),
        (caused(RuntimeError("cannot save"), OSError(30, "Read-only file system")), True),
        (TrainingDivergedError("a loss that is not a number"), False),
        (ValueError("a bad configuration"), False),
        (MemoryError(), False),
    ],
)
def test_what_is_a_fault_of_the_machine(error, is_one):
    assert is_fault_of_the_machine(error) is is_one


def test_ten_in_a_row_end_the_search_and_a_report_between_does_not():
    faults = Faults(nodes=lambda: ["a"])
    for _ in range(9):
        faults.add("a", "OSError: full")
    faults.report("a")
    for _ in range(9):
        faults.add("a", "OSError: full")
    with pytest.raises(StudyError, match=r"(?s)^10 times in a row .*OSError: full\nNothing is lost.*--resume\.$"):
        faults.add("a", "OSError: full\na traceback")


def test_a_node_with_three_in_a_row_is_left_alone_and_never_the_last():
    faults = Faults(nodes=lambda: ["a", "b"])
    bundle = PlacementGroupFactory([{"CPU": 2}])
    assert faults.resources(bundle) is bundle
    assert [faults.add("a", "full"), faults.add("a", "full")] == ["", ""]
    faults.report("b")  # which says nothing of the other
    assert faults.add("a", "full") == "a"
    assert faults.add("a", "full") == ""
    assert faults.avoided == ("a",)
    asked = faults.resources(bundle)
    assert asked.bundles == [{"CPU": 2}]
    assert asked._kwargs == {"bundle_label_selector": [{"ray.io/node-id": "!in(a)"}]}
    assert [faults.add("b", "full") for _ in range(3)] == [""] * 3
    assert faults.avoided == ("a",)


def test_a_report_of_a_node_ends_its_row():
    faults = Faults(nodes=lambda: ["a", "b"])
    for _ in range(5):
        assert [faults.add("a", "full"), faults.add("a", "full")] == ["", ""]
        faults.report("a")
    assert faults.avoided == ()


@pytest.mark.parametrize(
    ("epoch_s", "silent_s", "killed"),
    [
        (None, 3600, False),  # no epoch was seen yet
        (None, 3601, True),
        (1, 600, False),  # ten epochs are too near
        (1, 601, True),
        (100, 1000, False),
        (100, 1001, True),
    ],
)
def test_a_worker_is_killed_that_is_silent_for_far_longer_than_an_epoch(epoch_s, silent_s, killed):
    now, ended = 0.0, []
    watch = Watch(kill=lambda node, pid: ended.append((node, pid)), clock=lambda: now)
    watch.began(0, "a", 11)
    watch.began(1, "b", 12)
    if epoch_s:
        now = epoch_s
        watch.epoch(0)
        watch.epoch(1)
    watch.ended(1)
    now += silent_s
    assert watch.look() == ([0] if killed else [])
    assert ended == ([("a", 11)] if killed else [])
    assert watch.look() == []


def test_a_trial_that_begins_again_is_waited_for_anew():
    now, ended = 0.0, []
    watch = Watch(kill=lambda node, pid: ended.append(pid), clock=lambda: now)
    watch.began(0, "a", os.getpid())
    now = 3500.0
    watch.began(0, "b", 7)
    now = 7000.0
    assert watch.look() == []
    now = 7101.0
    assert watch.look() == [0]
    assert ended == [7]
