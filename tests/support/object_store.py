"""An S3 server in this process, filled through pyarrow."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pyarrow import fs

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}


@dataclass(frozen=True)
class ObjectStore:
    """A running server; `endpoint` is its host and port."""

    endpoint: str

    @property
    def query(self) -> str:
        """Return what an address ends with to reach this server."""
        return f"?endpoint_override={self.endpoint}&scheme=http"

    def put(self, bucket: str, files: Mapping[str, bytes]) -> None:
        """Write objects by key into a bucket, which is made."""
        filesystem = fs.S3FileSystem(
            access_key=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            secret_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
            endpoint_override=self.endpoint,
            scheme="http",
            region="us-east-1",
            allow_bucket_creation=True,
        )
        filesystem.create_dir(bucket)
        for key, data in files.items():
            with filesystem.open_output_stream(f"{bucket}/{key}") as stream:
                stream.write(data)

    def put_folder(self, bucket: str, folder: Path) -> None:
        """Write all files of a folder into a bucket."""
        files = (path for path in folder.rglob("*") if path.is_file())
        self.put(bucket, {path.relative_to(folder).as_posix(): path.read_bytes() for path in files})


@contextmanager
def serving() -> Iterator[ObjectStore]:
    """Run a server whose buckets are lost with it."""
    from moto.server import ThreadedMotoServer  # takes a second to load

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield ObjectStore(f"{host}:{port}")
    finally:
        server.stop()
