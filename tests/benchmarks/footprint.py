"""The memory of a process and all its descendants, for the benchmarks that weigh it. Linux only.

PSS, the proportional set size: a page that n processes have mapped counts 1/n in each, so that the sum over processes
has every page in memory once. RSS counts it in full in each.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

_SETTLED_BYTES, _SETTLED_FOR, _PATIENCE_S = 4_000_000, 5, 30.0
_AGENTS = ("ray::DashboardAgent", "ray::RuntimeEnvAgent")


@dataclass(frozen=True, kw_only=True)
class Footprint:
    """Bytes of a family of processes.

    store     PSS of shared memory, in whichever process: Ray's object store
    driver    PSS of the first process without it
    workers   the same of the Ray workers that do something
    services  the same of the rest: Ray's own processes
    idle      the same of the workers that wait for their first task: Ray starts some ahead, now more, now fewer
    rss       RSS of all but the idle ones
    """

    store: int = 0
    driver: int = 0
    workers: int = 0
    services: int = 0
    idle: int = 0
    rss: int = 0

    @property
    def pss(self) -> int:
        """All but the idle workers, each page once."""
        return self.store + self.driver + self.workers + self.services


def weigh(pid: int) -> Footprint:
    """Return the memory of a process and its descendants; one that ends meanwhile is left out."""
    parts = dict.fromkeys(asdict(Footprint()), 0)
    with contextlib.suppress(psutil.NoSuchProcess):
        first = psutil.Process(pid)
        for process in [first, *first.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess, OSError):
                told = _rollup(process.pid)
                title = " ".join(process.cmdline()).strip()
                kind = "driver" if process == first else _kind(title)
                parts["store"] += told["Pss_Shmem"]
                parts[kind] += told["Pss"] - told["Pss_Shmem"]
                parts["rss"] += told["Rss"] * (kind != "idle")
    return Footprint(**parts)


def settled(pid: int) -> Footprint:
    """Return the memory once it keeps still."""
    last = [weigh(pid)]
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        time.sleep(0.5)
        last = [*last, weigh(pid)][-_SETTLED_FOR:]
        weights = [each.pss for each in last]
        if len(last) == _SETTLED_FOR and max(weights) - min(weights) < _SETTLED_BYTES:
            break
    return last[-1]


@contextlib.contextmanager
def peak(pid: int, *, every_s: float = 0.25) -> Iterator[Callable[[], Footprint]]:
    """Weigh the processes again and again; yields what returns the heaviest footprint so far."""
    found, over = [Footprint()], threading.Event()

    def look() -> None:
        while not over.wait(every_s):
            found[0] = max(found[0], weigh(pid), key=lambda each: each.pss)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield lambda: found[0]
    finally:
        over.set()
        thread.join()


def _kind(title: str) -> str:
    if "default_worker.py" in title or title.startswith("ray::IDLE"):
        return "idle"
    return "workers" if title.startswith("ray::") and title not in _AGENTS else "services"


def _rollup(pid: int) -> dict[str, int]:
    """Return the bytes of /proc/<pid>/smaps_rollup by name."""
    lines = (line.split() for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
    return {words[0].rstrip(":"): int(words[1]) * 1024 for words in lines}
