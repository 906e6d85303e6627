"""Fixtures that several test modules share."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
import ray

from cluster.session import Session, open_session
from leukmodels.collections.source import open_source
from leukmodels.collections.tasks import find_task
from leukmodels.label_issues.training_cells import TrainingCells
from object_store import CREDENTIALS, ObjectStore, serving
from search.cache.store import PixelCache
from search.curate.__main__ import training_cells
from search.data.dataset import prepare_dataset
from search.study.config import SearchConfig
from search.study.folder import StudyFolder
from search.study.presets import configure
from search.tracking.store import connect
from search.tracking.tracker import default_uri
from studies import begin

# A busy machine is slow and fails nothing; hypothesis draws the same examples each time where the environment says CI.
hypothesis.settings.register_profile(
    "leukemia-search",
    hypothesis.settings.default,
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("leukemia-search")

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs Ray; and where pytest-xdist has several processes, give one all of that, and each module to one.

    So Ray is started once, and what a module prepares is prepared once.
    """
    for item in items:
        needs_ray = "session" in getattr(item, "fixturenames", ())
        if needs_ray:
            item.add_marker(pytest.mark.ray)
        module = item.path.relative_to(item.config.rootpath).as_posix()
        item.add_marker(pytest.mark.xdist_group("ray" if needs_ray else module))


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


@pytest.fixture(scope="session")
def ray_address(session: Session) -> str:
    """Return what RAY_ADDRESS is to be for another process to join that Ray."""
    address: str = ray.get_runtime_context().gcs_address
    return address


@pytest.fixture
def prepared(session, tmp_path):
    """Return what prepares folders with one cache, and says how many files it read the last time."""
    cache = PixelCache(tmp_path / "cache")

    def call(root, task="runx1", **given):
        counts = []
        result = prepare_dataset(
            open_source(root),
            find_task(task),
            configure("smoke", {"task": task, "image_px": 16, **given}),
            cache,
            synthetic=False,
            cores=2,
            progress=lambda done, total: counts.append(total),
        )
        call.files_read = counts[-1] if counts else 0
        return result

    call.cache = cache
    return call


@pytest.fixture
def training_of(session, tmp_path):
    """Return what gives the training cells of a search on a folder of images."""
    cache = PixelCache(tmp_path / "cache of training cells")

    def call(root: Path, **given: object) -> TrainingCells:
        values = {"task": "runx1", "data": root, "image_px": 16, "max_bad": 0.1, **given}
        return training_cells(open_source(root), find_task("runx1"), SearchConfig(**values), cache)

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


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file of an empty MLflow store, to copy: its migrations take a second and a half each time."""
    folder = tmp_path_factory.mktemp("store")
    connect(default_uri(folder))
    return folder / "mlflow.db"


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Path:
    """Return a storage folder with an MLflow store."""
    folder = tmp_path_factory.mktemp("storage of studies")  # blanks on purpose
    shutil.copy(empty_store, folder)
    return folder


@pytest.fixture
def study(storage: Path, request: pytest.FixtureRequest) -> StudyFolder:
    """Return a new study in that storage, named after the test."""
    return begin(storage / request.node.name.replace("[", "-").strip("]"))
