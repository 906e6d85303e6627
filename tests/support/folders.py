"""Writes folders of images in the layouts of the collections."""

from pathlib import Path

import numpy as np
from PIL import Image


def draw_folder(
    root: Path, patients: int = 5, cells: int = 3, classes: tuple[str, ...] = ("control", "RUNX1_RUNX1T1", "NPM1")
) -> Path:
    """Write a collection in the MLL layout whose images are coloured noise, each its own."""
    rng = np.random.default_rng(0)
    for letter, name in zip("ABC", classes, strict=False):
        for patient in range(patients):
            folder = root / "data" / name / f"{letter}A{chr(65 + patient)}"
            folder.mkdir(parents=True)
            for cell in range(cells):
                pixels = rng.integers(0, 256, (20, 20, 4), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"image_{cell}.tif")
    return root
