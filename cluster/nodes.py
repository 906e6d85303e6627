"""What a machine of the cluster has: what Ray was told of it, and what the machine itself says when it is asked.

The two differ: Ray is told CPUs by hand, does not know of CPU affinity or of limits on a group of processes below the
topmost (as Slurm and systemd set them), and counts as free what was free when it started.
"""

import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

# How it is called by x86 processors; elsewhere nothing of this was measured.
_BFLOAT16 = frozenset({"avx512_bf16", "amx_bf16"})


@dataclass(frozen=True, kw_only=True)
class Node:
    """One machine of the cluster and what it has to give."""

    id: str
    cpus: int
    gpus: float

    def holds(self, *, cpus: int, gpus: float) -> int:
        """Return how many trials of so many CPUs and GPUs Ray places here at once."""
        by_cpu = self.cpus // cpus
        if not gpus:
            return by_cpu
        # A fraction stays on one GPU: 0.4 twice on each, and the rest of it is left over.
        by_gpu = int(self.gpus) * int(1 / gpus + 1e-9) if gpus < 1 else int(self.gpus // gpus)
        return min(by_cpu, by_gpu)


@dataclass(frozen=True, kw_only=True)
class FolderState:
    """What a node sees of a folder. Folders with equal ``file_system`` share their ``free`` bytes."""

    seen: bool
    writable: bool
    free: int
    file_system: int


@dataclass(frozen=True, kw_only=True)
class NodeState:
    """What one node has, in bytes where nothing else is said.

    name            of the host
    told_memory     what Ray lets tasks ask for: free when Ray started, less the object store
    cores           on which Ray's processes may run, by CPU affinity and quota; at least 1
    memory          all that Ray's processes may use
    free_memory     of it, what is free now; shared memory counts as used
    object_store    what the object store can hold: as much as Ray was told, and as is free where it lies
    store_folder    where it lies: /dev/shm, or a folder on disk where that was too small; None where it is not said
    bfloat16        whether its processor says that it multiplies 16-bit brain floats itself
    folders         the folders that were asked for
    """

    node: Node
    name: str
    told_memory: int
    cores: int
    memory: int
    free_memory: int
    object_store: int
    store_folder: Path | None
    bfloat16: bool
    folders: Mapping[Path, FolderState]


def in_words(nodes: Sequence[Node]) -> str:
    """Return what there is: 2 nodes with 16 CPUs and 2 GPUs."""
    cpus, gpus = sum(node.cpus for node in nodes), sum(node.gpus for node in nodes)
    return f"{len(nodes)} node{'s' * (len(nodes) != 1)} with {cpus} CPUs and {gpus:g} GPUs"


def look(
    node: Node, *, name: str, told_memory: int, told_store: int, folders: Mapping[Path, Path], root: Path = Path("/")
) -> NodeState:
    """Return what the machine has on which this runs; the rest is what Ray was told of it.

    ``folders`` says for each folder which path proves that it is seen. ``root`` is where proc and sys are looked for.
    """
    # Where there is no /proc (macOS), what Ray counted must do.
    memory, free_memory = _memory(root) or (told_memory + told_store, told_memory + told_store)
    store_folder = _store_folder(root)
    object_store = min(told_store, shutil.disk_usage(store_folder).free) if store_folder else told_store
    return NodeState(
        node=node,
        name=name,
        told_memory=told_memory,
        cores=_cores(root),
        memory=memory,
        free_memory=free_memory,
        object_store=object_store,
        store_folder=store_folder,
        bfloat16=not _BFLOAT16.isdisjoint(_flags(root)),
        folders={folder: _folder(folder, proof) for folder, proof in folders.items()},
    )


def _folder(folder: Path, proof: Path) -> FolderState:
    if not (os.access(folder, os.R_OK | os.X_OK) and os.access(proof, os.F_OK)):
        return FolderState(seen=False, writable=False, free=0, file_system=0)
    disk = shutil.disk_usage(folder)
    return FolderState(
        seen=True,
        writable=os.access(folder, os.W_OK),
        free=disk.free if disk.total else sys.maxsize,  # some mounted object stores know no size
        file_system=folder.stat().st_dev,
    )


def _cores(root: Path) -> int:
    cores = float(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    for group in _groups(root, "cpu"):
        quota = _words(group / "cpu.max") or [
            *_words(group / "cpu.cfs_quota_us"),
            *_words(group / "cpu.cfs_period_us"),
        ]
        if len(quota) == 2 and quota[0].isdecimal():  # "max" and -1 are no quota
            cores = min(cores, int(quota[0]) / int(quota[1]))
    return max(1, int(cores))


def _memory(root: Path) -> tuple[int, int] | None:
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


def _flags(root: Path) -> list[str]:
    """Return what the first processor says it can do, nothing where nobody says it (macOS)."""
    found = re.search(r"^flags\s*:(.*)$", _text(root / "proc/cpuinfo"), re.MULTILINE)
    return found[1].split() if found else []


def _groups(root: Path, controller: str) -> Iterator[Path]:
    """Yield the control groups that bound this process, version 1 or 2, its own first.

    Inside a container the path may be the host's, which is not there; the container's own limits are then at the top.
    """
    mount = root / "sys/fs/cgroup"
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers or controller in controllers.split(","):
            top = mount / controller if controllers else mount
            group = top / path.strip("/")
            yield group
            yield from (parent for parent in group.parents if parent == top or top in parent.parents)


def _store_folder(root: Path) -> Path | None:
    """Return where Ray's object store lies: every worker has it mapped into its memory."""
    found = re.search(r"(/.*)/plasma\w{6}\b", _text(root / "proc/self/maps"))
    return Path(found[1]) if found else None


def _table(path: Path) -> dict[str, int]:
    """Return the numbers of a file that has a name and a number a line."""
    lines = (line.split() for line in _text(path).splitlines())
    return {words[0]: int(words[1]) for words in lines if len(words) > 1 and words[1].isdecimal()}


def _words(path: Path) -> list[str]:
    return _text(path).split()


def _text(path: Path) -> str:
    """Return what a file of the kernel says, "" where it is not there."""
    try:
        return path.read_text()
    except OSError:
        return ""
