"""A collection of hostile files: none hurts a neighbour, and each is used or set aside with its reason."""

import csv
import os
import re
import socket
import socketserver
import subprocess
import sys
import threading
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

from folders import draw_folder
from hostile import PLACES, PX, HostileFile, draw_hostile
from leukmodels.collections.source import open_source
from leukmodels.collections.tasks import find_task
from leukmodels.errors import DataError
from search.cache.store import PixelCache
from search.data.dataset import Dataset, prepare_dataset, write_listing
from search.data.sharing import share
from search.study.presets import configure

ROOT = Path(__file__).resolve().parents[3]


def prepared(place, cache):
    """Prepare a place; return the result and how many files were read."""
    totals = [0]
    result = prepare_dataset(
        open_source(place),
        find_task("runx1"),
        configure("smoke", {"task": "runx1", "image_px": PX, "max_bad": 1.0}),
        cache,
        synthetic=False,
        cores=2,
        progress=lambda done, total: totals.append(total),
    )
    return result, totals[-1]


def pixels(result, cache):
    """Return the images that the trials may see by their path below the root."""
    data = share(result, cache).open()
    found = {}
    for cells in (data.train, data.validation):
        (images,) = cells.pixels.batches(np.arange(len(cells)), len(cells))
        found |= dict(zip(cells.image_ids.tolist(), images, strict=True))
    return found


def as_pillow_reads(path):
    with Image.open(path) as image:
        image.load()
        image.info.pop("transparency", None)
        return np.asarray(image.convert("RGB"))


class Account(NamedTuple):
    """What became of the hostile collection."""

    root: Path
    placed: list[HostileFile]
    cache: PixelCache
    result: Dataset
    files_read: int


@pytest.fixture(scope="module")
def account(session, tmp_path_factory):
    """Return the collection, prepared once."""
    folder = tmp_path_factory.mktemp("hostile")
    root = folder / "cells \"1\",\n'käfer' 細胞; #%41"
    placed, cache = draw_hostile(root), PixelCache(folder / "cache")
    return Account(root, placed, cache, *prepared(root, cache))


@pytest.mark.fault(
    "files",
    "truncated, foreign, huge and odd images in a collection",
    "each used as Pillow reads it, or set aside by name",
)
def test_every_hostile_file_is_used_or_set_aside_and_the_account_is_exact(account, tmp_path):
    write_listing(tmp_path / "quarantine.csv", account.result.quarantined, account.result.source)
    with (tmp_path / "quarantine.csv").open(newline="") as file:
        reasons = {Path(row["path"]): row["reason"] for row in csv.DictReader(file)}
    said = {file.kind: reasons.pop(file.path, None) for file in account.placed}
    assert reasons == {}
    wrong = [
        (file.kind, said[file.kind])
        for file in account.placed
        if not re.search(file.reason or "^$", said[file.kind] or "") or len(said[file.kind] or "") > 200
    ]
    assert wrong == []
    report = account.result.report
    assert (report.found, report.duplicates) == (30 + len(account.placed), 0)
    assert report.quarantined == sum(file.reason is not None for file in account.placed)
    assert report.used == report.found - report.quarantined
    assert account.files_read == 45 + len(account.placed)


def test_what_is_used_has_the_pixels_that_pillow_reads(account):
    used = [*account.root.glob("data/[cR]*/*/image_?.tif"), *(file.path for file in account.placed if not file.reason)]
    kept_apart = account.result.split.patients("test")
    found = pixels(account.result, account.cache)
    assert len(found) == account.result.image_count
    assert found.keys() == {str(path.relative_to(account.root)) for path in used if path.parent.name not in kept_apart}
    for name, image in found.items():
        np.testing.assert_array_equal(image, as_pillow_reads(account.root / name), err_msg=name)


def test_a_second_run_gives_the_same_account_and_opens_only_what_could_not_be_read(account):
    again, files_read = prepared(account.root, account.cache)
    assert files_read == sum(reason is not None for _, reason in PLACES.values())
    assert again.report == account.result.report
    assert again.quarantined.equals(account.result.quarantined)
    assert again.split == account.result.split


def test_the_command_refuses_above_max_bad_before_training_and_names_every_file(account, ray_address, tmp_path):
    options = {"task": "runx1", "preset": "smoke", "data": account.root, "storage": tmp_path, "max-bad": 0.2}
    options |= {"image-px": PX, "cache": account.cache.folder, "concurrency": 1}
    arguments = [text for name, value in options.items() for text in (f"--{name}", str(value))]
    done = subprocess.run(
        [sys.executable, "-m", "search.run", *arguments, "--no-dashboard"],
        cwd=ROOT,
        env={**os.environ, "RAY_ADDRESS": ray_address},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "more than --max-bad allows (20.0%)" in done.stderr
    # Quoted, as the folder's name would break the lines.
    assert [file.kind for file in account.placed if file.reason and f"{str(file.path)!r}: " not in done.stderr] == []
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.rglob("trials"))


def test_the_collection_in_an_object_store_is_what_it_is_in_a_folder(account, object_store, tmp_path):
    unread = {file.path for file in account.placed if file.kind in PLACES and file.reason}
    images = [path for path in account.root.rglob("image_*.tif") if path not in unread]
    object_store.put(
        "hostile", {str(path.relative_to(account.root)): path.read_bytes() for path in images if path.is_file()}
    )
    cache = PixelCache(tmp_path / "cache")
    there, _ = prepared(f"s3://hostile{object_store.query}", cache)
    assert there.report.fingerprint == account.result.report.fingerprint
    assert there.split == account.result.split
    assert there.report.found == account.result.report.found - len(unread)
    assert there.report.used == account.result.report.used
    reasons = {path.removeprefix("s3://hostile/"): reason for path, _, reason in listed(there.quarantined)}
    assert reasons == {
        str(Path(path).relative_to(account.root)): reason
        for path, content, reason in listed(account.result.quarantined)
        if content
    }
    near, far = pixels(account.result, account.cache), pixels(there, cache)
    assert near.keys() == far.keys()
    for name, image in near.items():
        np.testing.assert_array_equal(far[name], image)


def listed(files):
    return [tuple(row.values()) for row in files.to_pylist()]


class Mortal(socketserver.ThreadingTCPServer):
    """A way to a server on which one request travels a connection; it is cut after so many images were asked for."""

    daemon_threads = True

    def __init__(self, endpoint, images):
        super().__init__(("127.0.0.1", 0), Relay)
        host, port = endpoint.split(":")
        self.beyond, self.images = (host, int(port)), images
        self.lock = threading.Lock()

    def admits(self, request):
        with self.lock:
            self.images -= request.startswith(b"GET ") and b".tif " in request.partition(b"\r\n")[0]
            return self.images >= 0


class Relay(socketserver.StreamRequestHandler):
    def handle(self):
        request = b"".join(iter(self.rfile.readline, b"\r\n")) + b"\r\n"
        if self.server.admits(request):
            with socket.create_connection(self.server.beyond) as beyond:
                beyond.sendall(request)
                while piece := beyond.recv(1 << 16):
                    self.wfile.write(piece)


@pytest.mark.fault("servers", "an object store dies while images are read", "what was read is not read again")
def test_what_was_read_before_a_server_died_is_kept(session, object_store, tmp_path):
    object_store.put_folder("dying", draw_folder(tmp_path / "cells"))
    cache = PixelCache(tmp_path / "cache")
    with Mortal(object_store.endpoint, images=40) as way:
        threading.Thread(target=way.serve_forever, daemon=True).start()
        address = "{}:{}".format(*way.server_address)
        with pytest.raises(DataError, match=r"(?s)s3://dying.*is kept in the cache.*Does the server answer"):
            prepared(f"s3://dying?endpoint_override={address}&scheme=http", cache)
        way.shutdown()
    result, files_read = prepared(f"s3://dying{object_store.query}", cache)
    assert 13 <= files_read <= 29  # of three tasks at least one was done, and one was not
    assert result.report.used == 30
