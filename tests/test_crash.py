"""Drivers that are killed: whatever the moment, a resume ends with every trial finished once in every ledger."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import ray

from ledgers import check_ledgers_agree, ends
from search import journal
from search.folder import StudyFolder
from search.records import TrialState, fold

ROOT = Path(__file__).parent.parent
TRIALS, EPOCHS = 40, 4


@pytest.fixture(scope="module")
def ray_address(session):
    """Return where the one Ray of all tests answers: a killed driver leaves it standing, as it would a cluster."""
    return ray.get_runtime_context().gcs_address


def start(*command, **variables):
    """Start a driver in a process group of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    return subprocess.Popen([sys.executable, *map(str, command)], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)


def wait_for_events(folder, count, driver, *, kind=None, timeout_s=120):
    """Wait until the journal holds ``count`` events (of ``kind``), or the driver ends."""
    deadline = time.monotonic() + timeout_s
    while driver.poll() is None and time.monotonic() < deadline:
        events = journal.read(StudyFolder(folder).journal)
        if sum(kind is None or event["event"] == kind for event in events) >= count:
            return
        time.sleep(0.02)


def kill_a_worker(folder, rng):
    """Kill the process of a trial that is running, if one is."""
    running = [trial.number for trial in fold(journal.read(StudyFolder(folder).journal)).by_state(TrialState.RUNNING)]
    rng.shuffle(running)
    for number in running:
        with contextlib.suppress(OSError, ValueError):  # it has not begun, or ends just now
            os.kill(int((StudyFolder(folder).trial(number) / "pid").read_text()), signal.SIGKILL)
            return


@pytest.mark.timeout(600)
def test_twenty_kills_at_random_moments_lose_and_repeat_nothing(ray_address, tmp_path):
    rng = random.Random(20261121)
    folder = tmp_path / "study"
    command = [ROOT / "tests" / "toy.py", folder, TRIALS, EPOCHS, 0.2]
    finished, driver = [], start(*command, RAY_ADDRESS=ray_address)
    for _ in range(20):
        # A few events on, and then a little more, so that any line of code may be hit.
        wait_for_events(folder, len(journal.read(StudyFolder(folder).journal)) + rng.randrange(1, 7), driver)
        time.sleep(rng.uniform(0, 0.3))
        assert driver.poll() is None, "the study ended before it could be killed"
        victims = rng.choice(["driver", "worker", "both"])
        if victims != "driver":
            kill_a_worker(folder, rng)
        if victims != "worker":
            driver.kill()
            driver.wait()
            driver = start(*command, RAY_ADDRESS=ray_address)
        assert ends(folder)[: len(finished)] == finished
        finished = ends(folder)
        assert len(set(finished)) == len(finished)
    assert driver.wait(timeout=200) == 0
    record = check_ledgers_agree(folder, trials=TRIALS)
    assert record.sessions >= 5
    assert record.count(TrialState.COMPLETE) + record.count(TrialState.STOPPED) >= TRIALS - 3  # by workers lost thrice
    assert all(len(trial.epochs) == EPOCHS for trial in record.by_state(TrialState.COMPLETE))
    assert all(trial.verdicts[-1].stops for trial in record.by_state(TrialState.STOPPED))
    assert [event["event"] for event in journal.read(StudyFolder(folder).journal)].count("study_finished") == 1


@pytest.mark.timeout(300)
def test_a_training_that_is_interrupted_and_then_killed_loses_nothing_that_was_known(ray_address, tmp_path):
    command = ["-m", "search.run", "--storage", tmp_path, "--no-dashboard", "--out", tmp_path / "exported"]
    small = [
        "--preset",
        "smoke",
        "--scheduler",
        "none",
        "--trials",
        2,
        "--epochs",
        8,
        "--patience",
        8,
        "--image-px",
        16,
    ]
    new = [*command, "--task", "runx1", "--name", "study", "--cells-per-patient", 3, *small]
    folder = tmp_path / "study"
    # First while the images are still being prepared: nothing is begun, and the same command may be given again.
    driver = start(*new, RAY_ADDRESS=ray_address)
    deadline = time.monotonic() + 60
    while not (tmp_path / "synthetic").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    driver.send_signal(signal.SIGINT)
    assert driver.wait(timeout=60) == 130
    assert not StudyFolder(folder).exists
    driver = start(*new, RAY_ADDRESS=ray_address)
    wait_for_events(folder, 2, driver, kind="epoch")
    driver.send_signal(signal.SIGINT)
    assert driver.wait(timeout=60) == 130
    assert journal.read(StudyFolder(folder).journal)[-1]["event"] == "study_interrupted"
    driver = start(*command, "--resume", folder, RAY_ADDRESS=ray_address)
    wait_for_events(folder, 5, driver, kind="epoch")
    driver.kill()
    driver.wait()
    before = fold(journal.read(StudyFolder(folder).journal))
    assert before.by_state(TrialState.RUNNING), "the study ended before it could be killed"
    assert start(*command, "--resume", folder, RAY_ADDRESS=ray_address).wait(timeout=200) == 0
    record = check_ledgers_agree(folder, trials=2)
    assert record.sessions == 3
    for number, trial in before.trials.items():
        # What was known is neither lost nor written again: the epochs before the kill are the same, to the bit.
        assert record.trials[number].epochs[: len(trial.epochs)] == trial.epochs
    assert [len(trial.epochs) for trial in record.trials.values()] == [8, 8]
