"""What differs inside a Ray job: the working folder is a throw-away copy of the submitter's."""

import os
from collections.abc import Mapping
from pathlib import Path

from leukmodels.collections.place import is_uri
from leukmodels.errors import SessionError


def inside_job() -> bool:
    """Say whether this process is what ``ray job submit`` runs."""
    return "RAY_JOB_CONFIG_JSON_ENV_VAR" in os.environ


def refuse_relative(places: Mapping[str, str | Path | None]) -> None:
    """Raise SessionError for options whose relative path would be read from, or lost with, the throw-away copy."""
    if not inside_job():
        return
    lost = [
        f"{option} {place}"
        for option, place in places.items()
        if place and not is_uri(place) and not Path(place).expanduser().is_absolute()
    ]
    if lost:
        raise SessionError(
            f"Inside a Ray job the working folder is a throw-away copy: {' and '.join(lost)} would be lost or missing. "
            "Give absolute paths that every node sees."
        )
