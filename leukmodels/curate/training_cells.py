"""A collection to the cells of its training patients, and of nobody else.

Who trains is known only when every file was looked at, exactly as a search does: identical images join patients, and a
file that cannot be used joins nobody. Of each file its hash and whether it can be used are kept, no pixel. Then the
files of the training patients are read again, and theirs are the only pixels that ever leave this module.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from leukmodels import collections
from leukmodels.collections.listing import counted, shorten
from leukmodels.collections.source import Source
from leukmodels.collections.tasks import Task
from leukmodels.dataset.cells import Cells
from leukmodels.dataset.duplicates import join_duplicates
from leukmodels.dataset.pixels import Blocks
from leukmodels.dataset.split import Split, split_patients
from leukmodels.errors import BadImageError, DataError
from leukmodels.images.decoding import MAX_PIXELS, decode

# No image file that can be used is larger: four channels of 8 bits, and some megabytes of metadata.
_FILE_BYTES = 4 * MAX_PIXELS + 16_000_000

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, kw_only=True, eq=False)
class Gathered:
    """The n cells of the training patients, and what has to be said about them.

    cells         their pixels in memory
    sha256        hex of each file's bytes
    class_names   str (n,), the class that the collection gives each cell
    notes         sentences that the user should read
    """

    cells: Cells
    sha256: tuple[str, ...]
    class_names: npt.NDArray[np.str_]
    split: Split
    crop_px: int | None
    black_background: bool
    notes: tuple[str, ...]

    def __post_init__(self) -> None:
        """Refuse cells of patients who do not train."""
        assert self.cells.present_patients <= set(self.split.patients("train"))
        assert len(self.sha256) == len(self.class_names) == len(self.cells)


def gather(
    source: Source, task: Task, *, image_px: int, split_seed: int, max_bad: float, progress: Progress
) -> Gathered:
    """Return the training cells that a search with this split seed would train on.

    ``progress`` is told (step, files done, files in all). DataError with every problem of the place, and where more
    than the share ``max_bad`` of the task's files cannot be used.
    """
    listing = collections.read(task.reader, source)
    task.select(listing.cells)  # a class that is missing is said before any file is opened
    found = _looked_at(listing.cells, source, image_px, listing.crop_px, progress)
    bad = _of_task(found.filter(pc.not_equal(found["reason"], "")), task)
    _refuse_too_many_bad(bad, _of_task(found, task).num_rows, max_bad, source.root)
    joined = join_duplicates(found.filter(pc.equal(found["reason"], "")).drop_columns(["reason"]))
    split = split_patients(joined.cells, seed=split_seed, required=(*task.disease, *task.control))
    rows = split.assign(task.select(joined.cells))
    rows = rows.filter(pc.equal(rows["part"], "train"))
    names, codes = np.unique(np.array(rows["patient"].to_pylist(), dtype=np.str_), return_inverse=True)
    paths, hashes = rows["path"].to_pylist(), rows["sha256"].to_pylist()
    decoded = partial(_decoded, source, image_px=image_px, crop_px=listing.crop_px)
    return Gathered(
        cells=Cells(
            pixels=Blocks.of(_decode_all(decoded, paths, hashes, image_px, progress)),
            labels=rows["label"].to_numpy().astype(np.uint8),
            patients=codes.astype(np.int32),
            patient_names=tuple(names.tolist()),
            image_ids=np.array([path.removeprefix(f"{source.root.rstrip('/')}/") for path in paths]),
        ),
        sha256=tuple(hashes),
        class_names=np.array(rows["class_name"].to_pylist(), dtype=np.str_),
        split=split,
        crop_px=listing.crop_px,
        black_background=listing.black_background,
        notes=(*listing.notes, *filter(None, [joined.describe()]), *_set_aside(bad)),
    )


def read_pixels(source: Source, path: str, *, sha256: str, image_px: int, crop_px: int | None) -> npt.NDArray[np.uint8]:
    """Return an image (px, px, 3) whose bytes are known; DataError where they are others now."""
    try:
        data = source.read(path, max_bytes=_FILE_BYTES)
        if hashlib.sha256(data).hexdigest() == sha256:
            return decode(data, image_px=image_px, crop_px=crop_px)
        problem = "its bytes have changed"
    except (OSError, BadImageError) as error:
        problem = str(error)
    raise DataError("A file changed while it was used; run the same command again.", [f"{path}: {problem}."])


def _looked_at(cells: pa.Table, source: Source, image_px: int, crop_px: int | None, progress: Progress) -> pa.Table:
    """Return the cells with sha256 ("" where a file cannot be read) and reason ("" where it can be used)."""
    paths = cells["path"].to_pylist()
    hashes, reasons = [""] * len(paths), [""] * len(paths)
    with _threads() as pool:
        look = partial(_look, source, image_px=image_px, crop_px=crop_px)
        for row, (sha256, reason) in enumerate(pool.map(look, paths)):
            hashes[row], reasons[row] = sha256, reason
            progress("Reading images", row + 1, len(paths))
    cells = cells.append_column("sha256", pa.array(hashes, pa.string()))
    return cells.append_column("reason", pa.array(reasons, pa.string()))


def _look(source: Source, path: str, *, image_px: int, crop_px: int | None) -> tuple[str, str]:
    """Return a file's hash, and why it cannot be used; its pixels are made and forgotten."""
    sha256 = ""
    try:
        data = source.read(path, max_bytes=_FILE_BYTES)
        sha256 = hashlib.sha256(data).hexdigest()
        decode(data, image_px=image_px, crop_px=crop_px)
    except BadImageError as error:
        return sha256, str(error)
    except OSError as error:
        return "", f"cannot be read ({error.strerror or error})"
    return sha256, ""


def _decode_all(
    decoded: Callable[[str, str], npt.NDArray[np.uint8]],
    paths: Sequence[str],
    hashes: Sequence[str],
    image_px: int,
    progress: Progress,
) -> npt.NDArray[np.uint8]:
    images = np.empty((len(paths), image_px, image_px, 3), dtype=np.uint8)

    def fill(row: int) -> None:
        images[row] = decoded(paths[row], hashes[row])  # there and then, or finished images would queue up in memory

    with _threads() as pool:
        for done, _ in enumerate(pool.map(fill, range(len(paths))), start=1):
            progress("Decoding the training cells", done, len(paths))
    return images


def _decoded(source: Source, path: str, sha256: str, *, image_px: int, crop_px: int | None) -> npt.NDArray[np.uint8]:
    return read_pixels(source, path, sha256=sha256, image_px=image_px, crop_px=crop_px)


@contextmanager
def _threads() -> Iterator[ThreadPoolExecutor]:
    """Yield threads; decoding and waiting for a store both leave Python's lock."""
    pool = ThreadPoolExecutor()
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)  # after an error or Ctrl-C, 80,000 files would still be read


def _of_task(table: pa.Table, task: Task) -> pa.Table:
    return table.filter(pc.is_in(table["class_name"], pa.array([*task.disease, *task.control])))


def _refuse_too_many_bad(bad: pa.Table, found: int, max_bad: float, root: str) -> None:
    if bad.num_rows > max_bad * found:
        raise DataError(
            f"{bad.num_rows} of {found} images in {root} cannot be used, more than --max-bad allows ({max_bad:.1%}). "
            "Mend or remove them, or raise --max-bad:",
            shorten(_lines(bad)),
        )


def _set_aside(bad: pa.Table) -> list[str]:
    lines = shorten(_lines(bad))
    return [f"{counted(bad.num_rows, 'image')} cannot be used and set aside: {'; '.join(lines)}."] if lines else []


def _lines(bad: pa.Table) -> list[str]:
    return [
        f"{row['path'] if row['path'].isprintable() else repr(row['path'])}: {row['reason']}" for row in bad.to_pylist()
    ]
