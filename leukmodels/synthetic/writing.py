"""Writes a cohort to a folder in the layout of the MLL collection, whole or not at all."""

import csv
import json
import shutil
import signal
import uuid
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from PIL import Image

from leukmodels.errors import ConfigError, DataError
from leukmodels.process.machine import cores
from leukmodels.synthetic.celltypes import TYPES
from leukmodels.synthetic.classes import CLASSES
from leukmodels.synthetic.image import draw_image
from leukmodels.synthetic.patients import Patient, list_patients
from leukmodels.synthetic.slide import draw_slide

VERSION = 1
"""Raised with every change of what is drawn, so that an older cohort is not taken for a new one."""

_MARK = "cohort.json"
_IMAGE_BYTES = 83_500  # 144 x 144 RGBA, uncompressed, and its place in the folder
_WORTH_A_POOL = 10_000  # images, some 20 s of one core: below, starting processes saves too little

Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class _Drawing:
    """What determines every pixel."""

    cells_per_patient: int
    seed: int
    slide_shortcut: float
    classes: tuple[str, ...]

    def mark(self) -> dict[str, object]:
        """Return what the finished cohort's mark says."""
        return {
            "what": "drawn by leukmodels.synthetic; images of no patient",
            "version": VERSION,
            "cells_per_patient": self.cells_per_patient,
            "seed": self.seed,
            "slide_shortcut": self.slide_shortcut,
            "classes": list(self.classes),
        }

    def patients(self) -> list[Patient]:
        return list_patients(cells_per_patient=self.cells_per_patient, seed=self.seed, classes=self.classes)


def cohort_bytes(cells_per_patient: int) -> int:
    """Return about how many bytes a cohort of all classes takes on disk."""
    return cells_per_patient * sum(kind.patients for kind in CLASSES.values()) * _IMAGE_BYTES


def draw_cohort(
    root: Path,
    *,
    cells_per_patient: int = 16,
    seed: int = 0,
    slide_shortcut: float = 0.0,
    classes: Sequence[str] = tuple(CLASSES),
    progress: Progress | None = None,
    workers: int | None = None,
) -> Path:
    """Draw the cohort into `root` and return its full path; a finished cohort of the same parameters is used as it is.

    `root` afterwards holds data/<class>/<PATIENT>/image_<k>.tif (144x144 RGBA), metadata.csv, truth.csv (each image's
    cell type, and whether it is a blast) and cohort.json. `cells_per_patient` is the mean over the whole cohort;
    `slide_shortcut` above 0 stains the slides of all leukemias differently, for probes that must find it. `progress` is
    told (images drawn, images in all). The pixels do not depend on `workers` (None: one a core, where that pays off).
    Raises ConfigError for parameters out of range and DataError where `root` holds anything else.
    """
    drawing = _checked(cells_per_patient, seed, slide_shortcut, classes, workers)
    root = root.resolve()
    if _is_finished(root, drawing):
        return root
    root.parent.mkdir(parents=True, exist_ok=True)
    aside = root.with_name(f".{root.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        _draw_into(aside, drawing, progress, workers)
        _move_into_place(aside, root, drawing)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return root


def _checked(
    cells_per_patient: int, seed: int, slide_shortcut: float, classes: Sequence[str], workers: int | None
) -> _Drawing:
    problems = []
    if not 1 <= cells_per_patient <= 10_000:
        problems.append(f"cells per patient is {cells_per_patient}; give a number from 1 to 10000.")
    if seed < 0:
        problems.append(f"the seed is {seed}; give 0 or more.")
    if not 0 <= slide_shortcut <= 3:
        problems.append(f"the slide shortcut is {slide_shortcut}; give a strength from 0 (none) to 3.")
    unknown = [name for name in classes if name not in CLASSES]
    if unknown or not classes:
        problems.append(f"the classes are {list(classes)}; name one or more of {', '.join(CLASSES)}.")
    if workers is not None and workers < 1:
        problems.append(f"the number of workers is {workers}; give 1 or more processes.")
    if problems:
        raise ConfigError("The synthetic cohort cannot be drawn:", problems)
    ordered = tuple(name for name in CLASSES if name in classes)
    return _Drawing(
        cells_per_patient=cells_per_patient, seed=seed, slide_shortcut=float(slide_shortcut), classes=ordered
    )


def _is_finished(root: Path, drawing: _Drawing) -> bool:
    """Return whether `root` is this very cohort; False where nothing is yet, DataError for anything else."""
    if not root.exists() or (root.is_dir() and not any(root.iterdir())):
        return False
    try:
        found = json.loads((root / _MARK).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        found = None
    if found == drawing.mark():
        return True
    if not isinstance(found, dict):
        problem = f"{root} is no finished synthetic cohort (no readable {_MARK})."
    else:
        wanted = drawing.mark()
        other = ", ".join(
            f"{key} {found.get(key)!r} (wanted {wanted[key]!r})" for key in wanted if found.get(key) != wanted[key]
        )
        problem = f"{root} holds another cohort: {other}."
    raise DataError(
        "The synthetic cohort is not drawn there:", [f"{problem} Choose another folder, or remove this one."]
    )


def _move_into_place(aside: Path, root: Path, drawing: _Drawing) -> None:
    """Rename the finished folder; where another process was faster with the same cohort, keep that one."""
    try:
        aside.rename(root)
    except OSError:
        if not _is_finished(root, drawing):
            raise


def _draw_into(folder: Path, drawing: _Drawing, progress: Progress | None, workers: int | None) -> None:
    patients = drawing.patients()
    total = sum(len(patient.cell_types) for patient in patients)
    for patient in patients:
        _patient_folder(folder, patient).mkdir(parents=True)
    drawn = 0
    with closing(_draw_all(folder, drawing, patients, _pool_size(workers, total))) as counts:
        for count in counts:
            drawn += count
            if progress is not None:
                progress(drawn, total)
    _write_tables(folder, patients)
    (folder / _MARK).write_text(json.dumps(drawing.mark(), indent=2) + "\n", encoding="utf-8")


def _pool_size(workers: int | None, total: int) -> int:
    if workers is not None:
        return workers
    return cores() if total >= _WORTH_A_POOL else 1


def _draw_all(folder: Path, drawing: _Drawing, patients: Sequence[Patient], workers: int) -> Generator[int, None, None]:
    """Yield each patient's number of images when they are written; closing it waits for what is being drawn."""
    draw = partial(_draw_patient, folder, drawing.seed, drawing.slide_shortcut)
    if workers == 1:
        yield from map(draw, patients)
        return
    # Ctrl-C reaches every process of the terminal's group: only this one shall answer it.
    ignore_interrupt = partial(signal.signal, signal.SIGINT, signal.SIG_IGN)
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=ignore_interrupt) as pool:
        futures = [pool.submit(draw, patient) for patient in patients]
        try:
            for future in as_completed(futures):
                yield future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _draw_patient(folder: Path, seed: int, slide_shortcut: float, patient: Patient) -> int:
    """Draw and write all images of a patient; return how many."""
    rng = np.random.default_rng([seed, 1, patient.number])
    slide = draw_slide(rng, shortcut=slide_shortcut if CLASSES[patient.class_name].blasts else 0.0)
    home = _patient_folder(folder, patient)
    for number, cell_type in enumerate(patient.cell_types):
        Image.fromarray(draw_image(TYPES[cell_type], slide, rng)).save(home / f"image_{number}.tif", format="TIFF")
    return len(patient.cell_types)


def _patient_folder(root: Path, patient: Patient) -> Path:
    return root / "data" / patient.class_name / patient.name


def _write_tables(folder: Path, patients: Sequence[Patient]) -> None:
    """Write metadata.csv as the collection's (utf-8-sig, percentages of the blood count), and the truth beside it."""
    seen = [name for name in TYPES if any(name in patient.cell_types for patient in patients)]
    with (folder / "metadata.csv").open("w", encoding="utf-8-sig", newline="") as file:
        table = csv.writer(file)
        table.writerow(["patient_id", "bag_label", "instance_count", "blast_percent", *(f"pb_{name}" for name in seen)])
        for patient in sorted(patients, key=lambda each: each.name):
            count = len(patient.cell_types)
            shares = (patient.cell_types.count(name) for name in seen)
            percent = [f"{100 * part / count:.1f}" for part in (patient.blasts(), *shares)]
            table.writerow([patient.name, patient.class_name, count, *percent])
    with (folder / "truth.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["path", "patient", "class", "cell_type", "is_blast"])
        for patient in patients:
            home = _patient_folder(Path(), patient)
            blasts = CLASSES[patient.class_name].blasts
            for number, cell_type in enumerate(patient.cell_types):
                path = (home / f"image_{number}.tif").as_posix()
                table.writerow([path, patient.name, patient.class_name, cell_type, int(cell_type in blasts)])
