"""A Ray session: the cluster that RAY_ADDRESS names, or one of our own on this machine for as long as we run."""

import contextlib
import logging
import os
import socket
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from leukmodels.errors import SessionError

# Nothing that TensorFlow says in a worker belongs on the user's terminal.
_FOR_WORKERS: Mapping[str, str] = {"TF_CPP_MIN_LOG_LEVEL": "3"}


@dataclass(frozen=True, kw_only=True)
class Node:
    """One machine of the cluster and what it has to give."""

    id: str
    cpus: int
    gpus: float


@dataclass(frozen=True, kw_only=True)
class Session:
    """What the search runs on, and where its dashboard is ("" without one)."""

    nodes: tuple[Node, ...]
    dashboard: str

    def __str__(self) -> str:
        """Return what there is, in words: 2 nodes with 16 CPUs and 2 GPUs."""
        cpus, gpus = sum(node.cpus for node in self.nodes), sum(node.gpus for node in self.nodes)
        return f"{len(self.nodes)} node{'s' * (len(self.nodes) != 1)} with {cpus} CPUs and {gpus:g} GPUs"


@contextlib.contextmanager
def open_session(*, dashboard: bool = True, cpus: int | None = None) -> Iterator[Session]:
    """Join the cluster of RAY_ADDRESS or start a local one; SessionError if the cluster cannot be reached.

    A local cluster listens on loopback, asks for its token, and ends with this process, however it ends.
    """
    address = os.environ.get("RAY_ADDRESS")
    _quiet_ray()
    options = {"log_to_driver": False, "logging_level": logging.ERROR, "runtime_env": {"env_vars": dict(_FOR_WORKERS)}}
    if address:
        try:
            _knock(address)
            context = ray.init(address=address, **options)
        except OSError as error:
            raise SessionError(
                f"No Ray cluster answers at RAY_ADDRESS={address} ({error}). "
                "Start one with `ray start --head`, or unset RAY_ADDRESS to run on this machine alone."
            ) from None
    else:
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


def concurrent_trials(session: Session, *, cpus: int, gpus: float) -> int:
    """Return how many trials run at once; SessionError if not even one fits on a node (Ray would wait for ever)."""
    fits = sum(_on_node(node, cpus=cpus, gpus=gpus) for node in session.nodes)
    if fits < 1:
        raise SessionError(
            f"A trial asks for {cpus} CPUs and {gpus:g} GPUs of one node, but there is only {session}. "
            "Lower --cpus-per-trial or --gpus-per-trial, or add nodes."
        )
    return fits


def check_shared(session: Session, folder: Path) -> None:
    """Raise SessionError if a node does not see ``folder``: trials there could not leave their models."""
    if len(session.nodes) < 2:
        return
    seen = ray.remote(num_cpus=0)(_sees)
    asked = {
        node.id: seen.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node.id, soft=False)).remote(folder)
        for node in session.nodes
    }
    blind = [node for node, answer in asked.items() if not ray.get(answer)]
    if blind:
        raise SessionError(
            f"{len(blind)} of {len(session.nodes)} nodes do not see {folder}. "
            "Give --storage a folder that all nodes share."
        )


def _sees(folder: Path) -> bool:
    return folder.is_dir()


def _on_node(node: Node, *, cpus: int, gpus: float) -> int:
    by_cpu = node.cpus // cpus
    if not gpus:
        return by_cpu
    # A fraction stays on one GPU: 0.4 twice on each, and the rest of it is left over.
    by_gpu = int(node.gpus) * int(1 / gpus + 1e-9) if gpus < 1 else int(node.gpus // gpus)
    return min(by_cpu, by_gpu)


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
