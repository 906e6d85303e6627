"""A model's scores: computed, written and read back."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from leukmodels.process.files import written_aside

if TYPE_CHECKING:
    from pathlib import Path

    import keras

    from leukmodels.dataset.cells import Cells
    from leukmodels.dataset.pixels import Pixels

Scoring: TypeAlias = Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.float32]]
Featuring: TypeAlias = Callable[[npt.NDArray[np.uint8]], tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]]

SCORES_SCHEMA = pa.schema(
    [("image", pa.string()), ("patient", pa.string()), ("label", pa.int8()), ("score", pa.float64())]
)


def scoring(model: keras.Model) -> Scoring:
    """Return what gives the model's probabilities (n,) of images (n, px, px, 3), 0..255, as one graph for any n.

    ``predict_on_batch`` traces again for the last, shorter batch.
    """
    import tensorflow as tf

    signature = [tf.TensorSpec(model.input_shape, tf.uint8)]
    graph = tf.function(lambda images: model(images, training=False)[:, 0], signature, autograph=False)
    return lambda images: graph(images).numpy()


def featuring(model: keras.Model) -> Featuring:
    """Return what gives the model's probabilities (n,) and the features (n, d) that its last layer makes them of."""
    import keras
    import tensorflow as tf

    both = keras.Model(model.inputs, [model.outputs[0], model.layers[-1].input])
    signature = [tf.TensorSpec(model.input_shape, tf.uint8)]

    def run(images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        probabilities, features = both(images, training=False)
        return probabilities[:, 0], tf.cast(features, tf.float32)

    graph = tf.function(run, signature, autograph=False)
    return lambda images: tuple(each.numpy() for each in graph(images))


def predict_with_features(
    featuring: Featuring, images: npt.NDArray[np.uint8], *, batch_size: int = 64
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float32]]:
    """Return the probability of leukemia of each image (n, px, px, 3), (n,), and the features of each, (n, d)."""
    batches = [featuring(images[first : first + batch_size]) for first in range(0, len(images), batch_size)]
    scores, features = (np.concatenate(each) for each in zip(*batches, strict=True))
    return scores.astype(np.float64), features


def predict(scoring: Scoring, pixels: Pixels, *, batch_size: int = 64) -> npt.NDArray[np.float64]:
    """Return the probability of leukemia of each image, shape (n,).

    The default batch keeps one feature map of the default CNN at 144 px within 340 MB; larger ones are no faster on a
    processor. The images are looked at in an order that is the same every time.
    """
    order = pixels.arrange(np.arange(len(pixels)), np.random.default_rng(0))
    scores = np.empty(len(pixels), dtype=np.float64)
    with closing(pixels.batches(order, batch_size)) as batches:
        for first, images in zip(range(0, len(order), batch_size), batches, strict=True):
            scores[order[first : first + batch_size]] = scoring(images)
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
