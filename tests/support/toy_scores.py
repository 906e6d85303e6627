"""Scores of drawn patients, one time or many times at once, whose truth is known in closed form."""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, ndtr
from scipy.stats import norm

from leukmodels.evaluation.calibration import BINS
from leukmodels.evaluation.resampling import Measure
from leukmodels.evaluation.scored import Groups, Scored

RATES = {"recall": "leukemic", "specificity": "healthy", "accuracy": "all", "auroc": "both"}


@dataclass(frozen=True, kw_only=True)
class Cohort:
    """Cells that differ between patients and within them: log odds = +-mean + between * patient + within * cell.

    leukemic, healthy   patients; a leukemic one has the mean, a healthy one its negative
    cells               fewest and most cells of a patient; (1, 1): rows are patients

    Scores are probabilities where 2 * mean = between**2 + within**2, and patients of the classes as many.
    """

    leukemic: int
    healthy: int
    cells: tuple[int, int] = (5, 15)
    mean: float = 1.5
    between: float = 0.8
    within: float = 1.0

    @property
    def truth(self) -> dict[str, float]:
        """What a model that gives these scores has on endlessly many patients, at threshold 0.5."""
        apart = self.mean / np.hypot(self.between, self.within)
        return {**dict.fromkeys(RATES, float(ndtr(apart))), "auroc": float(ndtr(apart * np.sqrt(2)))}

    @property
    def calibration(self) -> dict[str, float]:
        """The Brier score and the calibration error of endlessly many patients, added up over log odds."""
        spread, ill = np.hypot(self.between, self.within), self.leukemic / (self.leukemic + self.healthy)
        odds, step = np.linspace(-self.mean - 8 * spread, self.mean + 8 * spread, 100_001, retstep=True)
        leukemic = ill * norm.pdf(odds, self.mean, spread) * step
        healthy = (1 - ill) * norm.pdf(odds, -self.mean, spread) * step
        scores = expit(odds)
        bins = np.minimum((scores * BINS).astype(int), BINS - 1)
        gaps = np.bincount(bins, (leukemic + healthy) * scores - leukemic)
        brier = leukemic @ (1 - scores) ** 2 + healthy @ scores**2
        return {"brier": float(brier), "ece": float(np.abs(gaps).sum())}

    @property
    def labels(self) -> np.ndarray:
        """The class of each patient, the healthy first."""
        return (np.arange(self.leukemic + self.healthy) >= self.healthy).astype(np.uint8)

    def draw(self, rng: np.random.Generator, models: int = 1, alike: float = 0.5) -> list[Scored]:
        """Return what so many equally good models say of the same new cells; ``alike`` is the correlation of two."""
        of_row = np.repeat(np.arange(len(self.labels)), self._counts(rng, 1)[0])

        def normal(size: int) -> np.ndarray:
            return np.sqrt(alike) * rng.normal(size=size) + np.sqrt(1 - alike) * rng.normal(size=(models, size))

        patients = np.where(self.labels == 1, self.mean, -self.mean) + self.between * normal(len(self.labels))
        odds = patients[:, of_row] + self.within * normal(len(of_row))
        return [scored(self.labels[of_row], 1 / (1 + np.exp(-each)), of_row) for each in odds]

    def repeat(self, rng: np.random.Generator, times: int) -> dict[str, Measure]:
        """Return measures of so many cohorts at once, by rate: a number a cohort.

        The areas come from counts of pairs of cells (Mann-Whitney), patient by patient.
        """
        counts = self._counts(rng, times)[..., None]
        there = np.arange(self.cells[1]) < counts
        odds = np.where(self.labels == 1, self.mean, -self.mean)[:, None] + self.between * rng.normal(size=counts.shape)
        odds = np.where(there, odds + self.within * rng.normal(size=there.shape), np.nan)
        ill = self.labels == 1
        cells = counts[..., 0].T.astype(float)
        right = np.where(ill[:, None], odds >= 0, odds < 0).sum(axis=2).T
        wins = np.stack([(each[ill][:, None, :, None] > each[~ill][None, :, None]).sum(axis=(2, 3)) for each in odds])

        def share(rows: np.ndarray) -> Measure:
            return lambda weights: (weights[:, rows] @ right[rows]) / (weights[:, rows] @ cells[rows])

        def area(weights: np.ndarray) -> np.ndarray:
            ours = np.tensordot(weights[:, ill], wins, axes=(1, 1))  # draws, cohorts, healthy patients
            pairs = (weights[:, ill] @ cells[ill]) * (weights[:, ~ill] @ cells[~ill])
            return np.einsum("dch,dh->dc", ours, weights[:, ~ill]) / pairs

        functions = {"recall": share(ill), "specificity": share(~ill), "accuracy": share(ill | ~ill), "auroc": area}
        groups = Groups(of_row=np.repeat(np.arange(len(ill)), self.cells[1]), labels=self.labels)
        return {
            name: Measure(groups=groups, basis={str(cohort): RATES[name] for cohort in range(times)}, of=of)
            for name, of in functions.items()
        }

    def _counts(self, rng: np.random.Generator, times: int) -> np.ndarray:
        return rng.integers(*self.cells, size=(times, len(self.labels)), endpoint=True)


def scored(labels, scores, patients) -> Scored:
    """Return scores of patients by code."""
    codes = np.asarray(patients, dtype=np.int32)
    return Scored(
        labels=np.asarray(labels, dtype=np.uint8),
        scores=np.asarray(scores, dtype=np.float64),
        patients=codes,
        patient_names=tuple(f"P{code}" for code in range(codes.max() + 1)),
        images=np.array([f"image_{row}.tif" for row in range(len(codes))]),
    )


def of_patients(labels, scores) -> Scored:
    """Return scores of as many patients, a row each."""
    return scored(labels, scores, np.arange(len(labels)))
