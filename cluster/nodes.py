"""What a machine of the cluster has: what Ray was told of it, and what the machine itself says when it is asked.

The two differ: Ray is told CPUs by hand, does not know of CPU affinity or of limits on a group of processes below the
topmost (as Slurm and systemd set them), and counts as free what was free when it started.
"""

import os
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from leukmodels.process import machine


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
    memory, free_memory = machine.memory(root) or (told_memory + told_store, told_memory + told_store)
    store_folder = _store_folder(root)
    object_store = min(told_store, shutil.disk_usage(store_folder).free) if store_folder else told_store
    return NodeState(
        node=node,
        name=name,
        told_memory=told_memory,
        cores=machine.cores(root),
        memory=memory,
        free_memory=free_memory,
        object_store=object_store,
        store_folder=store_folder,
        bfloat16=machine.multiplies_bfloat16(root),
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


def _store_folder(root: Path) -> Path | None:
    """Return where Ray's object store lies: every worker has it mapped into its memory."""
    found = re.search(r"(/.*)/plasma\w{6}\b", machine.text(root / "proc/self/maps"))
    return Path(found[1]) if found else None
