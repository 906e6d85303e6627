"""Writes a cohort to a folder in the layout of the MLL collection, whole or not at all."""

import csv
import json
import shutil
import signal
import uuid
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import closing
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from PIL import Image
from pydantic import Field, field_validator

from leukmodels.errors import DataError
from leukmodels.process.command_line import Arg, Options, checked
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


class Drawing(Options):
    """What determines every pixel of a cohort."""

    cells_per_patient: int = Field(default=16, ge=1, le=10_000, description="mean number of images a patient")
    seed: int = Field(default=0, ge=0, description="the same seed draws the same pixels")
    slide_shortcut: float = Field(
        default=0.0, ge=0, le=3, description="above 0: stain all leukemias differently, for probes that must find it"
    )
    classes: Annotated[tuple[str, ...], Arg(metavar="CLASS")] = Field(
        default=tuple(CLASSES), validate_default=True, description="those that are drawn"
    )

    @field_validator("classes")
    @classmethod
    def _are_known(cls, classes: tuple[str, ...]) -> tuple[str, ...]:
        """Put them into the order in which they are drawn."""
        if not classes or set(classes) - set(CLASSES):
            raise ValueError(f"{list(classes)} cannot be drawn; name one or more of {', '.join(CLASSES)}")
        return tuple(name for name in CLASSES if name in classes)

    def mark(self) -> dict[str, object]:
        """Return what the finished cohort's mark says."""
        return {
            "what": "drawn by leukmodels.synthetic; images of no patient",
            "version": VERSION,
            **self.model_dump(include=set(Drawing.model_fields), mode="json"),
        }

    def patients(self) -> list[Patient]:
        """Return the cohort's patients, in the order in which they are drawn."""
        return list_patients(cells_per_patient=self.cells_per_patient, seed=self.seed, classes=self.classes)


class DrawOptions(Drawing):
    """A cohort, and how it is drawn."""

    workers: int | None = Field(default=None, ge=1, description="processes (default: one a core for larger cohorts)")


def cohort_bytes(cells_per_patient: int) -> int:
    """Return about how many bytes a cohort of all classes takes on disk."""
    return cells_per_patient * sum(kind.patients for kind in CLASSES.values()) * _IMAGE_BYTES


def draw_cohort(root: Path, *, progress: Progress | None = None, **given: Any) -> Path:
    """Draw the cohort into `root` and return its full path; a finished cohort of the same parameters is used as it is.

    `given` are fields of `DrawOptions`. `root` afterwards holds data/<class>/<PATIENT>/image_<k>.tif (144x144 RGBA),
    metadata.csv, truth.csv (each image's cell type, and whether it is a blast) and cohort.json. `cells_per_patient` is
    the mean over the whole cohort. `progress` is told (images drawn, images in all). The pixels do not depend on
    `workers` (None: one a core, where that pays off). Raises ConfigError for parameters out of range and DataError
    where `root` holds anything else.
    """
    drawing = checked(DrawOptions, given, "The synthetic cohort cannot be drawn:")
    root = root.resolve()
    if _is_finished(root, drawing):
        return root
    root.parent.mkdir(parents=True, exist_ok=True)
    aside = root.with_name(f".{root.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        _draw_into(aside, drawing, progress)
        _move_into_place(aside, root, drawing)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return root


def _is_finished(root: Path, drawing: Drawing) -> bool:
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


def _move_into_place(aside: Path, root: Path, drawing: Drawing) -> None:
    """Rename the finished folder; where another process was faster with the same cohort, keep that one."""
    try:
        aside.rename(root)
    except OSError:
        if not _is_finished(root, drawing):
            raise


def _draw_into(folder: Path, drawing: DrawOptions, progress: Progress | None) -> None:
    patients = drawing.patients()
    total = sum(len(patient.cell_types) for patient in patients)
    for patient in patients:
        _patient_folder(folder, patient).mkdir(parents=True)
    drawn = 0
    with closing(_draw_all(folder, drawing, patients, _pool_size(drawing.workers, total))) as counts:
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


def _draw_all(folder: Path, drawing: Drawing, patients: Sequence[Patient], workers: int) -> Generator[int, None, None]:
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
