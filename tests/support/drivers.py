"""Drivers of studies in processes of their own, to be interrupted and killed."""

import contextlib
import multiprocessing
import os
import random
import signal
import subprocess
import sys
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import toy
from search.study import journal
from search.study.folder import StudyFolder
from search.study.records import TrialState, fold
from waiting import HANGS_S

ROOT = Path(__file__).resolve().parents[2]


def environment(ray_address: str) -> dict[str, str]:
    """Return what a driver and its workers need to find the code, the tests' helpers and Ray."""
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests" / "support")])
    return {"RAY_ADDRESS": ray_address, "PYTHONPATH": paths}


def start_toy(folder: Path, **given: Any) -> ForkServerProcess:
    """Start a driver of the toy study: forked from a process in which all that it needs is imported."""
    forking = multiprocessing.get_context("forkserver")
    forking.set_forkserver_preload(["toy"])
    driver = forking.Process(target=toy.drive_toy, args=(folder,), kwargs=given, daemon=True)
    driver.start()
    return driver


def start_search(*arguments: object, ray_address: str) -> subprocess.Popen[bytes]:
    """Start a search."""
    command = [sys.executable, "-m", "search.run", "--no-dashboard", *map(str, arguments)]
    return subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, **environment(ray_address)}, stdout=subprocess.DEVNULL
    )


def run_alone(script: str, folder: Path, *words: str) -> int:
    """Run a script that drives the study in ``folder`` on a Ray of its own, and return its exit status."""
    with subprocess.Popen(
        [sys.executable, script, str(folder), *words], env={**os.environ, **environment("")}, start_new_session=True
    ) as driver:
        try:
            return driver.wait(HANGS_S)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(driver.pid, signal.SIGKILL)


def count(folder: Path, kind: str | None = None) -> int:
    """Return how many events (of ``kind``) the journal holds."""
    return sum(kind in (None, event["event"]) for event in journal.read(StudyFolder(folder).journal))


def kill_a_worker(folder: Path, rng: random.Random) -> None:
    """Kill the process of a trial of the toy study that is running, if one is."""
    running = [trial.number for trial in fold(journal.read(StudyFolder(folder).journal)).by_state(TrialState.RUNNING)]
    rng.shuffle(running)
    for number in running:
        with contextlib.suppress(OSError, ValueError):  # it has not begun, or ends just now
            os.kill(int((StudyFolder(folder).trial(number) / "pid").read_text()), signal.SIGKILL)
            return
