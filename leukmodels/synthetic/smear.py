"""What lies around the white cell: red cells and platelets."""

import math

import numpy as np

from leukmodels.synthetic.field import SIDE_PX, Colour, Field, Window, inside
from leukmodels.synthetic.slide import Slide
from leukmodels.synthetic.texture import noise

_PLATELET: Colour = (168, 116, 190)


def paint_smear(field: Field, slide: Slide, rng: np.random.Generator, x: float, y: float, clear_px: float) -> None:
    """Paint red cells on a jittered hexagonal grid, and now and then a platelet, around a clear disc."""
    pitch = 2.15 * slide.red_radius_px
    side = math.ceil(SIDE_PX / pitch) + 2
    row, column = np.divmod(np.arange(side**2), side)
    grid = np.stack([column + row % 2 / 2, row * 0.87], axis=1) * pitch + rng.uniform(-pitch, 0, 2)
    centres = grid + rng.normal(0, 0.11 * pitch, grid.shape)
    radii = slide.red_radius_px * rng.normal(1, 0.07, len(grid))
    free = np.hypot(*(centres - (x, y)).T) > clear_px + 0.8 * radii
    seen = (np.abs(centres - SIDE_PX / 2) < SIDE_PX / 2 + radii[:, None]).all(axis=1)
    taken = free & seen & (rng.random(len(grid)) < slide.crowding)
    for (red_x, red_y), radius in zip(centres[taken].tolist(), radii[taken].tolist(), strict=True):
        _paint_red_cell(Window(field, red_x, red_y, radius * 1.3), slide, rng, radius)
    for _ in range(rng.poisson(0.5)):
        platelet_x, platelet_y = rng.uniform(0, SIDE_PX, 2).tolist()
        radius = rng.uniform(4, 8)
        if math.hypot(platelet_x - x, platelet_y - y) > clear_px + radius:
            _paint_platelet(Window(field, platelet_x, platelet_y, radius * 1.5), rng, radius)


def _paint_red_cell(window: Window, slide: Slide, rng: np.random.Generator, radius: float) -> None:
    """Add a biconcave disc, densest in a ring and pale in the middle, slightly tilted; overlapping ones add up."""
    stretch, depth, pallor, tilt_x, tilt_y = (rng.standard_normal(5) * (0.07, 0.08, 0.15, 0.08, 0.08)).tolist()
    u, v = window.turned(rng.uniform(0, math.pi))
    u *= (1 + stretch) / radius
    v *= (1 - stretch) / radius
    ring = u * u + v * v
    pale = min(max(0.0, slide.pallor + pallor), 0.85) * np.exp(ring * ring * -18)
    ring = np.sqrt(ring, out=ring) + 0.03 * noise(rng, 16, window.shape)
    body = (1 - pale) * (1 + depth + tilt_x * u + tilt_y * v)
    window.add(slide.red_cell, body * inside((ring - 1) * radius, 2.6))


def _paint_platelet(window: Window, rng: np.random.Generator, radius: float) -> None:
    edge = np.hypot(window.x, window.y) - radius + 1.5 * noise(rng, 10, window.shape)
    window.cover(_PLATELET, 0.9 * inside(edge, 3), 0.75 + 0.3 * noise(rng, 3, window.shape))
