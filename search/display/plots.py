"""The pictures of a study: its front, and how it came about.

Drawn on Figure objects of their own, never through pyplot: nothing global, and safe beside a running search.
Everything is told by shape and line style as well as by shade, so a black and white print loses nothing.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator

from leukmodels.process.files import written_aside
from search.display.labels import label_points
from search.study.dominance import pareto_mask
from search.study.front import ParetoFront, hypervolumes, pareto_front
from search.study.objectives import OBJECTIVES, Objectives
from search.study.records import DEFAULT, StudyRecord, TrialRecord

INK, GREY, FAINT = "#111111", "#8a8a8a", "#c4c4c4"
LINE_STYLES = ("-", "--", "-.", ":", (0, (8, 2)), (0, (3, 1, 1, 1, 1, 1)))
LEGEND: dict[str, Any] = {"frameon": False, "fontsize": 8.5, "columnspacing": 1.4, "handletextpad": 0.6}


def draw_front(
    front: ParetoFront, path: Path, *, title: str, synthetic: bool, objectives: Objectives | None = None
) -> None:
    """Draw ``front_figure`` to a file."""
    save(front_figure(front, title=title, synthetic=synthetic, objectives=objectives), path)


def front_figure(
    front: ParetoFront,
    *,
    title: str,
    synthetic: bool,
    objectives: Objectives | None = None,
    inches: tuple[float, float] = (7.2, 5.4),
) -> Figure:
    """Draw recall against accuracy of every complete trial, the front as a staircase with its trials' numbers.

    The staircase is the best accuracy to be had at a recall of at least x. With ``objectives`` given, the region that
    their floors forbid is hatched. A third objective is not in the picture: its front holds trials behind the staircase
    too.
    """
    figure = Figure(figsize=inches, dpi=150, layout=layout())
    axes = figure.subplots()
    everyone = [*front.trials, *front.dominated, *front.infeasible]
    if everyone:
        window = _window(front)
        axes.set(xlim=window[0], ylim=window[1])
        _draw_trials(axes, front, window)
        _draw_floors(axes, everyone, objectives or Objectives(), window)
        figure.legend(loc="outside lower center", ncols=int(inches[0] / 2.2), **LEGEND)
    else:
        axes.text(0.5, 0.5, "no trial is complete yet", ha="center", transform=axes.transAxes, color=GREY)
    axes.set(xlabel="recall (validation cells)", ylabel="accuracy (validation cells)")
    style(axes)
    title_of(axes, title, synthetic=synthetic)
    _label_front(axes, front)
    return figure


def draw_progress(record: StudyRecord, objectives: Objectives, path: Path, *, title: str, synthetic: bool) -> None:
    """Draw the hypervolume over the finished trials, and below it the validation log loss and recall per epoch."""
    figure = Figure(figsize=(7.2, 6.6), dpi=150, layout=layout())
    panels: dict[str, Axes] = figure.subplot_mosaic([["volume", "volume"], ["loss", "recall"]], height_ratios=[0.7, 1])
    front = pareto_front(record, objectives).trials
    draw_hypervolume(panels["volume"], hypervolumes(record, objectives), {trial.number for trial in front})
    draw_curves(panels["loss"], record, front, "log_loss")
    draw_curves(panels["recall"], record, front, "recall")
    panels["loss"].set(xlabel="epoch", ylabel="log loss (validation cells, nats)")
    panels["recall"].set(xlabel="epoch", ylabel="recall (validation cells)", ylim=(-0.03, 1.03))
    if handles := panels["loss"].get_legend_handles_labels()[0]:
        figure.legend(handles=handles, loc="outside lower center", ncols=5, **LEGEND)
    for axes in panels.values():
        style(axes)
    title_of(panels["volume"], title, synthetic=synthetic)
    save(figure, path)


Window = tuple[tuple[float, float], tuple[float, float]]


def _window(front: ParetoFront) -> Window:
    """Return the limits of recall and accuracy: the front and the default whole, and the rest as far as it is near.

    One trial that answers "healthy" to everything would otherwise squeeze the front into a corner.
    """
    others = [*front.dominated, *front.infeasible]
    core = [*front.trials, *(trial for trial in others if trial.source == DEFAULT)] or others
    points, rest = _points(core), _points(others)
    limits = []
    for axis in range(2):
        low, high = points[:, axis].min(), points[:, axis].max()
        reach = max(1.5 * (high - low), 0.25)
        near = rest[(rest[:, axis] >= low - reach) & (rest[:, axis] <= high + reach), axis]
        low, high = min([low, *near]), max([high, *near])
        margin = 0.08 * (high - low) + 0.25 * max(0.1 - (high - low), 0.0)
        limits.append((low - margin, high + margin))
    return limits[0], limits[1]


def _points(trials: Sequence[TrialRecord]) -> npt.NDArray[np.float64]:
    return np.array([[trial.metrics[name] for name in OBJECTIVES] for trial in trials], dtype=np.float64).reshape(-1, 2)


def _draw_trials(axes: Axes, front: ParetoFront, window: Window) -> None:
    """Draw the three kinds of complete trials, the staircase and the default's ring."""
    if front.trials:
        points = _points(front.trials)
        recall, accuracy = points[pareto_mask(-points)][::-1].T
        corners = np.concatenate([[window[0][0]], recall, recall[-1:]])
        heights = np.concatenate([accuracy[:1], accuracy, [window[1][0]]])
        axes.step(corners, heights, where="pre", color=INK, linewidth=1.4, zorder=3)
        axes.fill_between(corners, heights, window[1][0], step="pre", color="#f1f1f1", zorder=0)
    looks: list[tuple[Sequence[TrialRecord], str, dict[str, Any]]] = [
        (front.trials, "front, by trial number", {"marker": "o", "color": INK, "s": 46, "zorder": 5}),
        (front.dominated, "behind the front", {"marker": "o", "color": FAINT, "s": 26, "zorder": 2}),
        (
            front.infeasible,
            "beyond a bound",
            {"marker": "x", "color": GREY, "s": 30, "linewidths": 1.2, "zorder": 2},
        ),
    ]
    for trials, words, look in looks:
        if trials:
            points = _points(trials)
            outside = sum(not _inside(point, window) for point in points)
            far = f", {outside} not in view" if outside else ""
            axes.scatter(*points.T, label=f"{words} ({len(trials)}{far})", **look)
    everyone = [*front.trials, *front.dominated, *front.infeasible]
    if first := [trial for trial in everyone if trial.source == DEFAULT]:
        ring: dict[str, Any] = {
            "marker": "s",
            "s": 120,
            "facecolors": "none",
            "edgecolors": INK,
            "linewidths": 1.1,
            "zorder": 6,
        }
        axes.scatter(*_points(first).T, label=f"default CNN (trial {first[0].number})", **ring)


def _inside(point: npt.NDArray[np.float64], window: Window) -> bool:
    return all(low <= value <= high for value, (low, high) in zip(point, window, strict=True))


def _draw_floors(axes: Axes, trials: Sequence[TrialRecord], objectives: Objectives, window: Window) -> None:
    """Hatch what the floors forbid.

    accuracy = share * recall + (1 - share) * specificity, share being that of leukemic cells in validation; so a
    specificity is a straight line in the plane of recall and accuracy, and three metrics of any trial give the share.
    """
    look: dict[str, Any] = {"facecolor": "none", "edgecolor": "#dddddd", "hatch": "////", "linewidth": 0, "zorder": 1}
    (left, right), (bottom, _) = window
    if objectives.min_recall > left:
        axes.axvspan(left, min(objectives.min_recall, right), **look)
        axes.axvline(
            objectives.min_recall,
            color=GREY,
            linewidth=1,
            linestyle=":",
            label=f"recall floor {objectives.min_recall:g}",
        )
    share = _leukemic_share(trials)
    if share is None or objectives.min_specificity <= 0:
        return
    recall = np.array([left, right])
    accuracy = share * recall + (1 - share) * objectives.min_specificity
    if accuracy.max() > bottom:
        axes.fill_between(recall, np.minimum(accuracy, bottom), accuracy, **look)
        words = f"specificity floor {objectives.min_specificity:g}"
        axes.plot(recall, accuracy, color=GREY, linewidth=1, linestyle="--", label=words, zorder=1)


def _leukemic_share(trials: Sequence[TrialRecord]) -> float | None:
    """Return the share of leukemic cells in validation by least squares over the trials; None if none tells it."""
    metrics = np.array([[trial.metrics[name] for name in ("recall", "accuracy", "specificity")] for trial in trials])
    across, up = metrics[:, 0] - metrics[:, 2], metrics[:, 1] - metrics[:, 2]
    return float(across @ up / (across @ across)) if across @ across > 1e-6 else None


def _label_front(axes: Axes, front: ParetoFront) -> None:
    """Write the trials' numbers beside the front; trials on the same spot share one label."""
    spots: dict[tuple[float, ...], list[int]] = {}
    for trial in front.trials:
        spots.setdefault(tuple(trial.metrics[name] for name in OBJECTIVES), []).append(trial.number)
    others = _points([*front.dominated, *front.infeasible])
    labels = [", ".join(map(str, sorted(numbers))) for numbers in spots.values()]
    label_points(axes, np.array(list(spots)).reshape(-1, 2), labels, avoid=others, color=INK)


def draw_hypervolume(axes: Axes, reached: Sequence[tuple[int, float]], members: set[int]) -> None:
    """Draw the growth of the hypervolume; what enlarged it is a dot, with its number if it is on the front still."""
    axes.set(xlabel="complete trials, as they finished", ylabel="hypervolume")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if not reached:
        return
    volume = np.array([value for _, value in reached])
    count = np.arange(1, len(volume) + 1)
    axes.step(count, volume, where="post", color=INK, linewidth=1.4)
    better = np.flatnonzero(np.diff(volume, prepend=0.0) > 0)
    axes.plot(count[better], volume[better], "o", color=INK, markersize=4.5)
    axes.margins(x=0.08, y=0.25)
    named = [index for index in better.tolist() if reached[index][0] in members]
    labels = [f"trial {reached[index][0]}" for index in named]
    label_points(axes, np.column_stack([count[named], volume[named]]), labels)


def draw_curves(axes: Axes, record: StudyRecord, front: Sequence[TrialRecord], metric: str) -> None:
    """Draw a validation metric of every trial per epoch, the front's members in ink with a line style each."""
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    members = {trial.number for trial in front}
    others = [_curve(trial, metric) for number, trial in record.trials.items() if number not in members]
    if others:
        broken = [np.vstack([curve, [[np.nan, np.nan]]]) for curve in others]  # NaN lifts the pen: one line for all
        axes.plot(
            *np.concatenate(broken).T,
            color=FAINT,
            linewidth=0.8 if len(others) < 100 else 0.3,
            label="other trials",
            zorder=1,
        )
    for index, trial in enumerate(front):
        style = LINE_STYLES[index % len(LINE_STYLES)]
        label = f"trial {trial.number}"
        axes.plot(
            *_curve(trial, metric).T,
            color=INK,
            linewidth=1.5,
            linestyle=style,
            marker="o",
            markersize=3,
            label=label,
            zorder=2,
        )
    if metric in ("loss", "log_loss"):
        _bound_losses(axes, record, metric)


def _bound_losses(axes: Axes, record: StudyRecord, metric: str) -> None:
    """Keep a few exploding trials from flattening all the others."""
    losses = np.concatenate([[], *(_curve(trial, metric)[:, 1] for trial in record.trials.values())])
    losses = losses[np.isfinite(losses)]
    if len(losses):
        low, high = losses.min(), min(losses.max(), 2.5 * np.quantile(losses, 0.75))
        margin = 0.05 * max(high - low, 0.02)
        axes.set_ylim(low - margin, high + margin)


def _curve(trial: TrialRecord, metric: str) -> npt.NDArray[np.float64]:
    """Return rows of (epoch from 1, metric), NaN where the journal holds no number."""
    return np.array(
        [
            (epoch, np.nan if metrics.get(metric) is None else metrics[metric])
            for epoch, metrics in enumerate(trial.epochs, 1)
        ],
        dtype=np.float64,
    ).reshape(-1, 2)


def layout() -> ConstrainedLayoutEngine:
    """Return the layout of all pictures."""
    return ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.1)


def style(axes: Axes) -> None:
    """Give a panel the look of all pictures."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=9, color=GREY)
    axes.grid(color="#e6e6e6", linewidth=0.6)
    axes.set_axisbelow(True)


def title_of(axes: Axes, title: str, *, synthetic: bool) -> None:
    """Head the picture, and say so where its data were drawn by a program."""
    axes.set_title(title, loc="left", fontsize=11, pad=10)
    if synthetic:
        axes.set_title("SYNTHETIC DATA", loc="right", fontsize=10, weight="bold", pad=10)


def save(figure: Figure, path: Path) -> None:
    """Write a picture, whole or not at all."""
    with written_aside(path, durable=False) as aside:
        figure.savefig(aside)
