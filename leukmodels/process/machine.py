"""What the machine gives this process, as its kernel says it: cores, memory, what its processor can do.

CPU affinity counts, and so do the limits on every group of processes that this one is in (as Slurm and systemd set
them). ``root`` is where proc and sys are looked for.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

_ROOT = Path("/")
# How it is called by x86 processors; elsewhere nothing of this was measured.
_BFLOAT16 = frozenset({"avx512_bf16", "amx_bf16"})


def cores(root: Path = _ROOT) -> int:
    """Return on how many processors this process may run, by CPU affinity and quota; at least 1."""
    found = float(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    for group in _groups(root, "cpu"):
        quota = _words(group / "cpu.max") or [
            *_words(group / "cpu.cfs_quota_us"),
            *_words(group / "cpu.cfs_period_us"),
        ]
        if len(quota) == 2 and quota[0].isdecimal():  # "max" and -1 are no quota
            found = min(found, int(quota[0]) / int(quota[1]))
    return max(1, int(found))


def memory(root: Path = _ROOT) -> tuple[int, int] | None:
    """Return how many bytes there are for this process and how many of them are free; None where nothing says so."""
    if not (kilobytes := _table(root / "proc/meminfo")):
        return None
    total, free = 1024 * kilobytes["MemTotal:"], 1024 * kilobytes["MemAvailable:"]
    for group in _groups(root, "memory"):
        limit = _words(group / "memory.max") or _words(group / "memory.limit_in_bytes")
        used = _words(group / "memory.current") or _words(group / "memory.usage_in_bytes")
        if limit and used and limit[0].isdecimal():
            # What the kernel keeps of files goes when it is needed.
            stat = _table(group / "memory.stat")
            files = sum(stat.get(f"total_{kind}", stat.get(kind, 0)) for kind in ("inactive_file", "active_file"))
            total = min(total, int(limit[0]))
            free = min(free, int(limit[0]) - int(used[0]) + files)
    return total, max(0, free)


def multiplies_bfloat16(root: Path = _ROOT) -> bool:
    """Return whether the processor says that it multiplies 16-bit brain floats itself."""
    return not _BFLOAT16.isdisjoint(_flags(root))


def text(path: Path) -> str:
    """Return what a file of the kernel says, "" where it is not there."""
    try:
        return path.read_text()
    except OSError:
        return ""


def _flags(root: Path) -> list[str]:
    """Return what the first processor says it can do, nothing where nobody says it (macOS)."""
    found = re.search(r"^flags\s*:(.*)$", text(root / "proc/cpuinfo"), re.MULTILINE)
    return found[1].split() if found else []


def _groups(root: Path, controller: str) -> Iterator[Path]:
    """Yield the control groups that bound this process, version 1 or 2, its own first.

    Inside a container the path may be the host's, which is not there; the container's own limits are then at the top.
    """
    mount = root / "sys/fs/cgroup"
    for line in text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers or controller in controllers.split(","):
            top = mount / controller if controllers else mount
            group = top / path.strip("/")
            yield group
            yield from (parent for parent in group.parents if parent == top or top in parent.parents)


def _table(path: Path) -> dict[str, int]:
    """Return the numbers of a file that has a name and a number a line."""
    lines = (line.split() for line in text(path).splitlines())
    return {words[0]: int(words[1]) for words in lines if len(words) > 1 and words[1].isdecimal()}


def _words(path: Path) -> list[str]:
    return text(path).split()
