"""A model's scores: computed, written and read back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from leukmodels.atomic import written_aside

if TYPE_CHECKING:
    from pathlib import Path

    import keras
    import numpy.typing as npt

    from leukmodels.cells import Cells

SCORES_SCHEMA = pa.schema(
    [("image", pa.string()), ("patient", pa.string()), ("label", pa.int8()), ("score", pa.float64())]
)


def predict(model: keras.Model, images: npt.NDArray[np.uint8], *, batch_size: int = 64) -> npt.NDArray[np.float64]:
    """Return the probability of leukemia of each image, shape (n,), for images (n, px, px, 3) in 0..255.

    Batches are views of the images. The default batch keeps one feature map of the default CNN at 144 px within
    340 MB; larger ones are no faster on a processor.
    """
    scores = np.empty(len(images), dtype=np.float64)
    for start in range(0, len(images), batch_size):
        batch = slice(start, start + batch_size)
        scores[batch] = model.predict_on_batch(images[batch])[:, 0]
    return scores


def write_scores(path: Path, cells: Cells, scores: npt.NDArray[np.float64]) -> None:
    """Write image, patient, label and score of every cell as Parquet, in the cells' order."""
    names = np.asarray(cells.patient_names)
    columns = [cells.image_ids, names[cells.patients], cells.labels.astype(np.int8), scores]
    table = pa.table([pa.array(column) for column in columns], schema=SCORES_SCHEMA)
    with written_aside(path) as aside:
        pq.write_table(table, aside)


def read_scores(path: Path) -> pa.Table:
    """Return the table that write_scores wrote, with the columns of SCORES_SCHEMA."""
    return pq.read_table(path, schema=SCORES_SCHEMA)
