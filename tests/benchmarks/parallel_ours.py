"""This project's part in bench_parallel: its own Keras experiment, told which configurations to train.

A module of its own, so that Ray's workers import it by name.
"""

from pathlib import Path
from typing import Any

import numpy as np
import ray

from leukmodels.dataset.cells import Cells, TrainingData
from parallel_load import Load
from search.data.dataset import Part
from search.data.sharing import ObjectStorePixels, PlacedPart, SharedDataset
from search.tuning.trial import KerasExperiment, Report, TrialPlan


class FixedTrials(KerasExperiment):
    """Trains the configurations of the load, whatever was suggested."""

    def __init__(self, load: Load) -> None:
        self._load = load

    def train(
        self,
        params: dict[str, Any],
        data: SharedDataset | None,
        *,
        plan: TrialPlan,
        seed: int,
        folder: Path,
        report: Report,
    ) -> dict[str, Any]:
        number = int(folder.name)
        self.warm_up(plan)  # imports, where the worker did not yet
        fixed = self._load.hparams[number].to_dict()
        with self._load.timed(number):
            return super().train(fixed, data, plan=plan, seed=number, folder=folder, report=report)


def placed(data: TrainingData) -> SharedDataset:
    """Put the pixels into the object store, as a study does that has its images in the cache."""
    return SharedDataset(
        train=_part(data.train),
        validation=_part(data.validation),
        black_background=data.black_background,
        split_fingerprint=data.split_fingerprint,
    )


def _part(cells: Cells) -> PlacedPart:
    rows = np.arange(len(cells))
    images = next(cells.pixels.batches(rows, len(cells)))
    return PlacedPart(
        part=Part(
            contents=(),
            labels=cells.labels,
            patients=cells.patients,
            patient_names=cells.patient_names,
            image_ids=cells.image_ids,
            class_names=cells.labels.astype(str),
        ),
        pixels=ObjectStorePixels(blocks=(ray.put(images),), where=rows),
    )
