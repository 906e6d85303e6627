"""A study whose front members have models and scores, on images that are there: all that an export needs."""

import keras
import numpy as np
from PIL import Image

import written_study
from leukmodels import evaluation
from leukmodels.cells import Cells
from leukmodels.images import decode

PX = 16
CELLS = 20


def write(storage, **manifested):
    """Write the study, 20 validation images below its data root, and for trials 1 and 2 a model and its scores."""
    root = storage / "cells"
    images = _images(root)
    folder = written_study.write(storage, root=root, **manifested)
    for number in (1, 2):
        keras.utils.set_random_seed(number)
        model = keras.Sequential(
            [
                keras.Input((PX, PX, 3)),
                keras.layers.Rescaling(1 / 255),
                keras.layers.Conv2D(4, 3, activation="relu"),
                keras.layers.GlobalMaxPooling2D(),
                keras.layers.Dense(1, activation="sigmoid"),
            ]
        )
        kept = folder.trial(number)
        kept.mkdir(parents=True)
        model.save(kept / "model.keras")
        evaluation.write_scores(kept / "scores.parquet", images, evaluation.predict(model, images.images))
    return folder


def _images(root):
    rng = np.random.default_rng(0)
    root.mkdir()
    names = [f"cell_{index}.png" for index in range(CELLS)]
    for name in names:
        Image.fromarray(rng.integers(0, 256, (PX, PX, 3), dtype=np.uint8)).save(root / name)
    return Cells(
        images=np.stack([decode((root / name).read_bytes(), image_px=PX, crop_px=None) for name in names]),
        labels=np.arange(CELLS, dtype=np.uint8) % 2,
        patients=np.arange(CELLS, dtype=np.int32) % 2,
        patient_names=("AAA", "BBB"),
        image_ids=np.array(names),
    )
