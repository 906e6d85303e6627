"""The field of optical density that everything is painted into, and the windows of it that each thing is painted in.

Densities, not colours, so that stains mix and overlapping red cells darken as they do under a microscope.
"""

import math
from functools import cache
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

SIDE_PX = 144
PX_PER_UM = 5.78  # the scanner of the MLL collection: a field of 24.9 µm

Field: TypeAlias = npt.NDArray[np.floating[Any]]  # float32; NumPy's stubs widen what scalars touch
Colour: TypeAlias = tuple[int, int, int]

_GLASS = 244.0  # the brightness of the bare slide beside which the colours were read
_AXIS = np.arange(SIDE_PX, dtype=np.float32)


@cache
def densities(colour: Colour) -> Field:
    """Return the optical densities (3, 1, 1) of a colour as seen on bare glass."""
    density = np.log(_GLASS / np.maximum(np.array(colour, np.float32), 2))
    density.flags.writeable = False
    return np.asarray(density[:, None, None], np.float32)


def blank() -> Field:
    """Return a field (3, SIDE_PX, SIDE_PX) of bare glass."""
    return np.zeros((3, SIDE_PX, SIDE_PX), np.float32)


class Window:
    """The part of a field within `reach_px` of a centre, with coordinates `x` and `y` from that centre in px.

    The part is empty where the centre lies too far outside.
    """

    def __init__(self, field: Field, centre_x: float, centre_y: float, reach_px: float) -> None:
        rows, columns = _span(centre_y, reach_px), _span(centre_x, reach_px)
        self.part = field[:, rows, columns]
        self.x: Field = _AXIS[columns] - np.float32(centre_x)
        self.y: Field = (_AXIS[rows] - np.float32(centre_y))[:, None]
        self.shape: tuple[int, int] = (len(self.y), len(self.x))

    def turned(self, angle: float) -> tuple[Field, Field]:
        """Return the coordinates (u, v) along and across a direction."""
        along, across = math.cos(angle), math.sin(angle)
        return self.x * along + self.y * across, self.y * along - self.x * across

    def add(self, colour: Colour, amount: Field) -> None:
        """Add a stain where others are already."""
        self.part += densities(colour) * amount

    def cover(self, colour: Colour, cover: Field, depth: Field | float = 1.0) -> None:
        """Lay a stain over what is there: `cover` is 0..1, `depth` multiplies the colour's density."""
        self.part += cover * (densities(colour) * depth - self.part)


def inside(distance: Field, softness_px: float) -> Field:
    """Return 1 where a signed distance is negative and 0 where it is positive, smooth over so many px."""
    cover: Field = np.clip(0.5 - distance / softness_px, 0, 1)
    return cover


def _span(centre: float, reach_px: float) -> slice:
    low, high = math.floor(centre - reach_px), math.ceil(centre + reach_px) + 1
    return slice(min(max(low, 0), SIDE_PX), min(max(high, 0), SIDE_PX))
