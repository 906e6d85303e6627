"""The table and the picture of replayed searches: hypervolume over the epochs spent, of many seeds."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

OURS = "this project"
POINTS = 200  # budgets at which searches are compared
# Hypervolumes (seeds, POINTS) of each search.
Found = Mapping[str, np.ndarray]

_STYLES = ("-", "--", "-.", ":", (0, (8, 2)), (0, (3, 1, 1, 1)), (0, (1, 3)), (0, (5, 5)), (0, (6, 1, 1, 1, 1, 1)))


def interval(values: np.ndarray) -> tuple[float, float]:
    """Return the 95 % interval of the mean over seeds (n,), by bootstrap."""
    rng = np.random.default_rng(0)
    means = rng.choice(values, (2000, len(values))).mean(axis=1)
    return float(np.quantile(means, 0.025)), float(np.quantile(means, 0.975))


def share_to(mine: np.ndarray, volumes: np.ndarray) -> np.ndarray:
    """Return the share of the budget after which each row of ``mine`` (n, POINTS) has its volume (n,), or inf."""
    there = mine >= volumes[:, None]
    return np.where(there.any(axis=1), (there.argmax(axis=1) + 1) / mine.shape[1], np.inf)


def table(found: Found, stopped_too: Found) -> list[str]:
    """Return the table's lines; ``stopped_too`` counts stopped trials with their best epoch as well."""
    mine = found[OURS]
    lines = [
        "| search | at 1/3 of the budget | at the end (95 % interval of the mean) | "
        "this project's mean is there after | median over seeds | seeds on which it ends above | stopped trials too |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, reached in found.items():
        end = reached[:, -1]
        low, high = interval(end)
        told = ["", "", ""]
        if name != OURS:
            same = mine[: len(end)]  # seeds
            by_mean = share_to(mine.mean(axis=0)[None], end.mean()[None])[0]
            told = [_share(by_mean), _share(np.median(share_to(same, end))), f"{np.mean(same[:, -1] > end):.0%}"]
        lines.append(
            f"| {name} | {reached[:, POINTS // 3 - 1].mean():.4f} | {end.mean():.4f} ({low:.4f} to {high:.4f}) | "
            f"{' | '.join(told)} | {stopped_too[name][:, -1].mean():.4f} |"
        )
    return lines


def _share(value: float) -> str:
    return f"{value:.2f} of the budget" if np.isfinite(value) else "never"


def draw(found: Found, names: Sequence[str], epochs: int, path: Path) -> None:
    """Draw the means over the budget of ``names``, this project's in ink with its interval."""
    figure = Figure(figsize=(7.2, 5.0), dpi=150, layout="constrained")
    axes = figure.subplots()
    grid = np.linspace(0, epochs, POINTS + 1)[1:]
    for place, name in enumerate(names):
        mine = name == OURS
        axes.plot(
            grid,
            found[name].mean(axis=0),
            color="#111111" if mine else "#777777",
            linewidth=2.2 if mine else 1.3,
            linestyle=_STYLES[place % len(_STYLES)],
            label=name,
        )
        if mine:
            edges = np.array([interval(found[name][:, point]) for point in range(POINTS)])
            axes.fill_between(grid, edges[:, 0], edges[:, 1], color="#111111", alpha=0.12, linewidth=0)
    low = min(found[name].mean(axis=0)[POINTS // 10] for name in names)
    axes.set(xlabel="epochs trained, over all trials", ylabel="hypervolume (mean over seeds)", ylim=(low, None))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8.5, loc="lower right")
    axes.set_title("Replayed on curves of DRAWN cells", loc="left", fontsize=11)
    figure.savefig(path)
