"""The scores of one part of a split, cell by cell or patient by patient."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from leukmodels.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

    from leukmodels.evaluation.interval import Floats


@dataclass(frozen=True, kw_only=True, eq=False)
class Groups:
    """Rows that are drawn together: those of one patient and one class. A cell says little that its patient's do not.

    of_row   int64 (n,), the group of each row
    labels   uint8 (groups,), its class
    """

    of_row: npt.NDArray[np.int64]
    labels: npt.NDArray[np.uint8]

    @classmethod
    def of(cls, labels: npt.NDArray[np.uint8], patients: npt.NDArray[np.int32]) -> Groups:
        """Return the groups of rows with these labels, 0 or 1, and patients' codes, each (n,)."""
        codes, of_row = np.unique(2 * patients.astype(np.int64) + labels, return_inverse=True)
        return cls(of_row=of_row, labels=(codes % 2).astype(np.uint8))

    def __len__(self) -> int:
        return len(self.labels)

    def members(self, label: int) -> npt.NDArray[np.intp]:
        """Return the groups of a class."""
        return np.flatnonzero(self.labels == label)

    def sums(self, column: npt.NDArray[np.int64], columns: int, values: Floats | None = None) -> Floats:
        """Return the sums of the rows' values (or 1) by group and by the column of each row, (groups, columns)."""
        sums = np.bincount(self.of_row * columns + column, values, len(self) * columns)
        return sums.reshape(len(self), columns).astype(np.float64)


@dataclass(frozen=True, kw_only=True, eq=False)
class Scored:
    """n rows of one part, each with its truth and its score; a row is a cell, or a patient (``by_patient``).

    labels          uint8 (n,), 1 leukemia and 0 control, both present
    scores          float64 (n,), 0 to 1; leukemic where it reaches a threshold
    patients        int32 (n,), index into patient_names
    patient_names   unique; may name patients that have no row here
    images          str (n,), what was scored

    Raises DataError with everything that does not fit together.
    """

    labels: npt.NDArray[np.uint8]
    scores: Floats
    patients: npt.NDArray[np.int32]
    patient_names: tuple[str, ...]
    images: npt.NDArray[np.str_]

    def __post_init__(self) -> None:
        if problems := _shape_problems(self) or _value_problems(self):
            raise DataError("These scores do not fit together:", problems)

    @classmethod
    def from_table(cls, table: pa.Table) -> Scored:
        """Return the scores of a table with the columns image, patient, label and score."""
        names, patients = np.unique(table["patient"].to_numpy().astype(str), return_inverse=True)
        return cls(
            labels=table["label"].to_numpy().astype(np.uint8),
            scores=table["score"].to_numpy(),
            patients=patients.astype(np.int32),
            patient_names=tuple(names.tolist()),
            images=table["image"].to_numpy().astype(str),
        )

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def groups(self) -> Groups:
        """The rows of one patient and one class; a patient with cells of both is two groups."""
        return Groups.of(self.labels, self.patients)


def by_patient(scored: Scored, threshold: float | None = None) -> Scored:
    """Return a row a patient, in order of their codes.

    Its score is the mean of the patient's scores, or with a threshold the share of them that reach it; never a sum or
    a count, because how many cells were photographed says more of the laboratory than of the patient. Raises DataError
    where a patient has cells of both classes.
    """
    groups = scored.groups
    codes, first = np.unique(scored.patients, return_index=True)
    if len(codes) != len(groups):
        raise DataError(
            "These scores cannot be seen by patient.",
            [f"{len(groups) - len(codes)} patients have cells of both classes; judge cells, or label patients."],
        )
    values = scored.scores if threshold is None else (scored.scores >= threshold).astype(np.float64)
    whole = np.zeros(len(scored), dtype=np.int64)
    names = tuple(scored.patient_names[code] for code in codes)
    return Scored(
        labels=scored.labels[first],
        # The mean of equal numbers may differ from them in the last bit, and so leave 0 to 1.
        scores=np.clip(groups.sums(whole, 1, values) / groups.sums(whole, 1), 0, 1)[:, 0],
        patients=np.arange(len(codes), dtype=np.int32),
        patient_names=names,
        images=np.array(names),
    )


def cells_of(scored: Scored) -> npt.NDArray[np.int64]:
    """Return how many rows each patient has who has one, in order of their codes: the order of ``by_patient``."""
    return np.unique(scored.patients, return_counts=True)[1]


def _shape_problems(scored: Scored) -> list[str]:
    n = len(scored.labels)
    kinds = {"labels": "u1", "scores": "f8", "patients": "i4", "images": "U"}
    arrays = {name: getattr(scored, name) for name in kinds}
    problems = [] if n else ["There is not one score."]
    problems += [
        f"{name} has dtype {array.dtype}; expected {np.dtype(kind) if kind != 'U' else 'a fixed-width string'}."
        for (name, array), kind in zip(arrays.items(), kinds.values(), strict=True)
        if array.dtype.kind != np.dtype(kind).kind or (kind != "U" and array.dtype != np.dtype(kind))
    ]
    return problems + [
        f"{name} has shape {array.shape}; expected ({n},), one value a row."
        for name, array in arrays.items()
        if array.shape != (n,)
    ]


def _value_problems(scored: Scored) -> list[str]:
    problems = []
    if (found := sorted(set(np.unique(scored.labels).tolist()))) != [0, 1]:
        problems.append(f"labels holds {found}; expected both classes, 0 (control) and 1 (leukemia).")
    if not np.all((scored.scores >= 0) & (scored.scores <= 1)):
        problems.append("scores holds a value that is no probability; expected numbers from 0 to 1.")
    low, high = int(scored.patients.min()), int(scored.patients.max())
    if low < 0 or high >= len(scored.patient_names):
        problems.append(
            f"patients holds {low} to {high}; expected indices of {len(scored.patient_names)} patient names."
        )
    if len(set(scored.patient_names)) != len(scored.patient_names):
        problems.append("patient_names holds a name twice.")
    return problems
