"""Collections in an object store: an S3 server in this process, and servers that are not there."""

import datetime
import os
import pickle
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
import ray
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import fs

from cluster.session import Session
from leukmodels.collections import read
from leukmodels.collections.listing import walk
from leukmodels.collections.remote import RemoteFolder, listed
from leukmodels.collections.source import open_source
from leukmodels.errors import BadImageError, DataError
from object_store import ObjectStore

MANY = 1 << 20
LABELS = "Patient_ID,new_names,labels\nUID_57_29_1_all.bmp,1.bmp,1\n"
COLLECTIONS = {
    "mll": {
        "PKG/metadata.csv": b"patient_id,bag_label,instance_count\nABC,control,3\nXYZ,NPM1,1\n",
        **{f"PKG/data/control/ABC/image_{number}.tif": b"%d" % number for number in (10, 9)},
        "PKG/data/NPM1/XYZ/image_2.tif": b"2",
        "PKG/data/NPM1/XYZ/._image_2.tif": b"",
        "PKG/data/NPM1/XYZ/extra.gif": b"",
        "PKG/data/OTHER/x/image_1.tif": b"",
        "__MACOSX/data/control/ABC/image_1.tif": b"",
        "PKG/data/control/ABD/features.npy": b"",
    },
    "cnmc": {
        "C-NMC_training_data/fold_0/all/UID_2_10_1_all.bmp": b"1",
        "C-NMC_training_data/fold_1/hem/UID_H12_1_1_hem.bmp": b"2",
        "C-NMC_test_prelim_phase_data/1.bmp": b"3",
        "C-NMC_test_final_phase_data/1.bmp": b"4",
        "C-NMC_test_prelim_phase_data_labels.csv": LABELS.encode("utf-8-sig"),
    },
    "folders": {
        "AML/p 10/b#10.PNG": b"1",
        "AML/p 10/50%.jpeg": b"2",
        "AML/p 10/50%25.jpeg": b"3",
        "AML/p 2/käfer & 細胞+1.Tif": b"4",
        "gesund/é/what?.bmp": b"5",
        "gesund/é/notes.txt": b"",
        "cover.png": b"",
    },
}


@pytest.mark.parametrize("reader", COLLECTIONS)
def test_a_collection_reads_as_its_copy_in_a_folder_does(
    object_store: ObjectStore, tmp_path: Path, reader: str
) -> None:
    for name, data in COLLECTIONS[reader].items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    object_store.put_folder(reader, tmp_path)
    here, there = open_source(tmp_path), open_source(f"s3://{reader}/{object_store.query}")
    assert (there.root, there.local) == (f"s3://{reader}", False)
    local, remote = read(reader, here), read(reader, there)
    paths = [path.replace(here.root, there.root, 1) for path in local.cells["path"].to_pylist()]
    assert remote.cells["path"].to_pylist() == paths
    assert remote.cells.drop_columns(["path"]) == local.cells.drop_columns(["path"])
    assert remote.notes == tuple(note.replace(here.root, there.root) for note in local.notes)
    for mine, its in zip(local.cells["path"].to_pylist(), paths, strict=True):
        assert there.read(its, max_bytes=MANY) == here.read(mine, max_bytes=MANY)
    assert there.stamps(paths)[:, 0].tolist() == here.stamps(local.cells["path"].to_pylist())[:, 0].tolist()


@pytest.mark.parametrize("key", ["a b/käfer", "a#b", "50%", "50%25", "q?", "a+b & c"])
def test_a_key_of_any_name_can_be_given_quoted(object_store: ObjectStore, key: str) -> None:
    object_store.put("names", {f"{key}/A/p/1.png": b"1", f"{key}x/A/p/1.png": b"another"})
    listing = read("folders", f"s3://names/{quote(key)}{object_store.query}")
    assert listing.cells["path"].to_pylist() == [f"s3://names/{key}/A/p/1.png"]


def test_blanks_and_other_letters_in_an_address_need_no_quotes(object_store: ObjectStore) -> None:
    object_store.put("names", {"ein käfer/A/p/1.png": b"1"})
    assert read("folders", f"s3://names/ein käfer/{object_store.query}").cells.num_rows == 1


def test_stamps_are_of_the_listing_or_asked_for_and_say_the_same(object_store: ObjectStore) -> None:
    object_store.put("stamps", {"a/1.png": b"1", "a/2.png": b"12"})
    source = open_source(f"s3://stamps{object_store.query}")
    paths = [f"s3://stamps/{name}" for name in ("a/2.png", "a/gone.png", "a", "a/1.png")]
    asked = source.stamps(paths).T.tolist()
    assert asked[0] == [2, -1, -1, 1]
    assert [mtime > 0 and mtime % 1_000_000_000 == 0 for mtime in asked[1]] == [True, False, False, True]
    assert asked[2:] == [[0, -1, -1, 0]] * 2
    source.scan(source.root)
    assert source.stamps(paths).T.tolist() == asked
    object_store.put("stamps", {"a/1.png": b"changed"})
    assert open_source(f"s3://stamps{object_store.query}").stamps(paths)[:, 0].tolist() == [2, -1, -1, 7]
    assert source.stamps([]).shape == (0, 4)


def test_a_file_over_the_limit_and_a_vanished_one_are_that_files_trouble(object_store: ObjectStore) -> None:
    object_store.put("files", {"a/1.png": bytes(10), "a/empty.png": b""})
    source = open_source(f"s3://files{object_store.query}")
    assert source.read("s3://files/a/1.png", max_bytes=10) == bytes(10)
    assert source.read("s3://files/a/empty.png", max_bytes=10) == b""
    with pytest.raises(BadImageError, match="it has 10 bytes, more than the 9 allowed"):
        source.read("s3://files/a/1.png", max_bytes=9)
    with pytest.raises(FileNotFoundError) as caught:
        source.read("s3://files/a/2.png", max_bytes=9)
    assert caught.value.strerror == "No such file or directory"


def test_a_missing_key_a_file_and_a_missing_bucket_are_told_apart(object_store: ObjectStore) -> None:
    object_store.put("places", {"cells/A/p/1.png": b"1"})
    with pytest.raises(DataError, match=r"^s3://places/cell does not exist"):
        read("folders", f"s3://places/cell{object_store.query}")
    with pytest.raises(DataError, match=r"^s3://places/cells/A/p/1\.png is a file"):
        read("folders", f"s3://places/cells/A/p/1.png{object_store.query}")
    with pytest.raises(DataError, match=r"(?s)^s3://nowhere cannot be read.*NO_SUCH_BUCKET.*bucket's name spelt"):
        read("folders", f"s3://nowhere{object_store.query}")
    with pytest.raises(DataError, match=r"(?s)reader mll.*This looks like folders of classes"):
        read("mll", f"s3://places/cells{object_store.query}")


@pytest.mark.fault("servers", "wrong credentials of an object store", "told with what to set")
def test_wrong_credentials_are_told_with_what_to_set(
    object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    from moto.core.authorization import enable_iam_authentication

    object_store.put("closed", {"A/p/1.png": b"1"})
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIASOMEBODYELSE")
    with enable_iam_authentication():
        with pytest.raises(DataError, match=r"(?s)^s3://closed cannot be read.*AWS_ACCESS_KEY_ID and") as caught:
            read("folders", f"s3://closed{object_store.query}")
        with pytest.raises(PermissionError, match="are the credentials in the environment of every node"):
            open_source(f"s3://closed{object_store.query}").read("s3://closed/A/p/1.png", max_bytes=MANY)
    assert "SOMEBODYELSE" not in str(caught.value)


@pytest.fixture
def closed() -> str:
    """Return where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


@pytest.fixture
def silent() -> Iterator[str]:
    """Return where a server takes calls and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.fault("servers", "an object store does not answer", "told, not waited for")
@pytest.mark.parametrize("endpoint", ["closed", "silent", "no.such.host.invalid"])
def test_a_server_that_does_not_answer_is_told_and_not_waited_for(
    object_store: ObjectStore, request: pytest.FixtureRequest, endpoint: str
) -> None:
    host = endpoint if "." in endpoint else request.getfixturevalue(endpoint)
    source = open_source(f"s3://bucket/cells?endpoint_override={host}&scheme=http")
    with pytest.raises(DataError, match=r"(?s)^s3://bucket/cells cannot be read.*Does the server answer"):
        read("mll", source)


@pytest.mark.fault("servers", "an object store goes away between two images", "no fault of a file")
def test_a_server_that_went_away_is_no_fault_of_a_file(object_store: ObjectStore, closed: str) -> None:
    source = open_source(f"s3://bucket/cells?endpoint_override={closed}&scheme=http")
    with pytest.raises(DataError, match=r"(?s)^s3://bucket/cells/1\.png cannot be read.*Does the server answer"):
        source.read("s3://bucket/cells/1.png", max_bytes=MANY)


def test_google_gives_up_in_seconds_too(closed: str) -> None:
    with pytest.raises(DataError, match=r"(?s)^gs://bucket/cells cannot be read.*Does the server answer"):
        read("mll", f"gs://anonymous@bucket/cells?endpoint_override={closed}&scheme=http&retry_limit_seconds=1")
    source = open_source(f"gs://anonymous@bucket/a b?endpoint_override={closed}&scheme=http")
    assert isinstance(source, RemoteFolder)
    assert (source.root, source.inside) == ("gs://bucket/a b", "bucket/a b")
    patience = datetime.timedelta(seconds=10)
    options = {"anonymous": True, "scheme": "http", "default_bucket_location": ""}
    assert source.filesystem == fs.GcsFileSystem(endpoint_override=closed, retry_time_limit=patience, **options)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("ftp://server/cells", "s3://, gs://, hdfs:// or file://"),
        ("gs://bucket/what?.png", "%3F"),
        ("s3://bucket/cells?colour=blue", "%3F"),
    ],
)
def test_an_address_that_cannot_be_opened_says_what_can(address: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        open_source(address)


@pytest.mark.fault("workers", "credentials in an address of images", "no worker gets them")
def test_workers_get_a_source_without_its_listing_or_any_credentials(
    object_store: ObjectStore, session: Session
) -> None:
    object_store.put("many", {f"A/p/{number}.png": b"1" for number in range(30)})
    source = open_source(f"s3://many{object_store.query}")
    small = len(pickle.dumps(source))
    read("folders", source)
    sent = pickle.dumps(source)
    assert len(sent) == small
    assert os.environ["AWS_SECRET_ACCESS_KEY"].encode() not in sent
    assert ray.get(ray.put(source)).read("s3://many/A/p/7.png", max_bytes=MANY) == b"1"


def test_a_ray_worker_reads_what_the_driver_listed(session: Session, object_store: ObjectStore, tmp_path: Path) -> None:
    object_store.put("worker", {"A/p/1.png": b"far"})
    (tmp_path / "A" / "p").mkdir(parents=True)
    (tmp_path / "A" / "p" / "1.png").write_bytes(b"near")
    read_there = ray.remote(num_cpus=0)(
        lambda source, path: (source.read(path, max_bytes=MANY), source.stamps([path]).tolist())
    )
    for place, data in ((f"s3://worker{object_store.query}", b"far"), (str(tmp_path), b"near")):
        source = open_source(place)
        (path,) = read("folders", source).cells["path"].to_pylist()
        stamps = source.stamps([path]).tolist()
        assert ray.get(read_there.remote(source, path)) == (data, stamps)


NAMES = st.sampled_from(["a", "b", "c d", "é#%", ".hidden", "__MACOSX", "x.tif"])


@given(st.sets(st.lists(NAMES, min_size=1, max_size=4).map(tuple), max_size=12), st.booleans())
def test_names_alone_give_the_folders_that_a_disk_has(
    tmp_path_factory: pytest.TempPathFactory, keys: set[tuple[str, ...]], folders_too: bool
) -> None:
    # A disk, unlike an object store, cannot hold a file and a folder of one name.
    keys = {key for key in keys if not any(other[: len(key)] == key for other in keys if other != key)}
    root = tmp_path_factory.mktemp("disk")
    infos = []
    for key in keys:
        root.joinpath(*key).parent.mkdir(parents=True, exist_ok=True)
        root.joinpath(*key).write_bytes(b"12")
        infos.append(fs.FileInfo("/".join(("bucket", *key)), fs.FileType.File, size=2, mtime_ns=3_000_000_001))
        if folders_too:  # as S3 lists them, and Google does not
            above = ("/".join(("bucket", *key[:depth])) for depth in range(1, len(key)))
            infos += [fs.FileInfo(path, fs.FileType.Directory) for path in above]
    found = listed(infos, root="gs://bucket", inside="bucket")
    disk = open_source(root)
    for folder in walk(disk, disk.root, depth=10):
        there = found.folders[folder.path.replace(disk.root, "gs://bucket", 1)]
        assert (there.folders, there.files) == (folder.folders, folder.files)
        assert all(found.stamps[there.child(name)] == (2, 3_000_000_000, 0, 0) for name in there.files)


def test_keys_that_no_folder_could_hold_hurt_no_neighbour() -> None:
    paths = ("bucket/cells//x.tif", "bucket/cells/a", "bucket/cells/a/y.tif", "bucket/cells/../z.tif", "bucket/cells/")
    infos = [fs.FileInfo(path, fs.FileType.File, size=1, mtime_ns=0) for path in paths]
    found = listed(infos, root="s3://bucket/cells", inside="bucket/cells")
    assert found.folders["s3://bucket/cells"].folders == ("a",)
    assert found.folders["s3://bucket/cells"].files == ("a",)
    assert found.folders["s3://bucket/cells/a"].files == ("y.tif",)
