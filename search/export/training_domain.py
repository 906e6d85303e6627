"""What the training cells of an exported model look like, learnt from their images and written beside the model.

Of the training and of the validation patients as many cells are read again as their looks need; test patients stay
locked. A patient who was joined with others, under a name that does not name all of them, is left out.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from leukmodels import collections
from leukmodels.collections.source import Source, open_source
from leukmodels.dataset.cells import rows_in_turn
from leukmodels.dataset.shards import image_bytes
from leukmodels.dataset.split import Split
from leukmodels.domain.description import DomainDescription
from leukmodels.errors import BadImageError, UserError
from leukmodels.images.decoding import decode, side_px
from leukmodels.process.machine import cores
from search.study.opened import Study

_CELLS = {"train": 1024, "validation": 512}
_PATIENTS = {"train": 128, "validation": 64}  # so that of each there are several cells
_MOST_BYTES = 1 << 28  # of the pixels of a part
_FILE_BYTES = 1 << 30  # of an image that the study could use


@dataclass(frozen=True, kw_only=True)
class Learnt:
    """The domain that ``config.yaml`` is to describe, or why there is none."""

    description: DomainDescription | None
    note: str


@dataclass(frozen=True, kw_only=True, eq=False)
class _Read:
    """The images of a part that could be read: pixels (n, px, px, 3), sides (n,), numbers of patients (n,)."""

    pixels: npt.NDArray[np.uint8]
    sides_px: npt.NDArray[np.int64]
    patients: npt.NDArray[np.int64]


def learn_domain(study: Study, bundle: Path, *, scores: Path, images: str) -> Learnt:
    """Learn the domain of the model in ``bundle`` from the study's cells, write its arrays there, and return it.

    ``scores`` is the study's record of its validation cells, ``images`` where it read them. Without images there is
    none, which is no error: the model is what it is.
    """
    try:
        source = open_source(images)
        files = {"train": _training_files(study, source), "validation": _validation_files(scores, source)}
        read = {part: _read(of, source, study, part) for part, of in files.items()}
    except (UserError, OSError):
        return Learnt(description=None, note="its images are no longer where the study read them")
    if lacking := [part for part, of in read.items() if of is None]:
        return Learnt(description=None, note=f"no image of the {' and the '.join(lacking)} cells could be read again")
    description = _described(bundle, *(of for of in read.values() if of is not None))
    return Learnt(description=description, note="")


def _described(bundle: Path, train: _Read, validation: _Read) -> DomainDescription:
    from leukmodels.domain.training_domain import Sample, TrainingDomain
    from leukmodels.predictor import Predictor

    predictor = Predictor.load(bundle)
    samples = [
        Sample(
            images=part.pixels,
            features=predictor.score(part.pixels)[1],
            sides_px=part.sides_px,
            patients=part.patients,
        )
        for part in (train, validation)
    ]
    return TrainingDomain.learn(*samples).save(bundle, samples[1])


def _training_files(study: Study, source: Source) -> list[tuple[str, str]]:
    """Return path and patient of each training cell."""
    task = study.manifest.task
    cells = task.select(collections.read(task.reader, source, task.read_options).cells)
    part_of = _part_of_each(Split.load(study.folder.split))
    rows = zip(cells["path"].to_pylist(), cells["patient"].to_pylist(), strict=True)
    return [(path, patient) for path, patient in rows if part_of.get(patient) == "train"]


def _part_of_each(split: Split) -> Mapping[str, str]:
    """Return the part of each patient of the split, and of those who were joined to one ("20+21")."""
    joined = {one: part for name, part in split.part_of.items() if "+" in name for one in name.split("+")}
    return joined | dict(split.part_of)


def _validation_files(scores: Path, source: Source) -> list[tuple[str, str]]:
    from leukmodels.training.scoring import read_scores

    recorded = read_scores(scores)
    root = source.root.rstrip("/")
    rows = zip(recorded["image"].to_pylist(), recorded["patient"].to_pylist(), strict=True)
    return [(f"{root}/{image}", patient) for image, patient in rows]


def _read(files: Sequence[tuple[str, str]], source: Source, study: Study, part: str) -> _Read | None:
    """Return the images of a sample of the files, None where none can be read."""
    data = study.manifest.data
    sample = _sample([patient for _, patient in files], part, data.image_px, patient_level=data.patient_level)
    prepare = partial(_prepared, source, image_px=data.image_px, crop_px=data.crop_px)
    with ThreadPoolExecutor(cores()) as pool:
        prepared = pool.map(prepare, [files[row][0] for row in sample])
        found = [(row, *image) for row, image in zip(sample, prepared, strict=True) if image is not None]
    if not found:
        return None
    rows, pixels, sides = zip(*found, strict=True)
    names = [files[row][1] for row in rows]
    return _Read(pixels=np.stack(pixels), sides_px=np.array(sides), patients=_numbers(names))


def _sample(patients: Sequence[str], part: str, image_px: int, *, patient_level: bool) -> list[int]:
    """Return the rows of the cells that are read: of some patients, as many of each as there are."""
    if not patients:
        return []
    whose = _numbers(patients)
    chosen = np.random.default_rng(0).permutation(whose.max() + 1)[: _PATIENTS[part] if patient_level else None]
    rows = np.flatnonzero(np.isin(whose, chosen))
    most = max(1, min(_CELLS[part], _MOST_BYTES // image_bytes(image_px)))
    return [int(row) for row in rows[rows_in_turn(_numbers(whose[rows]), most)]]


def _prepared(
    source: Source, path: str, *, image_px: int, crop_px: int | None
) -> tuple[npt.NDArray[np.uint8], int] | None:
    try:
        data = source.read(path, max_bytes=_FILE_BYTES)
        return decode(data, image_px=image_px, crop_px=crop_px), side_px(data, crop_px=crop_px)
    except (OSError, BadImageError):
        return None


def _numbers(names: Sequence[str] | npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return np.unique(np.asarray(names), return_inverse=True)[1].astype(np.int64)
