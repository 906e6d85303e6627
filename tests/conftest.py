"""Fixtures that several test modules share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.session import Session, open_session
from leukmodels.readers.source import open_source
from leukmodels.tasks import find_task
from object_store import CREDENTIALS, ObjectStore, serving
from search.asked import configure
from search.data.account import take_account
from search.data.cache import PixelCache
from search.data.prepare import Prepared
from search.folder import StudyFolder
from studies import begin

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


@pytest.fixture
def prepared(session, tmp_path):
    """Return what prepares folders with one cache, and says how many files it read the last time."""
    cache = PixelCache(tmp_path / "cache")

    def call(root, task="runx1", **given):
        counts = []
        result = Prepared.of(
            take_account(
                open_source(root),
                find_task(task),
                configure("smoke", {"task": task, "image_px": 16, **given}),
                cache,
                synthetic=False,
                cores=2,
                progress=lambda done, total: counts.append(total),
            )
        )
        call.files_read = counts[-1] if counts else 0
        return result

    call.cache = cache
    return call


@pytest.fixture(scope="session")
def running_object_store() -> Iterator[ObjectStore]:
    """Return the one S3 server of all tests."""
    with serving() as store:
        yield store


@pytest.fixture
def object_store(running_object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    """Return an S3 server, the environment holding what opens it."""
    for name, value in {**CREDENTIALS, "AWS_EC2_METADATA_DISABLED": "true"}.items():
        monkeypatch.setenv(name, value)
    return running_object_store


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a storage folder with an MLflow store."""
    from mlflow_view import make_store  # brings MLflow, which most tests do without

    return make_store(tmp_path_factory.mktemp("storage of studies"))  # blanks on purpose


@pytest.fixture
def study(storage: Path, request: pytest.FixtureRequest) -> StudyFolder:
    """Return a new study in that storage, named after the test."""
    return begin(storage / request.node.name.replace("[", "-").strip("]"))
