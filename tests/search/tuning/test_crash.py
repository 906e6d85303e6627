"""Drivers that are killed: whatever the moment, a resume ends with every trial finished once in every ledger.

They join the one Ray of all tests, so a killed driver leaves it standing, as it would a cluster.
"""

import random
import shutil
import signal
import time

import pytest

from drivers import count, environment, kill_a_worker, start_search, start_toy
from ledgers import check_ledgers_agree, ends
from search.study import journal
from search.study.folder import StudyFolder
from search.study.records import TrialState, fold
from waiting import HANGS_S, wait_until

KILLS, TRIALS, EPOCHS = 12, 30, 4
SEEDS = [20261121, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 6))]


@pytest.fixture
def folder(tmp_path, empty_store):
    """Return where a study may be begun, beside an MLflow store."""
    shutil.copy(empty_store, tmp_path)
    return tmp_path / "study"


@pytest.fixture
def joining(ray_address, monkeypatch):
    """Have drivers that are started join the Ray of all tests."""
    for name, value in environment(ray_address).items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("joining")
@pytest.mark.fault(
    "drivers, workers",
    f"SIGKILL of the driver, a worker or both at {KILLS} random moments",
    "every trial ends once in journal, Optuna and MLflow; none that ended is trained again",
)
@pytest.mark.parametrize("seed", SEEDS)
def test_kills_at_random_moments_lose_and_repeat_nothing(seed, folder):
    rng = random.Random(seed)
    asked = {"trials": TRIALS, "epochs": EPOCHS, "scheduler": "asha", "grace": 1, "plateau": 0, "seconds": 0.2}
    finished, driver = [], start_toy(folder, **asked)
    for _ in range(KILLS):
        # A few events on, and then a little more, so that any line of code may be hit.
        due = count(folder) + rng.randrange(1, 7)
        wait_until(lambda due=due: count(folder) >= due, "a kill", unless=lambda driver=driver: not driver.is_alive())
        time.sleep(rng.uniform(0, 0.3))
        victims = rng.choice(["driver", "worker", "both"])
        if victims != "driver":
            kill_a_worker(folder, rng)
        if victims != "worker":
            driver.kill()
            driver.join()
            driver = start_toy(folder, **asked)
        assert ends(folder)[: len(finished)] == finished
        finished = ends(folder)
        assert len(set(finished)) == len(finished)
    driver.join(HANGS_S)
    assert driver.exitcode == 0
    record = check_ledgers_agree(folder, trials=TRIALS)
    assert record.sessions >= 5
    assert record.count(TrialState.COMPLETE) + record.count(TrialState.STOPPED) >= TRIALS - 3  # by workers lost thrice
    assert all(len(trial.epochs) == EPOCHS for trial in record.by_state(TrialState.COMPLETE))
    assert all(trial.decisions[-1].stops for trial in record.by_state(TrialState.STOPPED))
    assert count(folder, "study_finished") == 1


@pytest.mark.fault(
    "drivers",
    "Ctrl-C while images are prepared and while a trial trains, then SIGKILL in the resumed run",
    "nothing begun too early, epochs that were known are the same to the bit, each trial whole",
)
def test_a_training_that_is_interrupted_and_then_killed_loses_nothing_that_was_known(ray_address, folder, tmp_path):
    def start(*arguments):
        return start_search("--storage", tmp_path, "--out", tmp_path / "exported", *arguments, ray_address=ray_address)

    def ended():
        return driver.poll() is not None

    new = "--task runx1 --name study --preset smoke --scheduler none --trials 2 --concurrency 1 --cells-per-patient 2"
    new = [*new.split(), "--epochs", 40, "--patience", 40, "--image-px", 16]
    # First while the images are still being prepared: nothing is begun, and the same command may be given again.
    driver = start(*new)
    wait_until((tmp_path / "synthetic").exists, "images to be drawn", unless=ended)
    driver.send_signal(signal.SIGINT)
    assert driver.wait(timeout=HANGS_S) == 130
    assert not StudyFolder(folder).exists
    driver = start(*new)
    wait_until(lambda: count(folder, "epoch") >= 2, "two epochs", unless=ended)
    driver.send_signal(signal.SIGINT)
    assert driver.wait(timeout=HANGS_S) == 130
    assert journal.read(StudyFolder(folder).journal)[-1]["event"] == "study_interrupted"
    driver = start("--resume", folder)
    wait_until(lambda: count(folder, "epoch") >= 5, "five epochs", unless=ended)
    driver.kill()
    driver.wait()
    before = fold(journal.read(StudyFolder(folder).journal))
    assert before.by_state(TrialState.RUNNING), "the study ended before it could be killed"
    assert start("--resume", folder).wait(timeout=HANGS_S) == 0
    record = check_ledgers_agree(folder, trials=2)
    assert record.sessions == 3
    for number, trial in before.trials.items():
        # What was known is neither lost nor written again: the epochs before the kill are the same, to the bit.
        assert record.trials[number].epochs[: len(trial.epochs)] == trial.epochs
    assert [len(trial.epochs) for trial in record.trials.values()] == [40, 40]
