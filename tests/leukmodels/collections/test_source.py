"""Local folders: every kind of thing that may lie in one, and none that can hang or end a reader."""

import os
import socket
from pathlib import Path

import numpy as np
import pytest
import ray
from hypothesis import given
from hypothesis import strategies as st

from cluster.session import Session
from leukmodels.collections import read
from leukmodels.collections.listing import walk
from leukmodels.collections.source import LocalFolder, open_source
from leukmodels.errors import BadImageError, DataError

MANY = 1 << 20


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """Return a patient's folder with one good image and all that can bear an image's name and is none."""
    folder = tmp_path / "cells" / "data" / "control" / "ABC"
    folder.mkdir(parents=True)
    (folder / "image_0.tif").write_bytes(b"good")
    os.mkfifo(folder / "image_1.tif")
    with socket.socket(socket.AF_UNIX) as bound:
        # A socket's name may be no longer than 108 letters; the folder's is.
        bound.bind(str(tmp_path / "s"))
    (tmp_path / "s").rename(folder / "image_2.tif")
    (folder / "image_3.tif").symlink_to("/dev/zero")
    (folder / "image_4.tif").symlink_to(folder / "image_1.tif")
    (folder / "image_5.tif").symlink_to(folder / "image_5.tif")
    (folder / "image_6.tif").symlink_to(tmp_path / "nowhere")
    (folder / "image_7.tif").mkdir()
    (folder / "image_8.tif").symlink_to(folder / "image_7.tif")
    return folder


def test_all_but_folders_are_listed_and_only_the_good_file_can_be_read(hostile: Path) -> None:
    source = open_source(hostile.parents[2])
    assert source.local
    paths = read("mll", source).cells["path"].to_pylist()
    assert paths == [str(hostile / f"image_{number}.tif") for number in range(7)]
    answers: list[object] = []
    for path in paths:
        try:
            answers.append(source.read(path, max_bytes=MANY))
        except (BadImageError, OSError) as error:
            answers.append(type(error) if isinstance(error, BadImageError) else type(error).__name__)
    assert answers == [b"good", *[BadImageError] * 4, "OSError", "FileNotFoundError"]
    status = Path(paths[0]).stat()
    seen = [4, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]
    assert source.stamps(paths).tolist() == [seen, *[[-1] * 4] * 6]


def test_folders_and_links_to_folders_with_an_images_name_are_no_files(hostile: Path) -> None:
    source = open_source(hostile)
    assert source.scan(str(hostile)).folders == ("image_7.tif", "image_8.tif")
    with pytest.raises(BadImageError, match="no regular file"):
        source.read(str(hostile / "image_7.tif"), max_bytes=MANY)


def test_links_that_lead_back_are_not_followed(tmp_path: Path) -> None:
    patient = tmp_path / "cells" / "data" / "control" / "ABC"
    patient.mkdir(parents=True)
    (patient / "image_0.tif").touch()
    for number, target in enumerate((tmp_path / "cells", patient, Path("/"), Path(".."))):
        (patient / f"loop{number}").symlink_to(target)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "back").symlink_to(tmp_path / "cells" / "data")
    (tmp_path / "cells" / "data" / "NPM1").symlink_to(tmp_path / "elsewhere")
    source = open_source(tmp_path / "cells")
    names = [folder.path.removeprefix(source.root) for folder in walk(source, source.root, depth=50)]
    assert names == ["", "/data", "/data/NPM1", "/data/control", "/data/control/ABC"]
    for reader in ("mll", "folders", "cnmc"):
        try:
            read(reader, source)
        except DataError:
            continue
    assert read("mll", source).cells.num_rows == 1


def test_a_file_over_the_limit_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "image_0.tif"
    with path.open("wb") as file:
        file.truncate(1 << 40)  # takes no space
    source = open_source(tmp_path)
    with pytest.raises(BadImageError, match=r"it has 1,099,511,627,776 bytes, more than the 1,048,576 allowed"):
        source.read(str(path), max_bytes=MANY)
    path.write_bytes(bytes(10))
    assert source.read(str(path), max_bytes=10) == bytes(10)
    with pytest.raises(BadImageError, match="it has 10 bytes"):
        source.read(str(path), max_bytes=9)


def test_a_file_that_says_it_is_empty_and_is_not_is_read_up_to_the_limit() -> None:
    source = open_source("/proc/self")
    path = "/proc/self/environ"
    if not Path(path).exists():
        pytest.skip("needs /proc")
    data = source.read(path, max_bytes=MANY)
    assert source.stamps([path])[0, 0] == 0
    assert data == Path(path).read_bytes()
    assert len(data) > 0
    with pytest.raises(BadImageError, match="more than the 1 allowed"):
        source.read(path, max_bytes=1)


@given(st.binary(max_size=300_000))
def test_bytes_come_back_as_they_are(session: Session, tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("one") / "a b#%.tif"
    path.write_bytes(data)
    source = ray.get(ray.put(open_source(path.parent)))
    assert source.read(str(path), max_bytes=len(data)) == data
    assert source.stamps([str(path)])[:, :2].tolist() == [[len(data), path.stat().st_mtime_ns]]


def test_a_vanished_file_is_an_os_error_and_has_no_stamp(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"1")
    (tmp_path / "b").write_bytes(b"12")
    source, paths = open_source(tmp_path), [str(tmp_path / name) for name in ("a", "gone", "b", "nul\0")]
    stamps = source.stamps(paths)
    assert stamps[:, 0].tolist() == [1, -1, 2, -1]
    assert stamps.dtype == np.int64
    with pytest.raises(FileNotFoundError):
        source.read(paths[1], max_bytes=MANY)
    assert source.stamps([]).shape == (0, 4)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_an_os_error(tmp_path: Path) -> None:
    (tmp_path / "a").touch(mode=0)
    (tmp_path / "closed").mkdir(mode=0)
    source = open_source(tmp_path)
    with pytest.raises(PermissionError):
        source.read(str(tmp_path / "a"), max_bytes=MANY)
    with pytest.raises(PermissionError):
        source.scan(str(tmp_path / "closed"))


def test_a_reader_that_looks_where_none_may_look_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "closed").mkdir()
    scan = LocalFolder.scan

    def refuse(source: LocalFolder, path: str) -> object:
        if path.endswith("closed"):
            raise PermissionError(13, "Permission denied", path)
        return scan(source, path)

    monkeypatch.setattr(LocalFolder, "scan", refuse)
    for reader in ("mll", "cnmc", "folders"):
        with pytest.raises(DataError, match="Permission denied"):
            read(reader, tmp_path)


def test_a_pipe_that_is_called_metadata_is_told_and_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "control" / "ABC").mkdir(parents=True)
    (tmp_path / "control" / "ABC" / "image_0.tif").touch()
    os.mkfifo(tmp_path / "metadata.csv")
    (note,) = read("mll", tmp_path).notes
    assert note == f"{tmp_path}/metadata.csv cannot be read (it is no regular file)."
