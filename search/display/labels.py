"""Labels beside points of a plot that cover neither each other nor a marker."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.transforms import Bbox

# Where a label may stand, in points from its marker: near before far, and first where a falling front leaves room.
_ANGLES = np.deg2rad([45, 0, 90, 225, 270, 180, 315, 135])
_RADII = (8.0, 15.0, 23.0)
_MARKER_POINTS = 4.0


def label_points(
    axes: Axes,
    points: npt.NDArray[np.float64],
    labels: Sequence[str],
    *,
    avoid: npt.NDArray[np.float64] | None = None,
    color: str = "black",
) -> None:
    """Write ``labels`` beside ``points`` (n, 2); ``avoid`` (m, 2) are further markers to leave free.

    Each label takes the first free place round its point; a label that finds none is left out, so that the others
    can be read. The axes' limits must be final.
    """
    if not len(points):
        return
    figure = axes.get_figure(root=True)
    assert figure is not None, "axes that were removed from their figure"
    figure.draw_without_rendering()  # the layout decides where points come to lie
    scale = figure.dpi / 72
    markers = points if avoid is None else np.vstack([points, avoid])
    taken = [_around(place, _MARKER_POINTS * scale) for place in axes.transData.transform(markers)]
    for point, label in zip(points, labels, strict=True):
        text = axes.annotate(label, point, xytext=(0, 0), textcoords="offset points", fontsize=9, color=color, zorder=7)
        size = text.get_window_extent()
        for offset in _offsets():
            box = _beside(axes.transData.transform(point), offset * scale, size)
            if _within(box, axes.bbox) and not any(box.overlaps(other) for other in taken):
                text.set(position=offset, ha=_side(offset[0], "left", "right"), va=_side(offset[1], "bottom", "top"))
                taken.append(box)
                break
        else:
            text.remove()


def _offsets() -> list[npt.NDArray[np.float64]]:
    return [radius * np.array([np.cos(angle), np.sin(angle)]) for radius in _RADII for angle in _ANGLES]


def _side(offset: float, positive: str, negative: str) -> str:
    if abs(offset) < 1e-9:
        return "center"
    return positive if offset > 0 else negative


def _beside(place: npt.NDArray[np.float64], offset: npt.NDArray[np.float64], size: Bbox) -> Bbox:
    """Return the box of a text of ``size`` that is aligned as ``_side`` says, all in pixels."""
    shift = {"left": 0.0, "bottom": 0.0, "center": -0.5, "right": -1.0, "top": -1.0}
    x, y = place + offset
    x += shift[_side(offset[0], "left", "right")] * size.width
    y += shift[_side(offset[1], "bottom", "top")] * size.height
    return Bbox.from_bounds(x, y, size.width, size.height)


def _around(place: npt.NDArray[np.float64], half: float) -> Bbox:
    return Bbox.from_bounds(place[0] - half, place[1] - half, 2 * half, 2 * half)


def _within(inner: Bbox, outer: Bbox) -> bool:
    return bool(outer.x0 <= inner.x0 and outer.y0 <= inner.y0 and inner.x1 <= outer.x1 and inner.y1 <= outer.y1)
