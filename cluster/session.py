"""A Ray session: the cluster that RAY_ADDRESS names, or one of our own on this machine for as long as we run."""

import contextlib
import logging
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import ray

from leukmodels.errors import SessionError

# Workers train; nothing that they print belongs on the user's terminal.
_WORKER_VARIABLES: Mapping[str, str] = {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "0"}


@dataclass(frozen=True, kw_only=True)
class Session:
    """What the search runs on: total CPUs and GPUs of the cluster, and where its dashboard is ("" without one)."""

    cpus: int
    gpus: float
    dashboard: str
    local: bool
    nodes: int


@contextlib.contextmanager
def open_session(*, dashboard: bool = True, cpus: int | None = None) -> Iterator[Session]:
    """Join the cluster of RAY_ADDRESS or start a local one; SessionError if the cluster cannot be reached.

    A local cluster listens on loopback, asks for its token, and ends with this process, however it ends.
    """
    address = os.environ.get("RAY_ADDRESS")
    _quiet_ray()
    runtime = {"env_vars": dict(_WORKER_VARIABLES)}
    try:
        if address:
            context = ray.init(address=address, log_to_driver=False, runtime_env=runtime, logging_level=logging.ERROR)
        else:
            context = ray.init(
                address="local",
                num_cpus=cpus,
                include_dashboard=dashboard,
                dashboard_host="127.0.0.1",
                log_to_driver=False,
                runtime_env=runtime,
                logging_level=logging.ERROR,
            )
    except (ConnectionError, RuntimeError, ValueError) as error:
        if not address:
            raise
        raise SessionError(
            f"No Ray cluster answers at RAY_ADDRESS={address} ({error}). "
            "Start one with `ray start --head`, or unset RAY_ADDRESS to run on this machine alone."
        ) from None
    _close_token_file()
    try:
        resources = ray.cluster_resources()
        yield Session(
            cpus=int(resources.get("CPU", 0)),
            gpus=float(resources.get("GPU", 0.0)),
            dashboard=f"http://{context.dashboard_url}" if context.dashboard_url else "",
            local=not address,
            nodes=len([node for node in ray.nodes() if node["Alive"]]),
        )
    finally:
        ray.shutdown()


def check_fits(session: Session, *, cpus_per_trial: int, gpus_per_trial: float) -> int:
    """Return how many trials run at once; SessionError if not even one fits (Ray would wait for ever)."""
    fits = session.cpus // cpus_per_trial
    if gpus_per_trial:
        fits = min(fits, int(session.gpus / gpus_per_trial + 1e-9))
    if fits < 1:
        raise SessionError(
            f"A trial asks for {cpus_per_trial} CPUs and {gpus_per_trial:g} GPUs, but the cluster has "
            f"{session.cpus} CPUs and {session.gpus:g} GPUs. Lower --cpus-per-trial or --gpus-per-trial, or add nodes."
        )
    return fits


def _quiet_ray() -> None:
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    for name in ("ray.tune", "ray.data", "ray"):
        logging.getLogger(name).setLevel(logging.ERROR)


def _close_token_file() -> None:
    """Make the token that Ray writes readable for its owner alone (Ray 2.60 creates it with mode 0644)."""
    token = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray" / "auth_token")
    with contextlib.suppress(OSError):
        if stat.S_IMODE(token.stat().st_mode) & 0o077:
            token.chmod(0o600)
