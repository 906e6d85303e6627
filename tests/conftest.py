"""Fixtures that several test modules share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.session import Session, open_session

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of small real samples, or skip where it is missing."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the small real samples (../shared/data) are not on this machine")
    return SHARED_DATA


@pytest.fixture(scope="session")
def session() -> Iterator[Session]:
    """Return the one local Ray of all tests."""
    with open_session(dashboard=False, cpus=2) as opened:
        yield opened
