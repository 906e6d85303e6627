"""Files to pixels: Ray Data reads, hashes and decodes every file once, in parallel on all nodes.

The only file that knows Ray Data. A file that cannot be decoded becomes a reason, never an exception: one bad image
would fail the whole dataset, or silently take its neighbours along (ray.data's max_errored_blocks drops blocks).
"""

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import ray

from leukmodels import images
from leukmodels.errors import BadImageError

Progress = Callable[[int, int], None]

_FILES_A_BLOCK = 256


@dataclass(frozen=True, kw_only=True, eq=False)
class Ingested:
    """What the files held, in the order they were asked for.

    sha256    str (n,) of each file's bytes; "" where the file could not be read
    reasons   str (n,), "" where the file is usable
    pixels    uint8 (n, px, px, 3); zeros where the file is not usable or its pixels were not wanted
    """

    sha256: npt.NDArray[np.str_]
    reasons: list[str]
    pixels: npt.NDArray[np.uint8]


def ingest(
    paths: list[str],
    wanted: npt.NDArray[np.bool_],
    *,
    image_px: int,
    crop_px: int | None,
    progress: Progress | None = None,
) -> Ingested:
    """Read ``paths`` (n); decode those that are ``wanted`` (n,) to ``image_px`` and only hash the others."""
    table = pa.table({"row": np.arange(len(paths), dtype=np.int64), "path": paths, "wanted": wanted})
    blocks = max(1, -(-len(paths) // _FILES_A_BLOCK))
    _quiet()
    dataset = ray.data.from_arrow(table, override_num_blocks=blocks).map_batches(
        read_batch,
        batch_format="pyarrow",
        batch_size=None,
        zero_copy_batch=True,
        fn_kwargs={"image_px": image_px, "crop_px": crop_px},
    )
    sha256 = np.full(len(paths), "", dtype="<U64")
    reasons = [""] * len(paths)
    pixels = np.zeros((len(paths), image_px, image_px, 3), dtype=np.uint8)
    done = 0
    for batch in dataset.iter_batches(batch_format="pyarrow", batch_size=None):
        rows = batch.column("row").to_numpy()
        sha256[rows] = batch.column("sha256").to_pylist()
        for row, reason in zip(rows.tolist(), batch.column("reason").to_pylist(), strict=True):
            reasons[row] = reason
        for row, cell in zip(rows.tolist(), batch.column("pixels"), strict=True):
            if len(cell.as_buffer()):
                pixels[row] = np.frombuffer(cell.as_buffer(), dtype=np.uint8).reshape(image_px, image_px, 3)
        done += len(rows)
        if progress:
            progress(done, len(paths))
    return Ingested(sha256=sha256, reasons=reasons, pixels=pixels)


def read_batch(table: pa.Table, *, image_px: int, crop_px: int | None) -> pa.Table:
    """Return row, sha256, reason and pixels (plain binary, empty where unwanted or unusable) of a block of files."""
    hashes, reasons, pixels = [], [], []
    for path, wanted in zip(table.column("path").to_pylist(), table.column("wanted").to_pylist(), strict=True):
        sha256, reason, cell = _read(Path(path), wanted, image_px=image_px, crop_px=crop_px)
        hashes.append(sha256)
        reasons.append(reason)
        pixels.append(cell)
    return pa.table(
        {
            "row": table.column("row"),
            "sha256": pa.array(hashes, pa.string()),
            "reason": pa.array(reasons, pa.string()),
            "pixels": pa.array(pixels, pa.large_binary()),
        }
    )


def _read(path: Path, wanted: bool, **size: Any) -> tuple[str, str, bytes]:
    try:
        data = path.read_bytes()
    except OSError as error:
        return "", f"cannot be read ({error.strerror or error})", b""
    sha256 = hashlib.sha256(data).hexdigest()
    if not data:
        return sha256, "is empty", b""  # also where unwanted: all empty files are identical, and would join patients
    if not wanted:
        return sha256, "", b""
    try:
        return sha256, "", images.decode(data, **size).tobytes()
    except BadImageError as error:
        return sha256, str(error), b""


def _quiet() -> None:
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.verbose_stats_logs = False
    for name in ("ray.data", "ray.data._internal.execution.streaming_executor"):
        logging.getLogger(name).setLevel(logging.ERROR)
