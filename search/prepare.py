"""From a folder of images to what the trials may see, with an account of every file.

found = used + duplicates + quarantined, whatever the folder holds. All classes of the collection are read and hashed,
also those that the task leaves out: patients joined by a shared image are joined for every task, so that the split is
the same for all of them. Only the task's images are decoded, and only training and validation cells are handed on.
"""

import csv
import hashlib
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from leukmodels import readers
from leukmodels.cells import Cells, TrainingData
from leukmodels.duplicates import join_duplicates
from leukmodels.errors import DataError
from leukmodels.split import PARTS, Split, split_patients
from leukmodels.tasks import Task
from search.config import SearchConfig
from search.folder import write_whole
from search.ingest import Ingested, Progress, ingest
from search.manifest import DataReport


@dataclass(frozen=True, kw_only=True, eq=False)
class Prepared:
    """Data ready for a study, the split it was cut by, its account, and the files set aside."""

    data: TrainingData
    split: Split
    report: DataReport
    set_aside: pa.Table


def prepare(root: Path, task: Task, config: SearchConfig, *, synthetic: bool, progress: Progress | None) -> Prepared:
    """Read ``root`` for ``task``; DataError with every problem of the folder before anything is trained."""
    listing = readers.read(task.reader, root)
    task.select(listing.cells)  # a class that is missing is said before any file is opened
    found = listing.cells.append_column("row", pa.array(np.arange(listing.cells.num_rows)))
    in_task = pc.is_in(found["class_name"], pa.array([*task.disease, *task.control]))
    read = ingest(
        found["path"].to_pylist(),
        in_task.to_numpy(),
        image_px=config.image_px,
        crop_px=listing.crop_px,
        progress=progress,
    )
    found = found.append_column("sha256", pa.array(read.sha256.tolist(), pa.string()))
    found = found.append_column("reason", pa.array(read.reasons, pa.string()))
    quarantined = found.filter(pc.not_equal(found["reason"], ""))
    _refuse_too_many_bad(quarantined, found.num_rows, config.max_bad, root)

    joined = join_duplicates(found.filter(pc.equal(found["reason"], "")).drop_columns(["reason"]))
    split = split_patients(joined.cells, seed=config.split_seed, required=(*task.disease, *task.control))
    cells = split.assign(task.select(joined.cells))
    data = TrainingData(
        train=_cells(cells, "train", read, root),
        validation=_cells(cells, "validation", read, root),
        black_background=listing.black_background,
        split_fingerprint=split.fingerprint,
    )
    removed = task_rows(joined.removed, task)
    bad = task_rows(quarantined, task)
    report = DataReport(
        root=str(root.resolve()),
        synthetic=synthetic,
        fingerprint=_fingerprint(cells, config.image_px, listing.crop_px),
        image_px=config.image_px,
        crop_px=listing.crop_px,
        black_background=listing.black_background,
        patient_level=listing.patient_level,
        found=int(pc.sum(in_task).as_py()),
        used=cells.num_rows,
        duplicates=removed.num_rows,
        quarantined=bad.num_rows,
        cells={part: _part(cells, part).num_rows for part in PARTS},
        patients={part: len(pc.unique(_part(cells, part)["patient"])) for part in PARTS},
        notes=(*listing.notes, *([joined.words()] if joined.words() else [])),
    )
    return Prepared(
        data=data,
        split=split,
        report=report,
        set_aside=pa.concat_tables([part.select(["path", "sha256", "reason"]) for part in (bad, removed)]),
    )


def write_set_aside(path: Path, set_aside: pa.Table) -> None:
    """Write the files that were not used as CSV: path, sha256, reason."""
    text = io.StringIO()
    writer = csv.DictWriter(text, ["path", "sha256", "reason"])
    writer.writeheader()
    writer.writerows(set_aside.to_pylist())
    write_whole(path, text.getvalue())


def task_rows(table: pa.Table, task: Task) -> pa.Table:
    """Return the rows of the task's classes."""
    return table.filter(pc.is_in(table["class_name"], pa.array([*task.disease, *task.control])))


def _refuse_too_many_bad(quarantined: pa.Table, found: int, max_bad: float, root: Path) -> None:
    if quarantined.num_rows <= max_bad * found:
        return
    raise DataError(
        f"{quarantined.num_rows} of {found} images in {root} cannot be used, more than --max-bad allows "
        f"({max_bad:.1%}). Mend or remove them, or raise --max-bad:",
        [f"{row['path']}: {row['reason']}" for row in quarantined.select(["path", "reason"]).to_pylist()],
    )


def _part(cells: pa.Table, part: str) -> pa.Table:
    return cells.filter(pc.equal(cells["part"], part))


def _cells(cells: pa.Table, part: str, read: Ingested, root: Path) -> Cells:
    rows = _part(cells, part)
    names, codes = np.unique(np.array(rows["patient"].to_pylist(), dtype=np.str_), return_inverse=True)
    paths = [Path(path) for path in rows["path"].to_pylist()]
    inside = root.resolve()
    return Cells(
        images=read.pixels[rows["row"].to_numpy()],
        labels=rows["label"].to_numpy().astype(np.uint8),
        patients=codes.astype(np.int32),
        patient_names=tuple(names.tolist()),
        image_ids=_image_ids(paths, inside),
    )


def _image_ids(paths: list[Path], root: Path) -> npt.NDArray[np.str_]:
    return np.array([str(path.relative_to(root)) if path.is_relative_to(root) else str(path) for path in paths])


def _fingerprint(cells: pa.Table, image_px: int, crop_px: int | None) -> str:
    digest = hashlib.sha256(f"{image_px} {crop_px}\n".encode())
    columns = (cells[name].to_pylist() for name in ("class_name", "patient", "sha256"))
    for row in sorted(zip(*columns, strict=True)):
        digest.update("\t".join(row).encode() + b"\n")
    return digest.hexdigest()
