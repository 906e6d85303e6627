"""How far vectors lie from a cloud of others: the Mahalanobis distance, as for out-of-distribution detection.

(Mahalanobis 1936; of a network's features: Lee et al. 2018, arXiv:1807.03888. Here one cloud for both classes: a cell
that is half way between them is no stranger.)
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

_MOST_BYTES = 1 << 26
_NEAREST = 1e-3


@dataclass(frozen=True, kw_only=True, eq=False)
class Gaussian:
    """A cloud of vectors of d numbers: their mean (d,), their spread (d,), and what makes them spheric (d, d)."""

    mean: Floats
    scale: Floats
    whitening: Floats

    @classmethod
    def fit(cls, vectors: Floats, *, floor: float) -> Self:
        """Return the cloud of vectors (n, d); no number counts as less spread than ``floor``.

        As many cells as there are numbers speak beforehand for numbers that do not depend on one another (the prior
        of an inverse Wishart distribution): without them a few cells would have no distance from their own plane.
        """
        n, d = vectors.shape
        exact = vectors.astype(np.float64)
        mean = exact.mean(axis=0)
        scale = np.sqrt(exact.var(axis=0) + floor**2)
        standard = (exact - mean) / scale
        correlations = (standard.T @ standard + d * np.eye(d)) / (n + d)
        whitening = np.linalg.inv(np.linalg.cholesky(correlations))
        return cls(mean=_single(mean), scale=_single(scale), whitening=_single(whitening))

    def logs(self, vectors: Floats) -> npt.NDArray[np.float64]:
        """Return the logarithm of each vector's distance (n, d) over the square root of d: about 0 within the cloud."""
        whitened = self.standardised(vectors) @ self.whitening.T.astype(np.float64)
        logs: npt.NDArray[np.float64] = np.log(np.maximum(np.sqrt((whitened * whitened).mean(axis=1)), _NEAREST))
        return logs

    def standardised(self, vectors: Floats) -> npt.NDArray[np.float64]:
        """Return by how many spreads each number of the vectors (n, d) is off."""
        standard: npt.NDArray[np.float64] = (vectors.astype(np.float64) - self.mean) / self.scale
        return standard

    def save(self, path: Path) -> None:
        """Write the cloud as one array (d, d + 2): mean, scale, whitening."""
        np.save(path, np.column_stack([self.mean, self.scale, self.whitening]), allow_pickle=False)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Return a saved cloud; ValueError or OSError where the file holds none. It cannot run code."""
        if path.stat().st_size > _MOST_BYTES:
            raise ValueError(f"it has more than {_MOST_BYTES:,} bytes")
        array = np.load(path, allow_pickle=False, mmap_mode="r")  # mapped: a header cannot ask for more than is there
        if array.ndim != 2 or array.shape[1] != array.shape[0] + 2 or array.dtype != np.float32:
            raise ValueError(f"it holds {array.dtype} of shape {array.shape}; expected float32 (d, d + 2)")
        whole = np.array(array)
        if not np.isfinite(whole).all() or (whole[:, 1] <= 0).any():
            raise ValueError("it holds numbers that are no spread of any cells")
        return cls(mean=whole[:, 0], scale=whole[:, 1], whitening=whole[:, 2:])


def _single(values: npt.NDArray[np.float64]) -> Floats:
    return values.astype(np.float32)
