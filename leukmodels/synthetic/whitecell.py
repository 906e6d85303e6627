"""The white cell in the middle: cytoplasm, granules, nucleus and what else its type shows."""

import math

import numpy as np

from leukmodels.synthetic.celltypes import CellType
from leukmodels.synthetic.field import Colour, Field, Window, inside
from leukmodels.synthetic.shapes import Beads, Outline
from leukmodels.synthetic.texture import noise, spots

_GOLGI: Colour = (232, 206, 224)
_VACUOLE: Colour = (238, 228, 240)
_AUER: Colour = (150, 30, 108)
_LIP = 0.6  # per px: the lower, the rounder the lips of a notch


def paint_white_cell(field: Field, cell: CellType, rng: np.random.Generator, x: float, y: float, radius: float) -> None:
    """Paint a cell of this type and radius (px) in some orientation, over whatever is there."""
    window = Window(field, x, y, radius * 1.25 + 3)
    u, v = window.turned(rng.uniform(-math.pi, math.pi))  # +u: towards the wide side of the cytoplasm
    stretch = rng.normal(0, 0.05)
    membrane = np.hypot(u * (1 + stretch), v * (1 - stretch)) - radius
    membrane += noise(rng, 30, window.shape) * (cell.wobble * radius)
    body = inside(membrane, 2.2)

    core = min(0.95, rng.normal(*cell.nucleus_share)) * radius  # the nucleus's radius; u and v count from its centre
    u += rng.uniform(0.3, 0.95) * (radius - core)
    v += rng.normal(0, 0.1) * (radius - core)
    envelope = _distance(cell.shape(rng), u, v, core) + noise(rng, 16, window.shape)
    envelope = np.maximum(envelope, membrane + 1.2)
    nucleus = inside(envelope, 1.8)

    depth = 1 + cell.mottle * noise(rng, 5, window.shape) + cell.rim * np.exp(np.minimum(membrane, 0) / (0.09 * radius))
    window.cover(cell.cytoplasm, body, depth)
    _paint_golgi(window, cell, rng, u / core, v / core, body)
    granules = [
        (kind, spots(rng, kind.pitch_px, rng.normal(*kind.share), window.shape) * inside(membrane + 1.5, 2))
        for kind in cell.granules
    ]
    for kind, cover in granules:
        window.cover(kind.colour, cover * kind.strength)
    _paint_vacuoles(window, cell, rng, u / core, v / core, core, body)
    _paint_rods(window, cell, rng, u, v, core, body)
    window.cover(cell.nucleus, nucleus, _chromatin(cell, rng, u / core, v / core, envelope))
    for kind, cover in granules:
        if kind.over_nucleus > 0:
            window.cover(kind.colour, cover * nucleus * kind.over_nucleus)


def _distance(outline: Outline, u: Field, v: Field, radius: float) -> Field:
    """Return the distance in px to a nucleus of that radius, negative inside."""
    melt = outline.melt * radius
    union = np.zeros_like(u)
    for reach, bead in _from_each(outline.beads, u, v, radius):
        union += np.exp(np.clip((bead - reach) / melt, -40, 40))
    distance: Field = np.log(union) * -melt
    for reach, notch in _from_each(outline.notches, u, v, radius):
        distance = np.logaddexp(distance * _LIP, (notch - reach) * _LIP) / _LIP
    return distance


def _from_each(beads: Beads, u: Field, v: Field, radius: float) -> list[tuple[Field, float]]:
    """Return for each bead the distance from its centre and its radius, in px."""
    return [(np.sqrt((u - a) ** 2 + (v - b) ** 2), size) for a, b, size in (beads * radius).tolist()]


def _chromatin(cell: CellType, rng: np.random.Generator, u: Field, v: Field, envelope: Field) -> Field:
    """Return the nucleus's depth of stain: clumps, a denser rim, paler nucleoli; u and v in nuclear radii."""
    fine, coarse = noise(rng, cell.clump_px, envelope.shape), noise(rng, 2 * cell.clump_px, envelope.shape)
    depth = cell.clumping * (fine + 0.6 * coarse) + np.float32(rng.normal(1, 0.06))
    depth += 0.12 * np.exp(np.minimum(envelope, 0) / 1.5)
    for _ in range(rng.integers(0, cell.nucleoli + 1)):
        at_u, at_v = rng.uniform(-0.5, 0.5, 2).tolist()
        depth -= rng.uniform(0.12, 0.3) * np.exp(((u - at_u) ** 2 + (v - at_v) ** 2) / -(rng.uniform(0.1, 0.18) ** 2))
    return depth


def _paint_golgi(window: Window, cell: CellType, rng: np.random.Generator, u: Field, v: Field, body: Field) -> None:
    """Paint the pale zone beside the nucleus that the Golgi apparatus leaves (the hof)."""
    strength = min(1.0, rng.normal(*cell.hof))
    if strength > 0:
        window.cover(_GOLGI, strength * body * np.exp(((u - 0.95) ** 2 + v**2) / -(0.42**2)))


def _paint_vacuoles(
    window: Window, cell: CellType, rng: np.random.Generator, u: Field, v: Field, core: float, body: Field
) -> None:
    for _ in range(rng.integers(0, cell.vacuoles + 1)):
        reach = np.hypot(u - rng.uniform(0.5, 1.2), v - rng.uniform(-0.8, 0.8))
        window.cover(_VACUOLE, body * inside(reach * core - rng.uniform(1.2, 3), 2))


def _paint_rods(
    window: Window, cell: CellType, rng: np.random.Generator, u: Field, v: Field, core: float, body: Field
) -> None:
    """Paint Auer rods, slender needles of 2 to 4 µm, on the wide side of the cytoplasm."""
    fewest, most = cell.rods
    for _ in range(rng.integers(fewest, most + 1)):
        from_u, from_v = u - rng.uniform(0.75, 1.15) * core, v - rng.normal(0, 0.35) * core
        angle, half_px = rng.uniform(0, math.pi), rng.uniform(5, 11)
        along = from_u * math.cos(angle) + from_v * math.sin(angle)
        aside = from_v * math.cos(angle) - from_u * math.sin(angle)
        window.cover(_AUER, body * inside(np.hypot(np.maximum(np.abs(along) - half_px, 0), aside) - 0.7, 1.4))
