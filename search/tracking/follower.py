"""Tells MLflow what the journal says: once for ``search.audit``, or on and on as the process that a driver starts.

A cursor file says how far MLflow was told. It can be thrown away: the study's runs are found again by their tags, and
telling twice changes nothing (see runs).
"""

import contextlib
import json
import os
import select
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from leukmodels.errors import StudyError
from leukmodels.process.files import group_access
from leukmodels.process.lock import lock
from search.study import journal
from search.study.folder import StudyFolder, write_whole
from search.study.manifest import Manifest
from search.study.opened import Study
from search.tracking.models import log_models
from search.tracking.runs import StudyRuns
from search.tracking.store import connect, is_remote, outages, redacted

POLL_S = 1.0
LONGEST_WAIT_S = 10.0
EVENTS_A_SLICE = 200  # a second's work or two, after which the cursor is written
NICENESS = 5  # trials come first


def catch_up(folder: StudyFolder, uri: str) -> int:
    """Tell the store at ``uri`` all it does not know of the study; return how many events that were.

    StudyError where the store does not answer, or where another process is telling it.
    """
    try:
        access = group_access(Study.open(folder).config.group_access)
        with access, contextlib.closing(Connection(folder, uri)) as connection:
            before = connection.told
            for _ in connection.advance():
                pass
            connection.log_report()
            return connection.told - before
    except outages() as error:
        raise StudyError(f"{explain(error, uri)} Try again when it answers; what it knows already is kept.") from error


def follow(folder: StudyFolder, uri: str) -> None:
    """Tell what comes until standard input ends, then the rest; "report" on it asks for ``Connection.log_report`` too.

    Standard output gets a JSON line after each slice or failure: ``told``, the last event told, and ``problem``.
    The end of standard input is also what a driver's death looks like, so nobody has to stop a follower by hand.
    """
    connection: Connection | None = None
    orders: str | None = None
    wait_s = POLL_S
    while True:
        try:
            connection = connection or Connection(folder, uri)
            _report(told=connection.told)
            for told in connection.advance():
                _report(told=told)
            if orders == "report":
                connection.log_report()
            wait_s = POLL_S
        except Exception as error:  # whatever it is, the next attempt may succeed
            _report(problem=explain(error, uri))
            if connection:
                connection.close()
            connection = None  # what the store holds now is uncertain: look again
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)
        if orders is not None:
            return
        if select.select([sys.stdin], [], [], wait_s)[0]:
            orders = sys.stdin.read().strip()


def _report(**status: Any) -> None:
    with contextlib.suppress(BrokenPipeError):  # the driver was killed; MLflow is still told the rest
        print(json.dumps(status), file=sys.__stdout__, flush=True)


def explain(error: Exception, uri: str) -> str:
    """Return what keeps MLflow from being told, as one sentence."""
    reason = str(error).strip().partition("\n")[0][:200] or type(error).__name__
    return f"MLflow at {redacted(uri)} could not be told: {reason.rstrip('.')}."


class Connection:
    """One connection: the study's runs as the store holds them, and the events they do not know yet."""

    def __init__(self, folder: StudyFolder, uri: str) -> None:
        self._folder = folder
        self._lock = _lock(folder)
        try:
            manifest = Manifest.read(folder)
            artifacts = folder.path.resolve().parent / "mlflow-artifacts" / manifest.task.name
            self._runs = StudyRuns(connect(uri), manifest, None if is_remote(uri) else str(artifacts))
            self._follower = journal.Follower(folder.journal)
            self._untold = self._follower.new()
            self.told = self._trusted_cursor()
            self._runs.skip([event for event in self._untold if event["seq"] <= self.told])
            self._untold = [event for event in self._untold if event["seq"] > self.told]
            self._front_due = True
        except BaseException:
            self.close()
            raise

    def advance(self) -> Iterator[int]:
        """Tell what is new slice by slice, yielding the last ``seq`` told."""
        self._untold += self._follower.new()
        while self._untold:
            events = self._untold[:EVENTS_A_SLICE]
            self._runs.tell(events)
            del self._untold[: len(events)]
            self.told = events[-1]["seq"]
            self._front_due = True
            write_whole(
                self._folder.tracking_cursor, json.dumps({"seq": self.told, "parent": self._runs.parent.run_id}) + "\n"
            )
            yield self.told
        if self._front_due:
            self._runs.show_front()
            self._front_due = False

    def log_report(self) -> None:
        """Add what is only there at the end: the report's files and the models of the front's members."""
        for file in sorted(self._folder.report.glob("*")):
            self._runs.client.log_artifact(self._runs.parent.run_id, str(file))
        log_models(self._runs, self._folder, self._runs.front())

    def close(self) -> None:
        """Let another follower in."""
        self._lock.close()

    def _trusted_cursor(self) -> int:
        """Return the cursor's ``seq``, or 0 where the store or the journal contradicts it."""
        cursor = _read_cursor(self._folder)
        seq = int(cursor.get("seq", 0))
        last = self._untold[-1]["seq"] if self._untold else 0
        started = {
            event["trial"] for event in self._untold if event["event"] == "trial_started" and event["seq"] <= seq
        }
        known = cursor.get("parent") == self._runs.parent.run_id and started <= self._runs.children.keys()
        return seq if known and seq <= last else 0


def _lock(folder: StudyFolder) -> IO[str]:
    """Return the open lock of the study's one follower: two would create each run twice."""
    file = folder.tracking_cursor.with_suffix(".lock").open("a", encoding="utf-8")
    if lock(file):
        return file
    file.close()
    raise StudyError(
        f"Another process is telling MLflow about {folder.path}: its driver, or another `search.audit --sync`. "
        "Let it end."
    )


def _read_cursor(folder: StudyFolder) -> dict[str, Any]:
    try:
        cursor: dict[str, Any] = json.loads(folder.tracking_cursor.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return cursor


if __name__ == "__main__":
    os.nice(NICENESS)
    sys.stdout = sys.stderr  # reports alone go to the driver, whatever a library prints
    follow(StudyFolder(Path(sys.argv[1])), os.environ["MLFLOW_TRACKING_URI"])
