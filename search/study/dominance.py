"""Dominance, Pareto front and hypervolume on plain numpy. Lower is better throughout this module.

Points are float arrays of shape (n, m): n points, m objectives. Rows with a NaN are on no front and add no volume.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float64]


def pareto_mask(points: Points) -> npt.NDArray[np.bool_]:
    """Return which rows no other row dominates; equal rows stay on the front together.

    Two objectives take a sort and a sweep, O(n log n); more compare every pair.
    """
    usable = np.asarray(~np.isnan(points).any(axis=1))
    mask: npt.NDArray[np.bool_] = usable.copy()
    distinct, row_of = np.unique(points[usable], axis=0, return_inverse=True)
    mask[usable] = _on_front(distinct)[row_of]
    return mask


def _on_front(distinct: Points) -> npt.NDArray[np.bool_]:
    """Return which rows are on the front; the rows are distinct and sorted by their columns in order."""
    if distinct.shape[1] == 2:
        second = distinct[:, 1]
        lowest_before = np.minimum.accumulate(np.append(np.inf, second))[:-1]
        return np.asarray(second < lowest_before)
    no_worse = (distinct[:, None, :] <= distinct[None, :, :]).all(axis=2)
    return np.asarray(no_worse.sum(axis=0) == 1)  # nobody but itself


def hypervolume(points: Points, reference: npt.ArrayLike) -> float:
    """Return the volume that ``points`` dominate below ``reference`` (m,).

    Slices along the last objective (Fonseca, Paquete and Lopez-Ibanez 2006, without its pruning): exact, and quick for
    the two or three objectives and the small fronts of a search.
    """
    corner = np.asarray(reference, dtype=np.float64)
    inside = points[(points < corner).all(axis=1)] if len(points) else points
    return _volume(inside[pareto_mask(inside)], corner) if len(inside) else 0.0


def _volume(front: Points, corner: Points) -> float:
    if front.shape[1] == 1:
        return float(corner[0] - front[:, 0].min())
    if front.shape[1] == 2:
        return _area(front, corner)
    volume = 0.0
    front = front[np.argsort(front[:, -1], kind="stable")]
    heights = np.append(front[1:, -1], corner[-1]) - front[:, -1]
    for count, height in enumerate(heights, start=1):
        if height > 0:
            slab = front[:count, :-1]
            volume += float(height) * _volume(slab[pareto_mask(slab)], corner[:-1])
    return volume


def _area(front: Points, corner: Points) -> float:
    front = front[np.lexsort((front[:, 1], front[:, 0]))]
    ceilings = np.concatenate([corner[1:], np.minimum.accumulate(front[:, 1])[:-1]])
    heights: npt.NDArray[Any] = np.maximum(ceilings - front[:, 1], 0.0)
    return float(((corner[0] - front[:, 0]) * heights).sum())
