"""Keeps MLflow informed of a running study: starts a follower of its journal, listens to it, and ends it.

The follower is a process of its own. MLflow takes some 20 ms of Python a trial, and as a thread of the driver it held
up Ray Tune's loop by about as much again, waiting for the interpreter's lock; a process that hangs on a locked or dead
store can also be killed.
"""

import contextlib
import json
import os
import shlex
import subprocess
import sys
import threading
from pathlib import Path

from search.study.folder import StudyFolder
from search.study.opened import Study
from search.tracking.store import is_remote, redacted


def default_uri(storage: Path) -> str:
    """Return the SQLite store that the studies below ``storage`` share."""
    return f"sqlite:///{storage.resolve() / 'mlflow.db'}"


def study_uri(folder: StudyFolder) -> str:
    """Return where MLflow hears of the study: where its user said when it last went on, or beside the study."""
    return Study.open(folder).config.tracking_uri or default_uri(folder.path.parent)


def watch_command(uri: str) -> str:
    """Return what shows the runs at ``uri``: the server's address, or the command that serves the store."""
    return redacted(uri) if is_remote(uri) else f"mlflow ui --backend-store-uri {shlex.quote(uri)}"


class Tracker:
    """Has MLflow told what a study's journal says, from ``start`` to ``stop``."""

    def __init__(self, folder: StudyFolder, *, uri: str) -> None:
        self._folder = folder
        self._uri = uri
        self._process: subprocess.Popen[str] | None = None
        self._listener: threading.Thread | None = None
        self._orders = ""
        self._stopping = False
        self._told = 0
        self.problem = ""
        """Why MLflow could not be told the last time, in a sentence; empty while all is well."""

    @property
    def behind(self) -> int:
        """How many events of the journal MLflow does not know yet."""
        return max(0, _last_seq(self._folder.journal) - self._told)

    def start(self) -> None:
        """Begin to follow; returns at once."""
        root = str(Path(__file__).parents[2])  # the driver may have been started elsewhere
        self._process = subprocess.Popen(
            [sys.executable, "-m", "search.tracking.follower", str(self._folder.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            # The address may hold a password, which a command line would show to everyone on the machine.
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep),
                "MLFLOW_TRACKING_URI": self._uri,
            },
            start_new_session=True,  # Ctrl-C is for the driver, which then says when to end
        )
        self._listener = threading.Thread(target=self._listen, args=(self._process,), name="mlflow", daemon=True)
        self._listener.start()

    def log_report(self) -> None:
        """Have ``stop`` add the report and the models of the front's members, both written by now."""
        self._orders = "report"

    def release(self) -> None:
        """Let the follower tell the rest and end by itself, without waiting for it."""
        self._stopping = True
        if self._process and self._process.stdin:
            with contextlib.suppress(OSError, ValueError):  # it is gone already, or was released before
                self._process.stdin.write(self._orders)
                self._process.stdin.close()

    def stop(self, timeout_s: float) -> bool:
        """Tell the rest for ``timeout_s`` at most; say whether MLflow knows all (if not, ``search.audit`` tells it)."""
        process = self._process
        if process is None or process.stdin is None or self._listener is None:
            return False
        self.release()
        try:
            heard = process.wait(timeout_s) == 0
        except subprocess.TimeoutExpired:
            process.kill()
            heard = False
        self._listener.join()
        return heard and not self.problem and not self.behind

    def _listen(self, process: subprocess.Popen[str]) -> None:
        for line in process.stdout or ():
            report = json.loads(line)
            self._told = report.get("told", self._told)
            self.problem = report.get("problem", "")
        process.wait()
        if not self._stopping:
            self.problem = "The process that tells MLflow of the study ended by itself."


def _last_seq(path: Path) -> int:
    """Return the ``seq`` of the journal's last whole line, reading only the file's end."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - (1 << 16)))
            lines = file.read().rpartition(b"\n")[0].splitlines()
    except OSError:
        return 0
    return int(json.loads(lines[-1])["seq"]) if lines else 0
