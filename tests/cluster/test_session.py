"""The same command on a real Ray head with its token on: submit, watch, stop, resume."""

import json
import os
import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from cluster import jobs
from cluster import session as sessions
from cluster.nodes import Node
from cluster.session import probe
from leukmodels.errors import SessionError
from search.run import __main__ as run
from search.study import journal
from search.study.folder import StudyFolder
from search.study.records import TrialState, fold
from waiting import HANGS_S, wait_until

ROOT = Path(__file__).resolve().parents[2]
RAY = Path(sys.executable).with_name("ray")
TINY = ["--preset", "smoke", "--trials", "1", "--epochs", "1", "--image-px", "16", "--cells-per-patient", "2"]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answer(url, token=None, body=None):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(url, headers=headers, data=json.dumps(body).encode() if body else None)
    with urllib.request.urlopen(request, timeout=HANGS_S) as response:
        return response.read().decode()


def gone(folder):
    """Remove the folder of a stopped head, into which its last processes may still be writing."""
    shutil.rmtree(folder, ignore_errors=True)
    return not folder.exists()


class Head:
    """A private Ray head: its own ports, token, home and temporary folder, stopped by its own pid."""

    def __init__(self, home: Path) -> None:
        self.dashboard, self.metrics = free_port(), free_port()
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("RAY_")},
            "HOME": str(home),
            "PATH": f"{RAY.parent}{os.pathsep}{os.environ['PATH']}",
            "RAY_AUTH_MODE": "token",
            "RAY_API_SERVER_ADDRESS": f"http://127.0.0.1:{self.dashboard}",
            "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "0",  # or it would end only half a minute after it is told to
        }
        self.run("get-auth-token", "--generate")
        ports = {"port": free_port(), "dashboard-port": self.dashboard, "metrics-export-port": self.metrics}
        # Ray's agent, which takes the jobs, would listen on one fixed port, and give up where another head has it.
        ports["dashboard-agent-listen-port"] = 0
        options = [f"--{name}={value}" for name, value in {**ports, "num-cpus": 2, "temp-dir": home / "ray"}.items()]
        self.process = subprocess.Popen(
            [RAY, "start", "--head", "--block", "--disable-usage-stats", *options],
            env=self.environment,
            stdout=(home / "head.log").open("w"),
            stderr=subprocess.STDOUT,
        )
        self.token = (home / ".ray" / "auth_token").read_text().strip()
        wait_until(self.takes_jobs, f"the head to take jobs, see {home / 'head.log'}")

    def takes_jobs(self):
        """Have a job done; the dashboard answers seconds before its agent can be told of any."""
        try:
            self.ask("jobs/", {"entrypoint": "true"})
        except OSError:
            return False
        return True

    def ask(self, place, body=None):
        return json.loads(answer(f"http://127.0.0.1:{self.dashboard}/api/{place}", self.token, body))

    def run(self, *arguments, timeout=HANGS_S):
        command = [RAY, *map(str, arguments)]
        done = subprocess.run(
            command, env=self.environment, cwd=ROOT, capture_output=True, text=True, timeout=timeout, check=False
        )
        return done.returncode, done.stdout + done.stderr

    def submit(self, name, *arguments, wait=True):
        options = ["--working-dir", ROOT, "--submission-id", name, *([] if wait else ["--no-wait"])]
        return self.run("job", "submit", *options, "--", "python", "-m", "search.run", *arguments)


@pytest.fixture(scope="module")
def head(tmp_path_factory):
    # Ray's sockets live below the home folder, and their paths may not be long.
    home = Path(subprocess.check_output(["mktemp", "-d", "/tmp/head.XXXX"], text=True).strip())
    started = Head(home)
    yield started
    started.process.terminate()
    try:
        started.process.wait(timeout=60)
    except subprocess.TimeoutExpired:  # it waits for a job that a failed test left running
        started.process.kill()
    wait_until(lambda: gone(home), "its last processes to end")


def test_the_readme_command_runs_on_a_cluster_is_watched_stopped_and_resumed(head, tmp_path):
    status, said = head.submit("first", "--task", "runx1", "--name", "first", "--storage", tmp_path, *TINY)
    assert status == 0, said
    assert "1 trial (1 complete)" in said
    assert "search.status" in said
    assert (tmp_path / "first" / "report" / "front.png").exists()

    long = ["--storage", tmp_path, *TINY, "--epochs", "500", "--patience", "500"]
    status, said = head.submit("second", "--task", "runx1", "--name", "second", *long, wait=False)
    assert status == 0, said
    folder = StudyFolder(tmp_path / "second")
    wait_until(lambda: fold(journal.read(folder.journal)).epochs >= 2, "two epochs")

    def gauges():
        return answer(f"http://127.0.0.1:{head.metrics}/metrics")

    for name in ("trials", "hypervolume", "images_per_second"):
        wait_until(lambda name=name: f"ray_leukemia_search_{name}" in gauges(), f"the gauge {name}")
    wait_until(lambda: 'study="second"' in gauges(), "the second study's gauges")  # the first study's linger

    head.run("job", "stop", "second")
    assert head.ask("jobs/second")["status"] == "STOPPED"
    events = journal.read(folder.journal)
    assert events[-1]["event"] == "study_interrupted"
    assert events[-1]["signal"] == "SIGTERM"
    trained = fold(events).epochs

    status, said = head.submit("third", "--resume", folder.path, "--time-budget", "1", "--storage", tmp_path)
    record = fold(journal.read(folder.journal))
    assert status == 1, said  # no trial succeeded
    assert record.trials[0].state is TrialState.STOPPED
    assert record.epochs >= trained


def test_a_relative_storage_in_a_job_is_refused_because_it_would_be_lost(head):
    status, said = head.submit("lost", "--task", "runx1", "--storage", "studies")
    assert status == 1  # the submitter says 1 whatever the program said
    assert "--storage studies" in said
    assert "throw-away copy" in said


@pytest.mark.fault("servers", "the dashboard is asked without the token", "refused")
def test_the_dashboard_asks_for_the_token(head):
    url = f"http://127.0.0.1:{head.dashboard}/api/jobs/"
    with pytest.raises(urllib.error.HTTPError, match="401"):
        answer(url)
    assert isinstance(head.ask("jobs/"), list)


def test_a_cluster_that_does_not_answer_is_a_users_error(monkeypatch, tmp_path):
    monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{free_port()}")
    with pytest.raises(SessionError, match=r"No Ray cluster answers at RAY_ADDRESS=127\.0\.0\.1:"):
        run.main(["--task", "runx1", "--storage", str(tmp_path)])


def test_the_session_says_what_fits(session):
    assert str(session) == "1 node with 2 CPUs and 0 GPUs"


def test_fractions_of_a_gpu_are_counted_whole():
    assert Node(id="", cpus=16, gpus=1.0).holds(cpus=1, gpus=0.1) == 10


def test_every_node_says_what_it_has_and_which_folders_it_sees(session, tmp_path):
    (tmp_path / "shared").mkdir()
    folders = {"written": [tmp_path / "shared"], "read": [tmp_path, tmp_path / "missing"]}
    [state] = probe(session, **folders)
    assert state.node == session.nodes[0]
    assert state.name == socket.gethostname()
    assert 1 <= state.cores <= len(os.sched_getaffinity(0))
    assert 0 < state.free_memory < state.memory
    assert state.told_memory > 0
    assert 0 < state.object_store <= shutil.disk_usage(state.store_folder).total
    assert [state.folders[folder].seen for folder in (*folders["written"], *folders["read"])] == [True, True, False]
    seen = state.folders[tmp_path / "shared"]
    assert seen.writable
    assert 0 < seen.free <= shutil.disk_usage(tmp_path).total
    assert seen.file_system == tmp_path.stat().st_dev
    assert not list((tmp_path / "shared").iterdir())


@pytest.mark.fault("nodes", "a node does not answer when it is asked what it has", "named, not waited for")
def test_a_node_that_does_not_answer_is_named(session, tmp_path, monkeypatch):
    monkeypatch.setattr(sessions, "_PATIENCE_S", 0.0)
    with pytest.raises(SessionError, match=rf"The node {socket.gethostname()} does not say what it has"):
        probe(session, written=[tmp_path])


@pytest.fixture(scope="module")
def failed_session(tmp_path_factory):
    """A local session that ended with an error, in a new home; how its process ended, and the home."""
    home = tmp_path_factory.mktemp("home")
    script = (
        "import ray\n"
        "from cluster.session import open_session\n"
        "try:\n"
        "    with open_session(dashboard=False, cpus=1):\n"
        "        raise ZeroDivisionError\n"
        "except ZeroDivisionError:\n"
        "    assert not ray.is_initialized()\n"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={**environment, "HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done, home


@pytest.mark.fault("files", "another user reads the session's token", "for its owner alone")
def test_the_token_is_for_its_owner_alone(failed_session):
    _, home = failed_session
    assert (home / ".ray" / "auth_token").stat().st_mode & 0o077 == 0


def test_relative_paths_are_fine_outside_a_job(monkeypatch):
    monkeypatch.delenv("RAY_JOB_CONFIG_JSON_ENV_VAR", raising=False)
    jobs.refuse_relative({"--storage": Path("studies")})
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}")
    jobs.refuse_relative({"--storage": Path("/shared/studies"), "--out": None, "--data": "s3://bucket/cells"})
    with pytest.raises(SessionError, match=r"--data cells"):
        jobs.refuse_relative({"--data": "cells"})
    with pytest.raises(SessionError, match=r"--out here"):
        jobs.refuse_relative({"--storage": Path("/shared"), "--out": Path("here")})


def test_open_session_leaves_no_ray_behind_on_an_error(failed_session):
    done, _ = failed_session
    assert done.returncode == 0, done.stderr
