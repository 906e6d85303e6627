"""Test cells that show what a model gets right and wrong, and where it looks: pictures for the report.

<folder>/<kind>-<k>.png         a cell as the model sees it
<folder>/<kind>-<k>-heat.png    the same in grey, under what speaks for leukemia (Grad-CAM)
<folder>/examples.json          a list: kind, image, patient, score, label, picture, heat, inside (share of the heat
                                within the cell, null without heat), area (share of the image that the cell takes)
<folder>/heat.json              over cells of all patients: how many, how many of them are heated (have any heat), and
                                of these the medians of inside and area, null where there are none
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps
from PIL import Image

from leukmodels.dataset.cells import Cells, rows_in_turn
from leukmodels.images.segmentation import cell_masks
from leukmodels.model.grad_cam import grad_cam, heat_inside
from search.study.folder import write_whole

if TYPE_CHECKING:
    import keras

# Of each kind the cell that the model is surest of comes first, one of each patient before a second of any.
KINDS = {"found": (1, True), "missed": (1, False), "spared": (0, False), "alarmed": (0, True)}
_OF_EACH_KIND = 6
_LOOKED_AT = 512
_SIDE_PX = 144

Rows = npt.NDArray[np.int64]


def write_examples(
    model: "keras.Model",
    cells: Cells,
    scores: npt.NDArray[np.float64],
    folder: Path,
    *,
    threshold: float,
    black_background: bool,
) -> None:
    """Write what the module's docstring says, examples.json last."""
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / "heat.json", json.dumps(_over_all(model, cells, black_background)))
    chosen = list(_chosen(cells, scores, threshold))
    told: list[dict[str, Any]] = []
    if chosen:
        rows = np.array([row for _, row in chosen])
        (heat, images), inside, area = _look(model, cells, rows, black_background)
        for place, (name, row) in enumerate(chosen):
            picture, heated = f"{name}.png", f"{name}-heat.png"
            _save(images[place], folder / picture)
            _save(_overlaid(images[place], heat[place]), folder / heated)
            told.append(
                {
                    "kind": name.partition("-")[0],
                    "image": str(cells.image_ids[row]),
                    "patient": cells.patient_names[cells.patients[row]],
                    "score": float(scores[row]),
                    "label": int(cells.labels[row]),
                    "picture": picture,
                    "heat": heated,
                    "inside": float(inside[place]) if np.isfinite(inside[place]) else None,
                    "area": float(area[place]),
                }
            )
    write_whole(folder / "examples.json", json.dumps(told, indent=1))


def _over_all(model: "keras.Model", cells: Cells, black_background: bool) -> dict[str, float | int | None]:
    """Return what heat.json says."""
    rows = rows_in_turn(cells.patients, _LOOKED_AT)
    _, inside, area = _look(model, cells, rows, black_background)
    heated = np.isfinite(inside)
    medians = {
        name: float(np.median(values[heated])) if heated.any() else None
        for name, values in (("inside", inside), ("area", area))
    }
    return {"cells": len(rows), "heated": int(heated.sum()), **medians}


def _chosen(cells: Cells, scores: npt.NDArray[np.float64], threshold: float) -> Iterator[tuple[str, int]]:
    """Yield the name and row of each example."""
    for kind, (label, called) in KINDS.items():
        rows = np.flatnonzero((cells.labels == label) & ((scores >= threshold) == called))
        surest = rows[np.argsort(-scores[rows] if called else scores[rows], kind="stable")]
        _, first = np.unique(cells.patients[surest], return_index=True)
        others = np.setdiff1d(np.arange(len(surest)), first)
        for number, place in enumerate([*np.sort(first), *others][:_OF_EACH_KIND], start=1):
            yield f"{kind}-{number}", int(surest[place])


def _look(
    model: "keras.Model", cells: Cells, rows: Rows, black_background: bool
) -> tuple[tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8]], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return heat and images of the rows, the shares of the heat within the cell, and of the area."""
    images = next(cells.pixels.batches(rows, len(rows)))
    heat, masks = grad_cam(model, images), cell_masks(images, black_background=black_background)
    return (heat, images), heat_inside(heat, masks), masks.mean(axis=(1, 2))


def _overlaid(image: npt.NDArray[np.uint8], heat: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """Return the image in grey under the heat, whose colours grow lighter with it, so grey prints tell it too."""
    grey = image.mean(axis=2, keepdims=True) / 255
    hot = colormaps["inferno"](heat)[..., :3]
    mixed: npt.NDArray[np.uint8] = (255 * (0.4 * grey + 0.6 * hot)).astype(np.uint8)
    return mixed


def _save(image: npt.NDArray[np.uint8], path: Path) -> None:
    Image.fromarray(image).resize((_SIDE_PX, _SIDE_PX), Image.Resampling.BICUBIC).save(path, optimize=True)
