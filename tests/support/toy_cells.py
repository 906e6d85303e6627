"""Tiny cells that a small model can learn, and strategies over the search space, for several test modules."""

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from leukmodels.dataset.cells import Cells, TrainingData
from leukmodels.dataset.pixels import Blocks, Images, Rows, Streamed
from leukmodels.dataset.shards import Shard, write_shard
from leukmodels.space.dimensions import Choice, Dimension, Int
from leukmodels.space.hyperparameters import HyperParams
from leukmodels.space.presets import space

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
        pixels=Blocks.of(images),
        labels=labels,
        patients=patients,
        patient_names=tuple(f"{prefix}{i}" for i in range(4)),
        image_ids=np.array([f"{prefix}{patient}/image_{i}.tif" for i, patient in enumerate(patients)]),
    )


def images_of(some: Cells) -> npt.NDArray[np.uint8]:
    """Return the images of all cells, in order."""
    return next(some.pixels.batches(np.arange(len(some)), len(some)))


def stream(
    folder: Path,
    images: npt.NDArray[np.uint8],
    *,
    rows_a_shard: int,
    window_shards: int,
    where: npt.NDArray[np.int64] | None = None,
) -> Streamed:
    """Write shards such that row i is images[i], and lies in place where[i] (i itself without it)."""
    where = np.arange(len(images)) if where is None else where
    places = int(where.max()) + 1
    laid = np.zeros((places, *images.shape[1:]), np.uint8)
    laid[where] = images
    paths = []
    for first in range(0, places, rows_a_shard):
        some = laid[first : first + rows_a_shard]
        paths.append(folder / f"{first}.parquet")
        write_shard(paths[-1], Shard(contents=["0" * 64] * len(some), images=some))
    return Streamed(tuple(paths), rows_a_shard, where, images.shape[1], window_shards)


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


def points(*backbones: str) -> st.SearchStrategy[dict[str, Any]]:
    """Return a strategy of points of the full search space, hyperparameters without effect included."""
    dimensions = space("full", backbones=backbones).dimensions
    return st.fixed_dictionaries({name: values(dimension) for name, dimension in dimensions.items()})


def numbered(n: int, image_px: int = 2) -> Images:
    """Return n images that say which they are: image i is filled with i."""
    return np.broadcast_to(np.arange(n, dtype=np.uint8)[:, None, None, None], (n, image_px, image_px, 3)).copy()


def numbers(batches: Iterable[Images]) -> list[list[int]]:
    return [batch[:, 0, 0, 0].tolist() for batch in batches]


def some_rows(data: st.DataObject, n: int) -> Rows:
    return np.array(data.draw(st.lists(st.integers(0, n - 1), max_size=50), label="rows"), dtype=np.int64)


@contextmanager
def folder() -> Iterator[Path]:
    """Yield a folder for one example of a property: a fixture's would be shared by all."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)
