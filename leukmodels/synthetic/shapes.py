"""Nuclear shapes as beads: discs that melt into one outline, and notches cut out of it.

Coordinates are in nuclear radii with the centre at the origin; +x points at the wide side of the cytoplasm, where the
Golgi zone lies, and is where a kidney, a band or a cup is open. Each shape draws its own variation from the generator.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Beads: TypeAlias = npt.NDArray[np.float32]
"""(n, 3): x, y and radius of each bead."""


@dataclass(frozen=True, kw_only=True)
class Outline:
    """A nucleus: the union of `beads`, which flow together over `melt` nuclear radii, less the `notches`."""

    beads: Beads
    notches: Beads
    melt: float = 0.12


Shape: TypeAlias = Callable[[np.random.Generator], Outline]
_NO_NOTCH: Beads = np.zeros((0, 3), np.float32)


def _beads(rows: object) -> Beads:
    return np.array(rows, dtype=np.float32).reshape(-1, 3)


def _arc(angles: npt.NDArray[np.float64], distance: float, radius: npt.NDArray[np.float64] | float) -> Beads:
    """Return beads on a circle around the origin, the opening towards +x."""
    turned = angles + np.pi
    x, y = distance * np.cos(turned), distance * np.sin(turned)
    return np.stack([x, y, np.broadcast_to(radius, x.shape)], axis=1).astype(np.float32)


def rounded(rng: np.random.Generator) -> Outline:
    """Return a round to oval nucleus: lymphocyte, myeloblast."""
    stretch, angle = rng.uniform(0, 0.16), rng.uniform(0, np.pi)
    x, y = stretch * np.cos(angle), stretch * np.sin(angle)
    return Outline(beads=_beads([[x, y, 0.92], [-x, -y, 0.92]]), notches=_NO_NOTCH)


def indented(rng: np.random.Generator) -> Outline:
    """Return an oval nucleus with a shallow dent at the Golgi zone: myelocyte, many blasts."""
    dent = rng.uniform(0.05, 0.4)
    return Outline(
        beads=_beads([[-0.05, 0.14, 0.9], [-0.05, -0.14, 0.9]]),
        notches=_beads([[1.36 - dent, rng.normal(0, 0.15), 0.5]]),
    )


def kidney(rng: np.random.Generator) -> Outline:
    """Return a folded nucleus: monocyte, metamyelocyte."""
    reach = rng.uniform(0.9, 1.9)
    angles = np.linspace(-reach, reach, 5)
    return Outline(beads=_arc(angles, rng.uniform(0.42, 0.56), rng.uniform(0.46, 0.56, 5)), notches=_NO_NOTCH)


def band(rng: np.random.Generator) -> Outline:
    """Return a curved rod of even width: band neutrophil."""
    reach = rng.uniform(1.5, 2.3)
    width = rng.uniform(0.27, 0.35)
    return Outline(beads=_arc(np.linspace(-reach, reach, 8), 0.66, width * rng.uniform(0.9, 1.1, 8)), notches=_NO_NOTCH)


def lobes(count_low: int, count_high: int) -> Shape:
    """Return the shape of so many lobes on a string: segmented neutrophil (3-5), eosinophil (2-3)."""

    def shape(rng: np.random.Generator) -> Outline:
        count = int(rng.integers(count_low, count_high + 1))
        gap = rng.uniform(1.0, 1.35) if count > 2 else rng.uniform(1.7, 2.3)
        angles = (np.arange(count) - (count - 1) / 2) * gap + rng.normal(0, 0.16, count)
        size = (0.46 if count < 4 else 0.38) * rng.uniform(0.85, 1.12, count)
        across = rng.uniform(0.52, 0.66)
        lobe = _arc(angles, across, size)
        lobe[:, :2] *= rng.uniform(0.85, 1.15, (count, 1))
        bridge = (lobe[1:] + lobe[:-1]) / 2
        bridge[:, 2] = rng.uniform(0.1, 0.2, count - 1)
        return Outline(beads=np.concatenate([lobe, bridge]), notches=_NO_NOTCH, melt=0.05)

    return shape


def pelger(rng: np.random.Generator) -> Outline:
    """Return two round lobes on a short thread (pince-nez): the pseudo-Pelger-Huët neutrophil of dysplasia."""
    apart = rng.uniform(0.42, 0.6)
    size = rng.uniform(0.44, 0.54, 2)
    return Outline(
        beads=_beads([[-0.05, apart, size[0]], [-0.05, -apart, size[1]], [-0.1, 0, 0.16]]), notches=_NO_NOTCH, melt=0.05
    )


def bilobed(rng: np.random.Generator) -> Outline:
    """Return two broad overlapping lobes (a butterfly): the promyelocyte of PML::RARA."""
    apart = rng.uniform(0.36, 0.56)
    size = rng.uniform(0.54, 0.66, 2)
    return Outline(
        beads=_beads([[0, apart, size[0]], [0, -apart, size[1]]]),
        notches=_beads([[rng.uniform(0.75, 0.95), rng.normal(0, 0.1), 0.3]]),
        melt=0.08,
    )


def cup(rng: np.random.Generator) -> Outline:
    """Return a round nucleus with an invagination of a quarter of its width or more: NPM1-mutated blasts."""
    depth = rng.uniform(0.45, 0.85)
    return Outline(
        beads=_beads([[0, 0.1, 0.93], [0, -0.1, 0.93]]),
        notches=_beads([[1.32 - depth, rng.normal(0, 0.12), rng.uniform(0.3, 0.42)]]),
    )


def convoluted(rng: np.random.Generator) -> Outline:
    """Return an irregularly folded nucleus: the myelomonocytic blasts of CBFB::MYH11."""
    angles = np.sort(rng.uniform(-2.6, 2.6, 5))
    folds = rng.uniform(-np.pi, np.pi, 2)
    return Outline(
        beads=_arc(angles, 0.42, rng.uniform(0.48, 0.62, 5)),
        notches=_beads([[1.05 * np.cos(fold), 1.05 * np.sin(fold), rng.uniform(0.18, 0.32)] for fold in folds]),
    )
