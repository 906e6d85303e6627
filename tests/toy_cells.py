"""Tiny cells that a small model can learn, and strategies over the search space, for several test modules."""

from typing import Any

import numpy as np
from hypothesis import strategies as st

from leukmodels.cells import Cells, TrainingData
from leukmodels.hparams import HyperParams, space
from leukmodels.space import Choice, Dimension, Int

TINY = {"blocks": 2, "filters": 8, "widen": "none", "dense_units": 16, "batch_size": 16}


def tiny(**overrides: Any) -> HyperParams:
    return HyperParams.from_dict(TINY | overrides)


def cells(*, n: int = 40, image_px: int = 8, prefix: str = "T", seed: int = 0) -> Cells:
    """Return n cells of four patients, two of each class; leukemic ones are redder. The pixels are read-only."""
    rng = np.random.default_rng(seed)
    patients = (np.arange(n) % 4).astype(np.int32)
    labels = (patients % 2).astype(np.uint8)
    images = rng.integers(0, 200, (n, image_px, image_px, 3), dtype=np.uint8)
    images[labels == 1, ..., 0] += 25
    images.setflags(write=False)
    return Cells(
        images=images,
        labels=labels,
        patients=patients,
        patient_names=tuple(f"{prefix}{i}" for i in range(4)),
        image_ids=np.array([f"{prefix}{patient}/image_{i}.tif" for i, patient in enumerate(patients)]),
    )


def training_data(*, image_px: int = 8, **overrides: Any) -> TrainingData:
    parts = {
        "train": cells(image_px=image_px, prefix="T", seed=1),
        "validation": cells(image_px=image_px, n=24, prefix="V", seed=2),
        "black_background": False,
        "split_fingerprint": "toy",
    }
    return TrainingData(**(parts | overrides))


def values(dimension: Dimension) -> st.SearchStrategy[Any]:
    """Return a strategy of the values that a dimension contains."""
    if isinstance(dimension, Choice):
        return st.sampled_from(dimension.options)
    if isinstance(dimension, Int):
        return st.integers(0, (dimension.high - dimension.low) // dimension.step).map(
            lambda k: dimension.low + k * dimension.step
        )
    return st.floats(dimension.low, dimension.high)


def points() -> st.SearchStrategy[dict[str, Any]]:
    """Return a strategy of full points of the search space."""
    return st.fixed_dictionaries({name: values(dimension) for name, dimension in space().items()})
