"""Who comes before whom where there are several objectives: fronts, and within a front the order of an epsilon-net.

The order that multi-objective successive halving keeps its best by (Schmucker et al. 2021, arXiv:2106.12639, after
Salinas et al. 2021): the fronts one after another, and within a front whoever lies farthest from all that came before,
so that any few of the first are spread over the whole front. It begins with the lowest first objective: the highest
recall. Lower is better throughout, as in ``front``.
"""

import numpy as np
import numpy.typing as npt

from search.front import Points, pareto_mask

Order = npt.NDArray[np.int64]


def best_first(losses: Points, violations: npt.ArrayLike) -> Order:
    """Return the rows of n points, the best first: a permutation of 0 to n - 1 that does not depend on their order.

    Points (n, m) with a violation (n,) of zero or less are feasible and come first, front by front; the others follow
    by their violation, and equally violating ones as feasible ones do. Rows with a NaN come last.
    """
    over = np.maximum(np.asarray(violations, dtype=np.float64), 0.0)
    over = np.where(np.isnan(losses).any(axis=1) | np.isnan(over), np.inf, over)
    groups = [np.flatnonzero(over == level) for level in np.unique(over)]
    return np.concatenate([np.empty(0, np.int64), *(rows[_by_fronts(losses[rows])] for rows in groups)])


def fronts(losses: Points) -> list[Order]:
    """Return the rows of each front: those that nobody dominates, then those that only they dominate, and so on.

    Rows with a NaN are in none.
    """
    left = np.flatnonzero(~np.isnan(losses).any(axis=1))
    found = []
    while len(left):
        mask = pareto_mask(losses[left])
        found.append(left[mask])
        left = left[~mask]
    return found


def spread(losses: Points) -> Order:
    """Return the rows in the order of an epsilon-net: the lowest first objective, then the farthest from all before.

    (Clarkson 2006, "Nearest-neighbor searching and metric space dimensions".) Of equally far ones the first in
    lexicographic order comes first.
    """
    sequence = np.lexsort(losses.T[::-1])  # by the first objective, then the second, ...
    points = losses[sequence]
    order: list[int] = []
    nearest = np.full(len(points), np.inf)
    for _ in range(len(points)):
        chosen = int(np.argmax(nearest))
        order.append(chosen)
        nearest = np.minimum(nearest, np.linalg.norm(points - points[chosen], axis=1))
        nearest[order] = -1.0
    return np.asarray(sequence[order], dtype=np.int64)


def _by_fronts(losses: Points) -> Order:
    ranked = [rows[spread(losses[rows])] for rows in fronts(losses)]
    without = np.flatnonzero(np.isnan(losses).any(axis=1))
    return np.concatenate([np.empty(0, np.int64), *ranked, without])
