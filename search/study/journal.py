"""The study's truth: one append-only file of events, one JSON object a line.

Every event carries a monotone ``seq`` (from 1), the ``time`` (seconds since the epoch, UTC) and its kind in ``event``:

    trial_started     trial, params, source            source: default | warm start | sampled
    epoch             trial, epoch, metrics            one evaluated epoch, counted from 1
    rung              trial, rung, rank, size, quota   compared at epoch `rung` with those that came there before
    trial_finished    trial, state, outcome, reason    state: complete | stopped | failed
    node_left_alone   node, reason                     a node had several faults in a row
    study_resumed     session, changes                 a new driver took over, told these options anew
    study_interrupted signal                           a driver was told to go
    study_finished    reason                           nothing more will be tried
    retrained         trial, folds, seed, fold, ...    a trial's configuration was tried on other patients, or images
    test_opened       chosen                           the locked test patients were opened for these models
    tested            opening, trial, metrics, sha256  what a model then reached; of the model and its scores

An event is appended before anyone acts on it, so whatever a reader knows, the file knew first.
"""

import errno
import json
import math
import os
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from leukmodels.errors import StudyError

Event = dict[str, Any]
EventKind = Literal[
    "trial_started",
    "epoch",
    "rung",
    "trial_finished",
    "node_left_alone",
    "study_resumed",
    "study_interrupted",
    "study_finished",
    "retrained",
    "test_opened",
    "tested",
]

# Losing the epoch in flight to a power cut costs an epoch; losing one of these would repeat or lose a trial.
_DURABLE = frozenset(
    {"trial_finished", "study_resumed", "study_interrupted", "study_finished", "retrained", "test_opened", "tested"}
)


class Journal:
    """The writing end; one driver holds it at a time (see ``folder.StudyFolder.lock``)."""

    def __init__(self, path: Path) -> None:
        """Open or create the journal at ``path``, cutting a last line that a crash left torn."""
        kept = _whole_lines(path.read_bytes()) if path.exists() else b""
        last = list(_parse(kept, path))[-1:]
        self.seq: int = last[0]["seq"] if last else 0
        self._path = path
        self._fd = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o644)
        os.ftruncate(self._fd, len(kept))

    def append(self, event: EventKind, **fields: Any) -> Event:
        """Write one event and return it as readers will see it."""
        self.seq += 1  # first: a signal between the two lines leaves a gap, never a number twice
        entry = {"seq": self.seq, "time": round(time.time(), 3), "event": event, **_plain(fields)}
        # One unbuffered write a line: a signal handler that raises cannot leave half of it.
        line = (json.dumps(entry, allow_nan=False) + "\n").encode()
        written = os.write(self._fd, line)
        if written != len(line):  # the disk is full: leave no half line for the next one to be glued to
            os.ftruncate(self._fd, os.fstat(self._fd).st_size - written)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._path))
        if event in _DURABLE:
            os.fsync(self._fd)
        return entry

    def close(self) -> None:
        """Release the file; appending afterwards fails."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read(path: Path) -> list[Event]:
    """Return all whole events of the journal at ``path``; a torn last line is left out."""
    return list(_parse(_whole_lines(path.read_bytes()), path)) if path.exists() else []


class Follower:
    """The reading end of a live journal: each call of ``new`` returns what was appended since the last one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def new(self) -> list[Event]:
        """Return the whole events that are new, oldest first."""
        if not self._path.exists():
            return []
        with self._path.open("rb") as file:
            file.seek(self._offset)
            data = _whole_lines(file.read())
        self._offset += len(data)
        return list(_parse(data, self._path))


def _whole_lines(data: bytes) -> bytes:
    return data[: data.rfind(b"\n") + 1]


def _parse(data: bytes, path: Path) -> Iterator[Event]:
    for number, line in enumerate(data.splitlines(), start=1):
        try:
            entry = json.loads(line)
        except ValueError:
            entry = None
        if not isinstance(entry, dict) or "seq" not in entry or "event" not in entry:
            raise StudyError(
                f"Line {number} of {path} is no event, so the study's history cannot be read. "
                "Only a torn last line is mended by itself; restore the file from a backup."
            )
        yield entry


def _plain(value: Any) -> Any:
    """Return ``value`` with every float that JSON cannot hold (NaN, infinities) as None, at any depth."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):  # numpy's float64 is one too
        return float(value) if math.isfinite(value) else None
    return value
