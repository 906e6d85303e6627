"""A patient's slide: what stain, light, lens and sensor make of a field of optical density."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from leukmodels.synthetic.field import SIDE_PX, Colour, Field
from leukmodels.synthetic.texture import noise

_SHORTCUT = np.array([1.24, 0.92, 0.8])  # what a shortcut of strength 1 multiplies the stain by


@dataclass(frozen=True, kw_only=True)
class Slide:
    """What all images of one patient share.

    `stain` multiplies the densities of red, green and blue; `light` is the bare glass in 0..255; `blur_px` the lens's
    sigma; `grain` the sensor's noise in grey levels; `pallor` the depth of the red cells' pale centre; `crowding` the
    share of the places around the white cell that a red cell takes.
    """

    stain: tuple[float, float, float]
    light: tuple[float, float, float]
    blur_px: float
    grain: float
    red_cell: Colour
    red_radius_px: float
    pallor: float
    crowding: float


def draw_slide(rng: np.random.Generator, *, shortcut: float = 0.0) -> Slide:
    """Return a patient's slide, of the same distribution for all classes but for a planted shortcut."""
    stain = np.clip(rng.normal(1, 0.06) * rng.normal(1, 0.02, 3), 0.7, 1.4) * _SHORTCUT**shortcut
    light = np.clip(rng.normal(0.965, 0.02) * np.array([252, 245, 241]) * rng.normal(1, 0.008, 3), 150, 254)
    grey = rng.random()  # from salmon to the greyish pink of an older stain
    return Slide(
        stain=_triple(stain),
        light=_triple(light),
        blur_px=rng.uniform(0.35, 1.0),
        grain=rng.uniform(1.0, 2.5),
        red_cell=(int(210 - 16 * grey), int(168 + 4 * grey), int(184 + 10 * grey)),
        red_radius_px=rng.normal(20.5, 1.0),
        pallor=rng.uniform(0.2, 0.6),
        crowding=rng.uniform(0.4, 0.8),
    )


def _triple(values: npt.NDArray[np.float64]) -> tuple[float, float, float]:
    red, green, blue = values.tolist()
    return red, green, blue


def develop(field: Field, slide: Slide, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Return the RGBA image (SIDE_PX, SIDE_PX, 4): light passes (Beer and Lambert), lens blurs, sensor adds grain."""
    stain, light = (np.array(values, np.float32)[:, None, None] for values in (slide.stain, slide.light))
    seen = np.exp(field * -stain)
    seen *= light * np.float32(rng.normal(1, 0.012))
    _blur(seen, slide.blur_px * rng.normal(1, 0.2))
    seen += np.float32(slide.grain) * noise(rng, 0, (SIDE_PX, SIDE_PX))
    image = np.full((SIDE_PX, SIDE_PX, 4), 255, np.uint8)
    image[..., :3] = np.clip(seen, 0, 255, out=seen).transpose(1, 2, 0)
    return image


def _blur(seen: Field, sigma_px: float) -> None:
    """Blur (3, height, width) in place by up to 1.1 px: two passes of three taps, far faster than Pillow's."""
    tap = np.float32(min(0.3, sigma_px**2 / 4))
    for _ in range(2):
        for near, middle, far in (
            (seen[:, :-2], seen[:, 1:-1], seen[:, 2:]),
            (seen[..., :-2], seen[..., 1:-1], seen[..., 2:]),
        ):
            middle += tap * (near + far - 2 * middle)
