import math

import numpy as np
import pytest

from leukmodels.domain.limits import Limits


def test_the_limits_of_four_patients_with_two_cells_each() -> None:
    """By hand: means 1, 2, 3, 4; cells 0.1 to either side of them, so that the cells of one have variance 0.02."""
    logs = np.array([0.9, 1.1, 1.9, 2.1, 2.9, 3.1, 3.9, 4.1])
    limits = Limits.learn(logs, np.array([0, 0, 1, 1, 2, 2, 3, 3]))
    assert limits.patients == 4
    assert limits.mean == pytest.approx(2.5)
    assert limits.within == pytest.approx(math.sqrt(0.02))
    assert limits.between == pytest.approx(math.sqrt(5 / 3 - 0.02 / 2))
    assert limits.factor == pytest.approx(4.541, abs=1e-3)  # Student's t, 3 degrees of freedom, 99 %
    # The ninth decile lies at 3.9 + 0.3 x 0.2, the one cell above it 0.14 higher; a thousandth of a tenth is wanted.
    assert limits.cell == pytest.approx(3.96 + 0.14 * math.log(1000))
    assert limits.of_set(5) == pytest.approx(2.5 + 4.541 * math.sqrt((5 / 3 - 0.01) * 5 / 4 + 0.02 / 5), abs=2e-3)


def test_patients_and_cells_surely_differ() -> None:
    limits = Limits.learn(np.zeros(6), np.array([0, 0, 1, 1, 2, 2]))
    assert (limits.between, limits.within) == (pytest.approx(0.1), 0.0)
    assert limits.cell == pytest.approx(0.03 * math.log(1000))
    assert Limits.learn(np.zeros(1), np.zeros(1, np.int64)).of_set(1) == pytest.approx(
        4.541 * 0.1 * math.sqrt(2), abs=1e-3
    )


def test_cells_of_nobody_known_may_differ_by_the_patient_as_much_as_they_do() -> None:
    logs = np.random.default_rng(0).normal(0, 0.5, 200)
    limits = Limits.learn(logs, np.arange(200))
    assert limits.within == 0
    assert limits.between == pytest.approx(logs.std(ddof=1))
    assert limits.of_set(100) == limits.of_set(1)


@pytest.mark.parametrize(("patients", "most"), [(5, 0.04), (20, 0.03), (80, 0.025)])
@pytest.mark.parametrize("cells", [1, 20, 300])
def test_few_of_the_next_patients_are_beyond_the_limit(patients: int, most: float, cells: int) -> None:
    """Patients that differ by 0.3, cells by 0.5: over many studies, how often is one more patient called unlike?"""
    rng = np.random.default_rng(patients * cells)
    unlike = []
    for _ in range(120):
        means = rng.normal(0, 0.3, patients)
        whose = np.repeat(np.arange(patients), 10)
        limits = Limits.learn(rng.normal(means[whose], 0.5), whose)
        others = rng.normal(0, 0.3, 50) + rng.normal(0, 0.5 / math.sqrt(cells), 50)
        unlike.append((others > limits.of_set(cells)).mean())
    assert np.mean(unlike) < most


def test_a_cell_of_thousands_is_beyond_the_limit() -> None:
    rng = np.random.default_rng(0)
    limits = Limits.learn(rng.normal(0, 0.5, 1000), np.arange(1000) // 20)
    assert 0 <= (rng.normal(0, 0.5, 100_000) > limits.cell).mean() < 2e-4
