"""Example cells of a test: whose they are, and which rows the medians of the heat are of."""

import json

import numpy as np
import pytest

from leukmodels.dataset.cells import Cells
from leukmodels.dataset.pixels import Blocks
from search.confirm import examples

PX = 16


def cells_of(counts):
    """Return cells of patients with so many each, every second patient leukemic; the red of the corner is the row."""
    patients = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
    images = np.full((len(patients), PX, PX, 3), 200, np.uint8)
    images[:, 0, 0, 0] = np.arange(len(patients))
    return Cells(
        pixels=Blocks.of(images),
        labels=(patients % 2).astype(np.uint8),
        patients=patients,
        patient_names=tuple(f"P{number}" for number in range(len(counts))),
        image_ids=np.array([f"{row}.tif" for row in range(len(patients))]),
    )


@pytest.mark.parametrize("heated", [4, 0])
def test_the_medians_are_of_the_cells_that_have_heat(monkeypatch, tmp_path, heated):
    """Heat in the first rows alone, a quarter of it inside; the cells without heat are larger."""
    cells = cells_of([3, 4, 3])

    def heat(model, images):
        found = np.zeros(images.shape[:3], np.float32)
        found[images[:, 0, 0, 0] < heated] = 1
        return found

    def masks(images, *, black_background):
        found = np.ones(images.shape[:3], bool)
        found[images[:, 0, 0, 0] < heated, 4:] = False
        return found

    monkeypatch.setattr(examples, "grad_cam", heat)
    monkeypatch.setattr(examples, "cell_masks", masks)
    scores = np.where(cells.labels == 1, 0.9, 0.2)
    examples.write_examples(None, cells, scores, tmp_path, threshold=0.5, black_background=False)
    said = json.loads((tmp_path / "heat.json").read_text())
    median = 0.25 if heated else None
    assert said == {"cells": 10, "heated": heated, "inside": median, "area": median}
    shown = json.loads((tmp_path / "examples.json").read_text())
    assert {each["kind"] for each in shown} == {"found", "spared"}
    first = {kind: [each["patient"] for each in shown if each["kind"] == kind][:2] for kind in ("found", "spared")}
    assert first == {"found": ["P1", "P1"], "spared": ["P0", "P2"]}  # one of each patient before a second of any
