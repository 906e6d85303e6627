"""Cells ready for training: pixels, labels and patients, checked when they are put together.

They travel between processes by protocol-5 pickling, so every large part is a plain numpy array (or stays on a disk,
see leukmodels.dataset.pixels): a worker then reads the sender's memory (read-only) instead of a copy.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from leukmodels.dataset.pixels import Pixels, joined
from leukmodels.errors import DataError
from leukmodels.evaluation.scored import Scored


@dataclass(frozen=True, kw_only=True, eq=False)
class Cells:
    """Single-cell images of one part of a split.

    pixels          the n images, RGB 0..255
    labels          uint8 (n,), 1 leukemia and 0 control
    patients        int32 (n,), index into patient_names
    patient_names   unique; may name patients that have no image here
    image_ids       str (n,), path of each image relative to the data folder

    Raises DataError with everything that does not fit together.
    """

    pixels: Pixels
    labels: npt.NDArray[np.uint8]
    patients: npt.NDArray[np.int32]
    patient_names: tuple[str, ...]
    image_ids: npt.NDArray[np.str_]

    def __post_init__(self) -> None:
        if problems := _shape_problems(self) or _value_problems(self):
            raise DataError("These cells do not fit together:", problems)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def image_px(self) -> int:
        """Side of the square images."""
        return self.pixels.image_px

    def take(self, rows: npt.NDArray[np.int64]) -> "Cells":
        """Return the cells of the rows (k,), their pixels where they are."""
        return Cells(
            pixels=self.pixels.take(rows),
            labels=self.labels[rows],
            patients=self.patients[rows],
            patient_names=self.patient_names,
            image_ids=self.image_ids[rows],
        )

    def scored(self, scores: npt.NDArray[np.float64]) -> Scored:
        """Return scores of these cells, (n,), with whose they are."""
        return Scored(
            labels=self.labels,
            scores=scores,
            patients=self.patients,
            patient_names=self.patient_names,
            images=self.image_ids,
        )

    def each_its_own(self) -> "Cells":
        """Return the cells as if each were of a patient of its own: what a split by image takes them for."""
        return replace(
            self, patients=np.arange(len(self), dtype=np.int32), patient_names=tuple(self.image_ids.tolist())
        )

    @property
    def present_patients(self) -> frozenset[str]:
        """Names of the patients who have an image here."""
        return frozenset(self.patient_names[code] for code in np.unique(self.patients))


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainingData:
    """What a search may see: training and validation cells. The test patients are not in it, by construction.

    black_background    the images' background is exactly black (augmentation then fills with black and keeps it black)
    split_fingerprint   of the patient split the two parts were cut from

    Raises DataError if a patient is on both sides, a part lacks a class, or the image sizes differ.
    """

    train: Cells
    validation: Cells
    black_background: bool
    split_fingerprint: str

    def __post_init__(self) -> None:
        problems = [
            f"The {part} part holds no {name} image; every part needs both classes, so add patients or split anew."
            for part, cells in (("training", self.train), ("validation", self.validation))
            for label, name in ((1, "leukemia"), (0, "control"))
            if not np.any(cells.labels == label)
        ]
        if shared := sorted(self.train.present_patients & self.validation.present_patients):
            problems.append(
                f"{len(shared)} patients stand in training and validation alike ({_few(shared)}); split by patient."
            )
        if self.train.image_px != self.validation.image_px:
            problems.append(
                f"Training images have {self.train.image_px} px, validation images {self.validation.image_px} px; "
                "prepare both at one size."
            )
        if problems:
            raise DataError("This data cannot be trained on:", problems)


def join(first: Cells, second: Cells) -> Cells:
    """Return the cells of both, those of the first before those of the second, pixels where they are.

    A patient of the same name is the same patient.
    """
    names = tuple(dict.fromkeys((*first.patient_names, *second.patient_names)))
    codes = {name: code for code, name in enumerate(names)}
    patients = [np.array([codes[name] for name in each.patient_names])[each.patients] for each in (first, second)]
    return Cells(
        pixels=joined(first.pixels, second.pixels),
        labels=np.concatenate([first.labels, second.labels]),
        patients=np.concatenate(patients).astype(np.int32),
        patient_names=names,
        image_ids=np.concatenate([first.image_ids, second.image_ids]),
    )


def rows_in_turn(patients: npt.NDArray[np.integer[Any]], most: int) -> npt.NDArray[np.int64]:
    """Return the rows of so many cells at the most: one of each patient, another of each, and so on, drawn by chance.

    ``patients`` (n,) are numbers from 0. Always the same rows; in rising order.
    """
    shuffled = np.random.default_rng(0).permutation(len(patients))
    whose = patients[shuffled]
    together = np.argsort(whose, kind="stable")
    counts = np.bincount(whose)
    turn = np.empty(len(patients), np.int64)
    turn[together] = np.arange(len(patients)) - np.repeat(np.cumsum(counts) - counts, counts)
    rows: npt.NDArray[np.int64] = np.sort(shuffled[np.argsort(turn, kind="stable")][:most])
    return rows


def _shape_problems(cells: Cells) -> list[str]:
    n = len(cells.pixels)
    problems = [] if n else ["There is not one image."]
    problems += [
        f"{name} has dtype {array.dtype}; expected {np.dtype(dtype)}."
        for name, array, dtype in (
            ("labels", cells.labels, np.uint8),
            ("patients", cells.patients, np.int32),
        )
        if array.dtype != dtype
    ]
    if cells.image_ids.dtype.kind != "U":
        problems.append(f"image_ids has dtype {cells.image_ids.dtype}; expected a fixed-width string such as <U64.")
    problems += [
        f"{name} has shape {array.shape}; expected ({n},), one value an image."
        for name, array in (("labels", cells.labels), ("patients", cells.patients), ("image_ids", cells.image_ids))
        if array.shape != (n,)
    ]
    return problems


def _value_problems(cells: Cells) -> list[str]:
    problems = []
    if strange := sorted(set(np.unique(cells.labels).tolist()) - {0, 1}):
        problems.append(f"labels holds {strange}; expected 0 (control) or 1 (leukemia).")
    low, high = int(cells.patients.min()), int(cells.patients.max())
    if low < 0 or high >= len(cells.patient_names):
        problems.append(
            f"patients holds {low} to {high}; expected indices of {len(cells.patient_names)} patient names."
        )
    if len(set(cells.patient_names)) != len(cells.patient_names):
        problems.append("patient_names holds a name twice.")
    return problems


def _few(names: list[str]) -> str:
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
