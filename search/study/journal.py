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

An event is appended before anyone acts on it, so whatever a reader knows, the file knew first; and it is on the disk
where losing it to a power cut would lose, repeat or forge more than epochs. Each line carries a checksum of all before
it (see lines).
"""

import errno
import math
import os
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from leukmodels.errors import StudyError
from leukmodels.process.files import sync
from search.study.lines import Chain, whole_lines
from search.study.lines import Event as Event

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

# Losing the epoch in flight to a power cut costs an epoch. Losing one of the others would repeat or lose a trial or a
# look at the test, or leave a trial's files beside a journal that never heard of it.
_NOT_DURABLE = frozenset({"epoch", "rung"})


class Journal:
    """The writing end; one driver holds it at a time (see ``folder.StudyFolder.lock``).

    Where a lock is seen by one machine only (NFS mounted with ``nolock``, Lustre with ``localflock``), two drivers may
    hold it. So before each line the file is compared with what this driver left; the one that finds another's line
    there ends, and writes nothing.
    """

    def __init__(self, path: Path) -> None:
        """Open or create the journal at ``path``, cutting a last line that a crash left torn."""
        new = not path.exists()
        kept = b"" if new else whole_lines(path.read_bytes(), path)
        self._chain = Chain()
        self.seq = 0
        for event in self._chain.read(kept, path):
            self.seq = event["seq"]
        self._path = path
        self._size = len(kept)
        self._pending: tuple[Event, bytes, int] | None = None
        self._fd = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o644)
        os.ftruncate(self._fd, len(kept))
        if new:
            sync(path.parent)

    def append(self, event: EventKind, **fields: Any) -> Event:
        """Write one event and return it as readers will see it; StudyError where another driver writes, too."""
        self._refuse_other_writers()
        self.seq += 1  # first: a signal between the two lines leaves a gap, never a number twice
        entry = {"seq": self.seq, "time": round(time.time(), 3), "event": event, **_plain(fields)}
        entry, line = self._chain.sealed(entry)
        end = self._size + len(line)
        self._pending = entry, line, end
        # One unbuffered write a line: a signal handler that raises cannot leave half of it.
        written = os.write(self._fd, line)
        if written != len(line):  # the disk is full: leave no half line for the next one to be glued to
            os.ftruncate(self._fd, self._size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._path))
        if (reached := os.lseek(self._fd, 0, os.SEEK_CUR)) != end:  # another was quicker by a moment; its line stays
            os.ftruncate(self._fd, reached - len(line))
            raise self._other_writer(reached - len(line))
        self._take(entry, line, end)
        if event not in _NOT_DURABLE:
            os.fsync(self._fd)
        return entry

    def _refuse_other_writers(self) -> None:
        """Look at the file as it is now; opened anew, because only then does NFS ask the server."""
        with self._path.open("rb") as file:
            now = os.fstat(file.fileno())
            file.seek(self._size)
            beyond = file.read()
        same = os.path.samestat(now, os.fstat(self._fd))
        if same and beyond and self._pending and self._pending[1].startswith(beyond):
            # Ours: a signal came between the writing of it and the taking note of that.
            if beyond == self._pending[1]:
                self._take(*self._pending)
            else:
                os.ftruncate(self._fd, self._size)
        elif not same or now.st_size != self._size:
            raise self._other_writer(now.st_size)

    def _take(self, entry: Event, line: bytes, end: int) -> None:
        """Note that a line was written; whatever is done of this when a signal comes can be done again."""
        if entry["check"] != self._chain.check:
            self._chain.add(entry)
        self._size, self._pending = end, None

    def _other_writer(self, size: int) -> StudyError:
        return StudyError(
            f"Another driver writes to {self._path}: it has {size:,} bytes where this one had left {self._size:,}. "
            "Their locks do not see one another (NFS mounted with nolock, Lustre with localflock). This one ends here; "
            "what it had written is safe, and the other goes on. Run one at a time."
        )

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
    return list(Chain().read(whole_lines(path.read_bytes(), path), path)) if path.exists() else []


class Follower:
    """The reading end of a live journal: each call of ``new`` returns what was appended since the last one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._chain = Chain()

    def new(self) -> list[Event]:
        """Return the whole events that are new, oldest first; a power cut cannot take them back."""
        if not self._path.exists():
            return []
        with self._path.open("rb") as file:
            file.seek(self._offset)
            data = whole_lines(file.read(), self._path)
            if data:
                os.fsync(file.fileno())  # the driver leaves that out for epochs
        self._offset += len(data)
        return list(self._chain.read(data, self._path))


def _plain(value: Any) -> Any:
    """Return ``value`` with every float that JSON cannot hold (NaN, infinities) as None, at any depth."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):  # numpy's float64 is one too
        return float(value) if math.isfinite(value) else None
    return value
