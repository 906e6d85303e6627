"""Who comes before whom where there are several objectives: fronts, and within a front the order of an epsilon-net.

The order that multi-objective successive halving keeps its best by (Schmucker et al. 2021, arXiv:2106.12639, after
Salinas et al. 2021): the fronts one after another, and within a front whoever lies farthest from all that came before,
so that any few of the first are spread over the whole front. It begins with the lowest first objective: the highest
recall. Lower is better throughout, as in ``front``.
"""

from bisect import bisect_right

import numpy as np
import numpy.typing as npt

from search.study.dominance import Points, pareto_mask

Order = npt.NDArray[np.int64]


def rank(losses: Points, violations: npt.ArrayLike) -> Order:
    """Return the rows of n points, the best first: a permutation of 0 to n - 1.

    Points (n, m) with a violation (n,) of zero or less are feasible and come first, front by front; the others follow
    by their violation, and equally violating ones as feasible ones do. Rows with a NaN come last, and of equal rows the
    first comes first; the order of others changes nothing.
    """
    over = np.maximum(np.asarray(violations, dtype=np.float64), 0.0)
    over = np.where(np.isnan(losses).any(axis=1) | np.isnan(over), np.inf, over)
    groups = [np.flatnonzero(over == level) for level in np.unique(over)]
    return np.concatenate([np.empty(0, np.int64), *(rows[_by_fronts(losses[rows])] for rows in groups)])


def nondominated_fronts(losses: Points) -> list[Order]:
    """Return the rows of each front: those that nobody dominates, then those that only they dominate, and so on.

    Rows with a NaN are in none.
    """
    left = np.flatnonzero(~np.isnan(losses).any(axis=1))
    if losses.shape[1] == 2:
        return _swept(losses, left)
    found = []
    while len(left):
        mask = pareto_mask(losses[left])
        found.append(left[mask])
        left = left[~mask]
    return found


def _swept(losses: Points, rows: Order) -> list[Order]:
    """Return the fronts of two objectives in one sweep along the first, O(n log n) where peeling takes O(n) sweeps.

    Of those before it, a point is dominated by the ones whose second objective is no higher; the lowest second
    objective of each front so far rises from front to front, so its own is found by bisection.
    """
    found: list[list[int]] = []
    lowest: list[float] = []
    before: tuple[float, float] | None = None
    place = 0
    for row in rows[np.lexsort((losses[rows, 1], losses[rows, 0]))].tolist():
        point = (losses[row, 0], losses[row, 1])
        if point != before:  # equal ones stay together
            place = bisect_right(lowest, point[1])
            before = point
        if place == len(found):
            found.append([])
            lowest.append(point[1])
        lowest[place] = min(lowest[place], point[1])
        found[place].append(row)
    return [np.sort(np.array(front, dtype=np.int64)) for front in found]


def epsilon_net(losses: Points) -> Order:
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
    ranked = [rows[epsilon_net(losses[rows])] for rows in nondominated_fronts(losses)]
    without = np.flatnonzero(np.isnan(losses).any(axis=1))
    return np.concatenate([np.empty(0, np.int64), *ranked, without])
