"""A Ray session: the cluster that RAY_ADDRESS names, or one of our own on this machine for as long as we run."""

import contextlib
import logging
import os
import socket
import stat
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from cluster.nodes import Node, NodeState, in_words, look
from leukmodels.errors import SessionError

_FOR_WORKERS: Mapping[str, str] = {
    "TF_CPP_MIN_LOG_LEVEL": "3",  # nothing that TensorFlow says in a worker belongs on the user's terminal
    "PILLOW_BLOCKS_MAX": "8",  # Pillow keeps its memory from image to image: a BMP is decoded in half the time
}
# How long a node may take to say what it has: longer only where a disk or the node itself hangs.
_PATIENCE_S = 60.0


@dataclass(frozen=True, kw_only=True)
class Session:
    """What the search runs on, and where its dashboard is ("" without one)."""

    nodes: tuple[Node, ...]
    dashboard: str

    def __str__(self) -> str:
        """Return what there is, in words: 2 nodes with 16 CPUs and 2 GPUs."""
        return in_words(self.nodes)


@contextlib.contextmanager
def open_session(*, dashboard: bool = True, cpus: int | None = None) -> Iterator[Session]:
    """Join the cluster of RAY_ADDRESS or start a local one; SessionError if the cluster cannot be reached.

    A local cluster asks for its token and ends with this process, however it ends. Its dashboard listens on loopback;
    Ray's other processes (GCS, raylet, agents, workers) listen on all interfaces, on ports that they draw, whatever
    address they are given: behind a firewall that lets them through, the token is what keeps others out.
    """
    address = os.environ.get("RAY_ADDRESS")
    _quiet_ray()
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address:
        options["runtime_env"] = {"env_vars": dict(_FOR_WORKERS)}
        try:
            _knock(address)
            context = ray.init(address=address, **options)
        except OSError as error:
            raise SessionError(
                f"No Ray cluster answers at RAY_ADDRESS={address} ({error}). "
                "Start one with `ray start --head`, or unset RAY_ADDRESS to run on this machine alone."
            ) from None
    else:
        # Inherited: the workers that Ray starts ahead would not fit a runtime environment, and seconds be lost.
        os.environ.update(_FOR_WORKERS)
        context = ray.init(
            address="local", num_cpus=cpus, include_dashboard=dashboard, dashboard_host="127.0.0.1", **options
        )
    _close_token_file()
    try:
        yield Session(
            nodes=tuple(
                Node(
                    id=node["NodeID"],
                    cpus=int(node["Resources"].get("CPU", 0)),
                    gpus=float(node["Resources"].get("GPU", 0.0)),
                )
                for node in ray.nodes()
                if node["Alive"]
            ),
            dashboard=f"http://{context.dashboard_url}" if context.dashboard_url else "",
        )
    finally:
        ray.shutdown()


def gpus_per_trial(session: Session, asked: float | None) -> float:
    """Return the GPUs of one trial: what was asked for, else a whole one where the cluster has any."""
    return asked if asked is not None else float(any(node.gpus >= 1 for node in session.nodes))


def probe(session: Session, *, written: Sequence[Path], read: Sequence[Path] = ()) -> tuple[NodeState, ...]:
    """Return what every node of the session has, as it says itself; SessionError where one does not answer.

    ``written`` are folders that all nodes are to share: a node sees one where it sees what this process puts there, and
    not a folder of its own of that name. Of those that are only ``read`` each node may have its own.
    """
    asked = ray.remote(num_cpus=0)(look)
    told = {node["NodeID"]: node for node in ray.nodes()}
    with contextlib.ExitStack() as marks:
        folders = {**{folder: folder for folder in read}, **{folder: _marked(folder, marks) for folder in written}}
        answers = [
            asked.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node.id, soft=False)).remote(
                node,
                name=told[node.id]["NodeManagerHostname"],
                told_memory=int(told[node.id]["Resources"].get("memory", 0)),
                told_store=int(told[node.id]["Resources"].get("object_store_memory", 0)),
                folders=folders,
            )
            for node in session.nodes
        ]
        return tuple(
            _answer(answer, told[node.id]["NodeManagerHostname"])
            for node, answer in zip(session.nodes, answers, strict=True)
        )


def _marked(folder: Path, marks: contextlib.ExitStack) -> Path:
    """Return a file that is in ``folder`` for as long as ``marks`` lives; the folder itself where none can be made."""
    try:
        return Path(marks.enter_context(tempfile.NamedTemporaryFile(prefix=".seen-by-all-", dir=folder)).name)
    except OSError:
        return folder


def _answer(asked: "ray.ObjectRef", name: str) -> NodeState:
    try:
        state: NodeState = ray.get(asked, timeout=_PATIENCE_S)
    except ray.exceptions.RayError as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise SessionError(
            f"The node {name} does not say what it has ({reason}). See whether it is alive and its folders can be "
            "listed, or take it out of the cluster (`ray stop` there)."
        ) from None
    return state


def _knock(address: str) -> None:
    """Raise OSError where nobody listens: ``ray.init`` would try for minutes, and say nothing."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()


def _quiet_ray() -> None:
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "1")  # no GPU asked for means no GPU seen
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    for name in ("ray.tune", "ray.data", "ray"):
        logging.getLogger(name).setLevel(logging.ERROR)


def _close_token_file() -> None:
    """Make the token that Ray writes readable for its owner alone (Ray 2.60 creates it with mode 0644)."""
    token = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray" / "auth_token")
    with contextlib.suppress(OSError):
        if stat.S_IMODE(token.stat().st_mode) & 0o077:
            token.chmod(0o600)
