"""A collection of images as a study uses it: every file accounted for, and every patient in one part of the split.

found = used + duplicates + quarantined + excluded, whatever the collection holds. All classes of the collection are
read and decoded, also those that the task leaves out: patients joined by a shared image that can be used are joined for
every task, so that the split is the same for all of them, whatever was searched before. A file that the cache knows is
not opened.
"""

import csv
import hashlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from leukmodels import collections
from leukmodels.collections.source import Source
from leukmodels.collections.tasks import Task
from leukmodels.dataset.duplicates import join_duplicates
from leukmodels.dataset.shards import image_bytes
from leukmodels.dataset.split import PARTS, Split, settle_parts, split_patients
from leukmodels.errors import DataError
from leukmodels.process.words import Terms
from search.cache.store import PixelCache, Policy
from search.data.exclusion import leave_out
from search.data.ingest import Files, Progress, ingest
from search.study.config import SearchConfig
from search.study.folder import write_whole
from search.study.manifest import DataReport


@dataclass(frozen=True, kw_only=True, eq=False)
class Part:
    """The cells of one part of the split: see ``leukmodels.dataset.cells.Cells``, with contents for pixels.

    class_names    str (n,), the class that the collection gives each cell
    """

    sha256: Sequence[str]
    labels: npt.NDArray[np.uint8]
    patients: npt.NDArray[np.int32]
    patient_names: tuple[str, ...]
    image_ids: npt.NDArray[np.str_]
    class_names: npt.NDArray[np.str_]

    @classmethod
    def of(cls, rows: pa.Table, root: str) -> "Part":
        """Return these cells of a data set, their ids relative to ``root``."""
        names, codes = np.unique(np.array(rows["patient"].to_pylist(), dtype=np.str_), return_inverse=True)
        return cls(
            sha256=rows["sha256"].to_pylist(),
            labels=rows["label"].to_numpy().astype(np.uint8),
            patients=codes.astype(np.int32),
            patient_names=tuple(names.tolist()),
            image_ids=np.array([path.removeprefix(f"{root.rstrip('/')}/") for path in rows["path"].to_pylist()]),
            class_names=np.array(rows["class_name"].to_pylist(), dtype=np.str_),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Dataset:
    """The task's cells (path, class_name, patient, label, sha256, part), their split, and the files left out."""

    cells: pa.Table
    policy: Policy
    black_background: bool
    terms: Terms
    split: Split
    report: DataReport
    quarantined: pa.Table  # path, sha256, reason
    duplicates: pa.Table  # path, sha256, reason
    excluded: pa.Table  # path, sha256, reason

    def part(self, part: str) -> pa.Table:
        """Return the cells of a part of the split."""
        return _part(self.cells, part)

    @cached_property
    def train(self) -> Part:
        """The cells that train."""
        return Part.of(self.part("train"), self.report.root)

    @cached_property
    def validation(self) -> Part:
        """The cells that choose."""
        return Part.of(self.part("validation"), self.report.root)

    @property
    def image_count(self) -> int:
        """How many images the trials may see."""
        return len(self.train.sha256) + len(self.validation.sha256)

    @property
    def pixel_bytes(self) -> int:
        """The bytes of their pixels."""
        return self.image_count * image_bytes(self.policy.image_px)


def prepare_dataset(
    source: Source,
    task: Task,
    config: SearchConfig,
    cache: PixelCache,
    *,
    synthetic: bool,
    cores: int,
    admit: Callable[[int], None] = lambda images: None,
    progress: Progress | None = None,
) -> Dataset:
    """Read ``source`` for ``task``; DataError with every problem of the folder before anything is trained.

    ``admit`` is called with the number of images still to be decoded before the first is, and may refuse.
    """
    listing = collections.read(task.reader, source, task.read_options)
    task.select(listing.cells)  # a class that is missing is said before any file is opened
    found, terms = listing.cells, task.terms(patient_level=listing.patient_level)
    policy = Policy(image_px=config.image_px, crop_px=listing.crop_px, max_pixels=config.max_pixels)
    hashes, reasons, damaged = _contents(found["path"].to_pylist(), source, cache, policy, cores, admit, progress)
    found = found.append_column("sha256", pa.array(hashes, pa.string()))
    found = found.append_column("reason", pa.array(reasons, pa.string()))
    quarantined = found.filter(pc.not_equal(found["reason"], ""))
    bad = task_rows(quarantined, task)
    in_task = task_rows(found, task).num_rows
    _refuse_too_many_bad(bad, in_task, config.max_bad, source.root)

    usable, settled = settle_parts(found.filter(pc.equal(found["reason"], "")).drop_columns(["reason"]))
    joined = join_duplicates(usable)
    split = split_patients(joined.cells, seed=config.split_seed, required=(*task.disease, *task.control), terms=terms)
    kept = leave_out(split.assign(task.select(joined.cells)), found, source.root, config.exclude, terms)
    cells = kept.cells
    removed = task_rows(joined.removed, task)
    report = DataReport(
        root=source.root,
        synthetic=synthetic,
        fingerprint=_fingerprint(cells, config.image_px, listing.crop_px),
        image_px=config.image_px,
        crop_px=listing.crop_px,
        black_background=listing.black_background,
        patient_level=listing.patient_level,
        found=in_task,
        used=cells.num_rows,
        duplicates=removed.num_rows,
        quarantined=bad.num_rows,
        excluded=kept.excluded.num_rows,
        cells={part: _part(cells, part).num_rows for part in PARTS},
        patients={part: len(pc.unique(_part(cells, part)["patient"])) for part in PARTS if listing.patient_level},
        classes={part: _by_class(_part(cells, part), task, listing.patient_level) for part in PARTS},
        notes=(*listing.notes, *filter(None, (settled, joined.describe(terms))), *kept.notes, *damaged),
    )
    return Dataset(
        cells=cells,
        policy=policy,
        black_background=listing.black_background,
        terms=terms,
        split=split,
        report=report,
        quarantined=bad.select(["path", "sha256", "reason"]),
        duplicates=removed.select(["path", "sha256", "reason"]),
        excluded=kept.excluded.select(["path", "sha256", "reason"]),
    )


def cohort_place(storage: Path, cells_per_patient: int) -> Path:
    """Return where a drawn cohort lies, which all studies of a storage folder share."""
    return storage / "synthetic" / f"{cells_per_patient}-cells-per-patient"


def write_listing(path: Path, files: pa.Table) -> None:
    """Write files that were left out as CSV: path, sha256, reason."""
    text = io.StringIO()
    writer = csv.DictWriter(text, ["path", "sha256", "reason"])
    writer.writeheader()
    writer.writerows(files.to_pylist())
    write_whole(path, text.getvalue())


def task_rows(table: pa.Table, task: Task) -> pa.Table:
    """Return the rows of the task's classes."""
    return table.filter(pc.is_in(table["class_name"], pa.array([*task.disease, *task.control])))


def _contents(
    paths: list[str],
    source: Source,
    cache: PixelCache,
    policy: Policy,
    cores: int,
    admit: Callable[[int], None],
    progress: Progress | None,
) -> tuple[list[str], list[str], list[str]]:
    """Return the content of each file and why it cannot be used ("" where it can), reading those not known yet.

    And notes of what was damaged in the cache.
    """
    sizes, mtimes_ns = source.stamps(paths)
    hashes = cache.contents(paths, sizes, mtimes_ns)
    known = cache.prepared(policy)
    rows = np.array(
        [
            row
            for row, sha256 in enumerate(hashes)
            if not sha256 or (sha256 not in known.place and sha256 not in known.reasons)
        ],
        dtype=np.int64,
    )
    reasons = [known.reasons.get(sha256, "") for sha256 in hashes]
    admit(len(rows))
    read = ingest(
        Files(paths=[paths[row] for row in rows], sizes=sizes[rows], mtimes_ns=mtimes_ns[rows]),
        source,
        cache,
        policy,
        cores=cores,
        progress=progress,
    )
    for row, sha256, problem in zip(rows.tolist(), read.sha256, read.problems, strict=True):
        hashes[row], reasons[row] = sha256, problem
    notes = [f"{path} was damaged and is removed; its images were read again." for path in known.damaged]
    return hashes, reasons, notes


def _refuse_too_many_bad(quarantined: pa.Table, found: int, max_bad: float, root: str) -> None:
    if quarantined.num_rows <= max_bad * found:
        return
    raise DataError(
        f"{quarantined.num_rows} of {found} images in {root} cannot be used, more than --max-bad allows "
        f"({max_bad:.1%}). Mend or remove them, or raise --max-bad:",
        [f"{_printable(row['path'])}: {row['reason']}" for row in quarantined.select(["path", "reason"]).to_pylist()],
    )


def _printable(path: str) -> str:
    """Return a path as it is, or quoted where it would break the line."""
    return path if path.isprintable() else repr(path)


def _part(cells: pa.Table, part: str) -> pa.Table:
    return cells.filter(pc.equal(cells["part"], part))


def _by_class(cells: pa.Table, task: Task, patient_level: bool) -> dict[str, dict[str, int]]:
    """Return how many patients, where they are known, and cells each of the task's classes has."""
    classes = {name: cells.filter(pc.equal(cells["class_name"], name)) for name in (*task.disease, *task.control)}
    return {
        name: {**({"patients": len(pc.unique(of["patient"]))} if patient_level else {}), "cells": of.num_rows}
        for name, of in classes.items()
    }


def _fingerprint(cells: pa.Table, image_px: int, crop_px: int | None) -> str:
    digest = hashlib.sha256(f"{image_px} {crop_px}\n".encode())
    columns = (cells[name].to_pylist() for name in ("class_name", "patient", "sha256"))
    for row in sorted(zip(*columns, strict=True)):
        digest.update("\t".join(row).encode() + b"\n")
    return digest.hexdigest()
