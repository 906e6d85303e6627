"""Reaches an MLflow store without a word on the terminal, a call home, or a half-made database.

MLflow is imported on the first call, not with this module: that takes two seconds.
"""

import logging
import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from leukmodels.process.lock import lock

_ENVIRONMENT = {
    # Nobody but the store that the user named hears of the study.
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    # The follower backs off by itself; MLflow's retries block one call for minutes, and may create a run twice.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    # The terminal belongs to the search.
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
}


def connect(uri: str) -> Any:
    """Return an ``MlflowClient`` of the store at ``uri``, made first if it is an SQLite file that is not there."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    from mlflow import MlflowClient

    for name in ("mlflow", "alembic"):
        logger = logging.getLogger(name)
        logger.handlers = [logging.NullHandler()]
        logger.propagate = False
    if (database := sqlite_path(uri)) and not database.exists():
        _create(database)
    return MlflowClient(tracking_uri=uri)


def outages() -> tuple[type[Exception], ...]:
    """Return the errors by which a store says that it is away, locked or not what it should be."""
    from mlflow.exceptions import MlflowException
    from requests import RequestException
    from sqlalchemy.exc import SQLAlchemyError

    return (MlflowException, RequestException, SQLAlchemyError, OSError)


def sqlite_path(uri: str) -> Path | None:
    """Return the file behind an SQLite ``uri``; None for any other store."""
    return Path(uri.partition(":///")[2]) if uri.startswith("sqlite") else None


def is_remote(uri: str) -> bool:
    """Say whether a server answers at ``uri``: it then decides where files go."""
    return urlsplit(uri).scheme in {"http", "https", "databricks"}


def redacted(uri: str) -> str:
    """Return ``uri`` without user and password."""
    parts = urlsplit(uri)
    return uri.replace(f"{parts.netloc.rpartition('@')[0]}@", "", 1) if "@" in parts.netloc else uri


def _create(database: Path) -> None:
    """Make the schema aside and rename it, one process at a time.

    MLflow runs several dozen migrations in place: a process that is killed among them leaves a file that no MLflow
    opens again, and of several that start at once most fail.
    """
    from mlflow import MlflowClient

    database.parent.mkdir(parents=True, exist_ok=True)
    with database.with_name(f"{database.name}.lock").open("a") as file:
        lock(file, wait=True)
        if database.exists():
            return
        aside = database.with_name(f".{database.name}.new")
        for leftover in (aside, aside.with_name(f"{aside.name}-journal")):
            leftover.unlink(missing_ok=True)
        MlflowClient(tracking_uri=f"sqlite:///{aside}").search_experiments(max_results=1)
        aside.rename(database)
