"""Locks of files between processes. The kernel frees one when its holder dies, however it dies."""

import fcntl
import time
from pathlib import Path
from typing import IO

from leukmodels.errors import UserError

_PATIENT_S = (0.05, 0.1, 0.2)  # as long as a look at who holds a lock may take


def lock(file: IO[str], *, shared: bool = False, wait: bool = False) -> bool:
    """Lock an open file, for as long as it is open; return False where another process holds it.

    ``shared`` ones go together, and keep out those that are not; ``wait`` waits for the others to end. UserError where
    the file system has no locks: who holds one cannot be known then.
    """
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    for pause_s in (*_PATIENT_S, None):
        try:
            fcntl.flock(file, kind if wait else kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if pause_s is None:
                return False
            time.sleep(pause_s)
        except OSError as error:  # ENOLCK, ENOSYS, EOPNOTSUPP: NFS without a lock daemon, Lustre mounted without flock
            raise UserError(
                f"{file.name} cannot be locked ({error.strerror}): its file system has no locks, so two processes "
                "could write there at once. Mount it with locks (Lustre: -o flock; NFS: version 4, or a lock daemon), "
                "or choose another folder (--storage, --cache)."
            ) from error
        else:
            return True
    return False


def holder(path: Path) -> str:
    """Return what the holder of a lock wrote into its file, "" where nobody holds it."""
    try:
        with path.open(encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return file.read().strip() or "another process"
    except OSError:  # it was never taken, or is not ours to read
        pass
    return ""
