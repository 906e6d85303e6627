"""How a probe is asked: about patients that it was not trained on, and with labels that mean nothing.

All patients are scored, in folds, and not those of one part alone: among the 18 validation patients of a task
chance makes an AUROC of 0.2 to 0.8, among the 74 that models are developed on one of 0.3 to 0.7.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial import KDTree
from scipy.special import expit

from leukmodels.dataset.cells import Cells
from leukmodels.errors import DataError
from leukmodels.evaluation.curves import auroc
from leukmodels.process.words import USUAL, Terms, plural

_FOLDS = 5
_NEIGHBOURS = 5
_STEPS, _PRECISION = 25, 1e-6  # Newton's; five or six are usual
_AT_ONCE = 1_000_000  # cells times labellings: with what is made of them some 50 MB

Labels = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Patients:
    """The P patients of n cells.

    of_cell   int64 (n,), the patient of each cell, from 0
    labels    uint8 (P,), 1 leukemia and 0 control
    """

    of_cell: Codes
    labels: Labels

    @classmethod
    def of(cls, cells: Cells, terms: Terms = USUAL) -> "Patients":
        """Return the patients who have a cell; DataError unless each class has two, and no patient is of both.

        ``terms`` are what it calls them.
        """
        codes, first, of_cell = np.unique(cells.patients, return_index=True, return_inverse=True)
        labels = cells.labels[first]
        mixed = codes[np.unique(of_cell[cells.labels != labels[of_cell]])]
        problems = [
            f"{terms.unit.capitalize()} {cells.patient_names[code]!r} has cells of both classes."
            for code in mixed.tolist()
        ]
        problems += [
            f"{plural(count, f'{terms.side(label)} {terms.unit}')}; two of each class are needed."
            for label, count in enumerate(np.bincount(labels, minlength=2).tolist())
            if count < 2
        ]
        if problems:
            raise DataError("These cells cannot be probed for shortcuts:", problems)
        return cls(of_cell=of_cell, labels=labels)

    @property
    def counts(self) -> Codes:
        """How many cells each has, (P,)."""
        return np.bincount(self.of_cell)

    def means(self, values: Numbers) -> Numbers:
        """Return the mean of each patient's cells, (P,) of values (n,)."""
        return np.bincount(self.of_cell, values) / self.counts


def cross_validated_scores(patients: Patients, features: Numbers, seed: int) -> Numbers:
    """Return for each cell the probability of leukemia (n,) by a logistic regression on standardised features (n, k).

    It is trained on the patients of the other folds. All of a class weigh alike and both classes weigh the same, so
    that neither knows how many images there are; together they weigh as many as the patients are, against an L2 penalty
    of 1.
    """
    answers: Numbers = _answers(patients, features, patients.labels[None], np.random.default_rng(seed))[0]
    return answers


def permutation_aurocs(patients: Patients, features: Numbers, permutations: int, seed: int) -> Numbers:
    """Return the AUROCs of ``cross_validated_scores``, (permutations,), after labels were permuted among patients.

    The cells of a patient still have one label: what is told then is what slides without a meaning allow.
    """
    rng = np.random.default_rng(seed)
    labels = rng.permuted(np.tile(patients.labels, (permutations, 1)), axis=1)
    size = max(1, _AT_ONCE // len(patients.of_cell))
    return np.array(
        [
            auroc(dealt, patients.means(answers))
            for first in range(0, permutations, size)
            for dealt, answers in zip(
                labels[first : first + size],
                _answers(patients, features, labels[first : first + size], rng),
                strict=True,
            )
        ]
    )


def knn_scores(labels: Labels, features: Numbers, fold_of: Codes) -> Numbers:
    """Return for each cell the share of leukemia (n,) among the cells of other folds that are most like it."""
    answers = np.empty(len(labels))
    for fold in range(fold_of.max() + 1):
        asked = fold_of == fold
        others = labels[~asked]
        _, nearest = KDTree(features[~asked]).query(features[asked], k=range(1, min(_NEIGHBOURS, len(others)) + 1))
        answers[asked] = others[nearest].mean(axis=1)
    return answers


def deal(labels: Labels, rng: np.random.Generator) -> Codes:
    """Return a fold for each patient, or cell, of these labels (m,): at random, each class spread evenly."""
    fold_of = np.empty(len(labels), np.int64)
    order = np.lexsort((rng.random(len(labels)), labels))
    fold_of[order] = np.arange(len(labels)) % min(_FOLDS, np.bincount(labels).min())
    return fold_of


def _answers(patients: Patients, features: Numbers, labels: Labels, rng: np.random.Generator) -> Numbers:
    """Return the answers (b, n) for b labellings of the patients (b, P), each with folds of its own."""
    fold_of = np.stack([deal(each, rng) for each in labels])
    inputs = np.column_stack([features, np.ones(len(features))])
    of_cells = labels[:, patients.of_cell]
    answers = np.empty(of_cells.shape)
    for fold in range(int(fold_of.max()) + 1):
        trained = fold_of != fold
        weights = np.zeros(labels.shape)
        for label in (0, 1):
            ours = trained & (labels == label)
            weights += ours / ours.sum(axis=1, keepdims=True)
        weights *= trained.sum(axis=1, keepdims=True) / 2 / patients.counts
        fitted = _logistic(inputs, of_cells, weights[:, patients.of_cell])
        asked = ~trained[:, patients.of_cell]
        answers[asked] = expit(fitted @ inputs.T)[asked]
    return answers


def _logistic(inputs: Numbers, labels: Labels, weights: Numbers) -> Numbers:
    """Return the coefficients (b, k) of b logistic regressions at once, by Newton's method.

    All have the inputs (n, k), whose last is 1, for the intercept, and goes unpenalised; labels and weights are (b, n).
    One by one, as scikit-learn has them, 200 permutations of a thousand cells take fifteen times as long.
    """
    k = inputs.shape[1]
    penalty = np.append(np.ones(k - 1), 0)
    products = (inputs[:, :, None] * inputs[:, None]).reshape(-1, k * k)
    fitted = np.zeros((len(labels), k))
    for _ in range(_STEPS):
        probability = expit(fitted @ inputs.T)
        slope = (weights * (probability - labels)) @ inputs + penalty * fitted
        bend = ((weights * probability * (1 - probability)) @ products).reshape(-1, k, k) + np.diag(penalty)
        step = np.linalg.solve(bend, slope[..., None])[..., 0]
        fitted -= step
        if np.abs(step).max() < _PRECISION:
            break
    return fitted
