"""The picture of what a search spent and on whom: hypervolume over epochs, the rungs, what mattered."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from search.display.plots import FAINT, GREY, INK, LEGEND, layout, save, style, title_of
from search.display.text import metric_name
from search.selection.head_start import ColdStart
from search.study.front import Effort, effort
from search.study.objectives import Objectives
from search.study.records import StudyRecord, TrialState

_SHOWN = 8  # hyperparameters
_HATCHES = ("", "////", "....")


def draw_effort(
    record: StudyRecord,
    objectives: Objectives,
    importances: Mapping[str, Mapping[str, float]],
    path: Path,
    *,
    cold: ColdStart | None = None,
    title: str,
    synthetic: bool,
) -> None:
    """Draw the hypervolume over the epochs spent, how many trials each rung stopped, and what mattered.

    ``importances`` is what ``importance.importances`` returns; empty leaves its panel out, as no rung does. ``cold`` is
    what a warm start is to be seen beside.
    """
    judged = any(trial.decisions for trial in record.trials.values())
    panels = [["volume"], *([["rungs"]] if judged else []), *([["importance"]] if importances else [])]
    figure = Figure(figsize=(7.2, 2.9 * len(panels)), dpi=150, layout=layout())
    drawn: dict[str, Axes] = figure.subplot_mosaic(panels)
    _draw_volume(drawn["volume"], effort(record, objectives), cold)
    if judged:
        _draw_rungs(drawn["rungs"], record)
    if importances:
        draw_importances(drawn["importance"], importances)
    for axes in drawn.values():
        style(axes)
    title_of(drawn["volume"], title, synthetic=synthetic)
    save(figure, path)


def _draw_volume(axes: Axes, ours: Effort, cold: ColdStart | None) -> None:
    """Draw the hypervolume over the epochs of the trials that had ended when it was reached."""
    axes.set(xlabel="epochs of the trials that have ended", ylabel="hypervolume")
    looks: list[tuple[Effort, str, dict[str, Any]]] = [(ours, "this study", {"color": INK})]
    if cold:
        looks.append((cold.effort, f"cold start: {cold.name}", {"color": GREY, "linestyle": "--"}))
    for drawn, name, look in looks:
        if drawn.spent:
            axes.step((0, *drawn.epochs), (0, *drawn.volumes), where="post", linewidth=1.4, label=name, **look)
    if cold:
        axes.legend(loc="lower right", **LEGEND)


def _draw_rungs(axes: Axes, record: StudyRecord) -> None:
    """Draw a bar for each rung: who came, and who trained on."""
    rungs = sorted({verdict.rung for trial in record.trials.values() for verdict in trial.decisions})
    came = [[trial.decision(rung) for trial in record.trials.values() if trial.decision(rung)] for rung in rungs]
    stopped = [sum(verdict is not None and verdict.stops for verdict in verdicts) for verdicts in came]
    on = [len(verdicts) - out for verdicts, out in zip(came, stopped, strict=True)]
    names = [f"epoch {rung}" for rung in rungs] + ["complete"]
    on.append(record.count(TrialState.COMPLETE))
    stopped.append(0)
    places = np.arange(len(names))[::-1]
    axes.barh(places, on, color=GREY, height=0.6, label="trained on, or to the end")
    axes.barh(places, stopped, left=on, color="white", edgecolor=GREY, hatch="////", height=0.6, label="stopped there")
    for place, these, those in zip(places, on, stopped, strict=True):
        words = f" {these} of {these + those}" if those else f" {these}"
        axes.text(these + those, place, words, va="center", fontsize=8.5, color=INK)
    axes.set_yticks(places, names)
    axes.set(xlabel="trials")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.margins(x=0.12)
    axes.legend(loc="lower right", **LEGEND)


def draw_importances(axes: Axes, importances: Mapping[str, Mapping[str, float]]) -> None:
    """Draw a bar for each objective and hyperparameter, the most important first."""
    total = {name: sum(of.get(name, 0.0) for of in importances.values()) for of in importances.values() for name in of}
    names: Sequence[str] = sorted(total, key=lambda name: -total[name])[:_SHOWN]
    height = 0.8 / len(importances)
    looks: list[dict[str, Any]] = [
        {"color": INK},
        {"color": FAINT, "edgecolor": GREY},
        {"color": "white", "edgecolor": GREY},
    ]
    for row, (objective, shares) in enumerate(importances.items()):
        places = np.arange(len(names))[::-1] - (row - (len(importances) - 1) / 2) * height
        widths = [shares.get(name, 0.0) for name in names]
        axes.barh(places, widths, height=height, hatch=_HATCHES[row], label=metric_name(objective), **looks[row])
    axes.set_yticks(np.arange(len(names))[::-1], names)
    axes.set(xlabel="importance (PED-ANOVA, share of what the best quarter has in common)")
    axes.legend(loc="lower right", **LEGEND)
