"""How large a configuration is and how fast it trains, measured on noise: what a search will cost, before it begins."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from leukmodels.dataset.cells import Cells, TrainingData
from leukmodels.dataset.pixels import Blocks
from leukmodels.space.hyperparameters import HyperParams
from leukmodels.training.experiment import run
from leukmodels.training.precision import Precision
from leukmodels.training.training_loop import Budget

_PIXELS = 3_000_000  # in the images of an epoch: a few seconds of the published CNN on one core


@dataclass(frozen=True, kw_only=True)
class Speed:
    """Weights of a model, and images that it trains on in a second."""

    parameters: int
    images_per_s: float


def measure_speed(hparams: HyperParams, *, image_px: int, precision: Precision, black_background: bool) -> Speed:
    """Train the configuration for two epochs on images of noise; the second, when all is compiled, is what counts."""
    images = int(np.clip(_PIXELS // image_px**2, 2 * hparams.batch_size, 512))
    history: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        outcome = run(
            hparams,
            TrainingData(
                train=_noise(images, image_px, "train"),
                validation=_noise(16, image_px, "validation"),
                black_background=black_background,
                split_fingerprint="",
            ),
            budget=Budget(epochs=2, patience=2),
            seed=0,
            folder=Path(folder),
            report=lambda epoch, metrics: history.append(metrics["images_per_s"]),
            precision=precision,
        )
    return Speed(parameters=outcome.parameters, images_per_s=history[-1])


def _noise(images: int, image_px: int, part: str) -> Cells:
    """Return images of noise of one patient of each class."""
    rng = np.random.default_rng(0)
    patients = np.arange(images, dtype=np.int32) % 2
    return Cells(
        pixels=Blocks.of(rng.integers(0, 256, (images, image_px, image_px, 3), dtype=np.uint8)),
        labels=patients.astype(np.uint8),
        patients=patients,
        patient_names=(f"{part} control", f"{part} disease"),
        image_ids=np.array([f"{part} {number}" for number in range(images)]),
    )
