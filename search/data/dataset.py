"""A collection of images as a study uses it: every file accounted for, and every patient in one part of the split.

found = used + duplicates + quarantined + excluded, whatever the collection holds. All classes of the collection are
read and decoded, also those that the task leaves out: patients joined by a shared image that can be used are joined for
every task, so that the split is the same for all of them, whatever was searched before. A file that the cache knows is
not opened.
"""

import csv
import hashlib
import io
from collections.abc import Callable, Collection, Sequence
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
from leukmodels.dataset.contents import sha256_of
from leukmodels.dataset.duplicates import join_duplicates
from leukmodels.dataset.shards import image_bytes
from leukmodels.dataset.split import PARTS, Split, settle_parts, split_patients
from leukmodels.errors import DataError
from leukmodels.process.words import Terms, plural
from search.cache.store import PixelCache, Policy
from search.data.exclusion import leave_out
from search.data.ingest import Files, Progress, ingest
from search.study.config import SearchConfig
from search.study.folder import write_whole
from search.study.manifest import DataReport

_BY_CONTENT = "blake3:"


@dataclass(frozen=True, kw_only=True, eq=False)
class Part:
    """The cells of one part of the split: see ``leukmodels.dataset.cells.Cells``, with contents for pixels.

    contents       of the files, see ``leukmodels.dataset.contents``
    class_names    str (n,), the class that the collection gives each cell
    """

    contents: Sequence[str]
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
            contents=rows["content"].to_pylist(),
            labels=rows["label"].to_numpy().astype(np.uint8),
            patients=codes.astype(np.int32),
            patient_names=tuple(names.tolist()),
            image_ids=np.array([path.removeprefix(f"{root.rstrip('/')}/") for path in rows["path"].to_pylist()]),
            class_names=np.array(rows["class_name"].to_pylist(), dtype=np.str_),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Dataset:
    """The task's cells (path, class_name, patient, label, content, part), their split, and the files left out."""

    cells: pa.Table
    policy: Policy
    black_background: bool
    terms: Terms
    split: Split
    report: DataReport
    source: Source
    quarantined: pa.Table  # path, content, reason
    duplicates: pa.Table  # path, content, reason
    excluded: pa.Table  # path, content, reason

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

    def fingerprint_like(self, other: str) -> str:
        """Return the data's fingerprint made as ``other`` was.

        Those of studies begun before contents were hashed by BLAKE3 are of SHA-256, for which all cells are read again.
        """
        if other.startswith(_BY_CONTENT):
            return self.report.fingerprint
        hashes = sha256_of(self.source, self.cells["path"].to_pylist(), self.cells["content"].to_pylist())
        return _fingerprint(self.cells, hashes, self.report.image_px, self.report.crop_px)

    @property
    def image_count(self) -> int:
        """How many images the trials may see."""
        return len(self.train.contents) + len(self.validation.contents)

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
    contents, reasons, damaged = _contents(found["path"].to_pylist(), source, cache, policy, cores, admit, progress)
    found = found.append_column("content", pa.array(contents, pa.string()))
    found = found.append_column("reason", pa.array(reasons, pa.string()))
    quarantined = found.filter(pc.not_equal(found["reason"], ""))
    bad = task_rows(quarantined, task)
    in_task = task_rows(found, task).num_rows
    _refuse_too_many_bad(bad, in_task, config.max_bad, source.root)

    usable, settled = settle_parts(found.filter(pc.equal(found["reason"], "")).drop_columns(["reason"]))
    joined = join_duplicates(usable)
    split = split_patients(joined.cells, seed=config.split_seed, required=(*task.disease, *task.control), terms=terms)
    kept = leave_out(split.assign(task.select(joined.cells)), found, source, config.exclude, terms)
    cells = kept.cells
    removed = task_rows(joined.removed, task)
    report = DataReport(
        root=source.root,
        synthetic=synthetic,
        fingerprint=_BY_CONTENT + _fingerprint(cells, cells["content"].to_pylist(), config.image_px, listing.crop_px),
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
        source=source,
        quarantined=bad.select(["path", "content", "reason"]),
        duplicates=removed.select(["path", "content", "reason"]),
        excluded=kept.excluded.select(["path", "content", "reason"]),
    )


def cohort_place(storage: Path, cells_per_patient: int) -> Path:
    """Return where a drawn cohort lies, which all studies of a storage folder share."""
    return storage / "synthetic" / f"{cells_per_patient}-cells-per-patient"


def write_listing(path: Path, files: pa.Table, source: Source) -> None:
    """Write files that were left out as CSV: path, sha256, reason; DataError where one changed since it was read."""
    paths = files["path"].to_pylist()
    hashes = sha256_of(source, paths, files["content"].to_pylist())
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["path", "sha256", "reason"])
    writer.writerows(zip(paths, hashes, files["reason"].to_pylist(), strict=True))
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
    stamps = source.stamps(paths)
    contents = cache.contents(paths, stamps)
    kept = cache.prepared(policy)
    known = kept.place.keys() | kept.reasons.keys()
    missing = [row for row, content in enumerate(contents) if content not in known]
    admit(len(missing))
    rows = np.arange(len(paths)) if cache.verify else np.array(missing, dtype=np.int64)
    read = ingest(
        Files(paths=[paths[row] for row in rows], stamps=stamps[rows]),
        source,
        cache,
        policy,
        cores=cores,
        known=known,
        progress=progress,
    )
    changed = sum(1 for row, now in zip(rows.tolist(), read.contents, strict=True) if contents[row] not in ("", now))
    problems = [""] * len(paths)
    for row, content, problem in zip(rows.tolist(), read.contents, read.problems, strict=True):
        contents[row], problems[row] = content, problem
    # What was decoded just now is among what is kept by now, and known to have colours or none.
    grey = (cache.prepared(policy) if len(rows) else kept).grey
    reasons = [problem or kept.reasons.get(content, "") for content, problem in zip(contents, problems, strict=True)]
    reasons = _set_aside_unlike(contents, reasons, grey)
    notes = [f"{path} was damaged and is removed; its images were read again." for path in kept.damaged]
    if changed:
        notes.append(f"{plural(changed, 'file')} held other bytes than size, times and inode had let expect.")
    return contents, reasons, notes


def _set_aside_unlike(contents: Sequence[str], reasons: list[str], grey: Collection[str]) -> list[str]:
    """Return the reasons with one for every usable image without colours among coloured ones, or the other way round.

    Of which there are fewer is set aside, grey ones where both are as many: they would tell the classes apart if one
    had more of them. All classes of the collection count, so that all its tasks have the same images.
    """
    usable = [content in grey for content, reason in zip(contents, reasons, strict=True) if not reason]
    fewer = 2 * sum(usable) <= len(usable)
    why = (
        "it is grey among coloured images, as a mask is, or one of another stain"
        if fewer
        else "it is coloured among grey images"
    )
    return [
        reason or (why if (content in grey) is fewer else "") for content, reason in zip(contents, reasons, strict=True)
    ]


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


def _fingerprint(cells: pa.Table, hashes: Sequence[str], image_px: int, crop_px: int | None) -> str:
    digest = hashlib.sha256(f"{image_px} {crop_px}\n".encode())
    for row in sorted(zip(cells["class_name"].to_pylist(), cells["patient"].to_pylist(), hashes, strict=True)):
        digest.update("\t".join(row).encode() + b"\n")
    return digest.hexdigest()
