"""Machines and a study that wants to run on them, described: for the tests of what fits where."""

from dataclasses import replace
from pathlib import Path

from cluster.nodes import FolderState, Node, NodeState
from search.data.requirements import ResourceRequirements
from studies import config

GB = 1_000_000_000
STORAGE, CACHE, DATA = Path("/shared/studies/one"), Path("/shared/cache"), Path("/shared/cells")


def folder(free=100 * GB, *, seen=True, writable=True, file_system=1):
    return FolderState(seen=seen, writable=writable, free=free, file_system=file_system)


def node(*, cpus=4, gpus=0.0, folders=None, **stated):
    usual = {
        "name": "alpha",
        "told_memory": 20 * GB,
        "cores": cpus,
        "memory": 32 * GB,
        "free_memory": 30 * GB,
        "object_store": 9 * GB,
        "store_folder": Path("/dev/shm"),
        "bfloat16": False,
    }
    seen = {STORAGE: folder(), CACHE: folder(), DATA: folder(), **(folders or {})}
    return NodeState(node=Node(id=stated.get("name", ""), cpus=cpus, gpus=gpus), folders=seen, **{**usual, **stated})


def demand(**given):
    asked = ResourceRequirements.of(config(image_px=64), gpus=0.0, storage=STORAGE, cache=CACHE, data=DATA)
    return replace(asked, **given)
