"""Tiles of noise and of spots, drawn once a process; chromatin, granules, outlines and grain are cut from them."""

from functools import cache

import numpy as np

from leukmodels.synthetic.field import Field

TILE_PX = 256  # periodic; so much larger than a cell that cuts of one tile look unlike


@cache
def _noise(grain_px: float) -> Field:
    """Return a tile of noise whose blobs are about `grain_px` wide (0: white noise); mean 0, variance 1."""
    noise = np.random.default_rng([8_117, round(grain_px * 100)]).standard_normal((TILE_PX, TILE_PX))
    if grain_px > 0:
        frequency = np.hypot(np.fft.fftfreq(TILE_PX)[:, None], np.fft.rfftfreq(TILE_PX)[None, :]) * grain_px * 2
        noise = np.fft.irfft2(np.fft.rfft2(noise) * frequency * np.exp(-(frequency**2)), s=noise.shape)
    return np.ascontiguousarray((noise - noise.mean()) / noise.std(), dtype=np.float32)


@cache
def _spots(pitch_px: float) -> tuple[Field, Field]:
    """Return for each pixel its depth (px, negative: outside) in the next spot, and that spot's rank 0..1.

    One spot a square of a jittered grid (Worley's noise); radii spread around 0.42 of the pitch.
    """
    rng = np.random.default_rng([8_123, round(pitch_px * 100)])
    count = max(1, round(TILE_PX / pitch_px))
    pitch = TILE_PX / count
    x, y = np.indices((count, count)) * pitch + rng.uniform(0.1, 0.9, (2, count, count)) * pitch
    radius = 0.42 * pitch * rng.normal(1, 0.15, (count, count))
    rank = rng.random((count, count))
    pixel = np.arange(TILE_PX)
    row, column = np.meshgrid(pixel, pixel, indexing="ij")
    depth = np.full((TILE_PX, TILE_PX), -np.inf)
    rank_at = np.zeros((TILE_PX, TILE_PX))
    for step_row in (-1, 0, 1):
        for step_column in (-1, 0, 1):
            spot = (row // pitch).astype(int) + step_row, (column // pitch).astype(int) + step_column
            wrapped = spot[0] % count, spot[1] % count
            turn_x, turn_y = (spot[0] - wrapped[0]) * pitch, (spot[1] - wrapped[1]) * pitch
            here = radius[wrapped] - np.hypot(row - x[wrapped] - turn_x, column - y[wrapped] - turn_y)
            nearer = here > depth
            depth[nearer], rank_at[nearer] = here[nearer], rank[wrapped][nearer]
    return depth.astype(np.float32), rank_at.astype(np.float32)


def _corner(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[slice, slice]:
    down, right = rng.random(2).tolist()
    top, left = int(down * (TILE_PX - shape[0])), int(right * (TILE_PX - shape[1]))
    return slice(top, top + shape[0]), slice(left, left + shape[1])


def noise(rng: np.random.Generator, grain_px: float, shape: tuple[int, int]) -> Field:
    """Return a (height, width) view of noise of that grain from a random place of its tile."""
    return _noise(grain_px)[_corner(rng, shape)]


def spots(rng: np.random.Generator, pitch_px: float, share: float, shape: tuple[int, int]) -> Field:
    """Return a (height, width) cover 0..1 of round spots `pitch_px` apart of which only that share is there."""
    corner = _corner(rng, shape)
    depth, rank = _spots(pitch_px)
    cover: Field = np.clip(depth[corner] + 0.6, 0, 1) * (rank[corner] < share)
    return cover
