"""The figures of a page, each a Figure of its own; small, so that they can be read on a telephone.

Told by shape and line style as well as by shade; units and legends on each.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from leukmodels.evaluation.bands import Band
from leukmodels.evaluation.curves import curve_of
from leukmodels.evaluation.operating import Front
from leukmodels.process.words import Terms
from search.display.effort import draw_importances
from search.display.plots import (
    FAINT,
    GREY,
    INK,
    LEGEND,
    LINE_STYLES,
    draw_curves,
    draw_hypervolume,
    front_figure,
    layout,
    style,
)
from search.report.comparison import Comparison
from search.report.facts import Model, Page, Searched
from search.study.front import complete, hypervolumes

if TYPE_CHECKING:
    from search.study.records import TrialRecord

_INCHES = (4.7, 3.9)
_TICK_LETTERS = 16
_UNIT: dict[str, Any] = {"xlim": (-0.02, 1.02), "ylim": (-0.02, 1.02)}
_BAND: dict[str, Any] = {"color": "#e3e3e3", "linewidth": 0}
_HERE: dict[str, Any] = {"marker": "o", "linestyle": "", "color": INK, "markersize": 6, "label": "at the threshold"}


def figures_of(page: Page) -> Mapping[str, Figure]:
    """Return the figures that the state of the study allows, by name."""
    searched, terms = page.searched, page.subject.terms
    drawn: dict[str, Figure] = {}
    if complete(searched.front):
        told: dict[str, Any] = {"title": "", "synthetic": page.subject.synthetic, "objectives": searched.objectives}
        drawn["front"] = front_figure(searched.front, inches=(4.7, 4.5), **told)
        drawn["hypervolume"] = _drawn(_hypervolume, searched)
    if page.models and page.bands:
        drawn["loss"] = _drawn(_learning, page, "loss", "training loss (nats, with penalties)")
        drawn["log_loss"] = _drawn(_learning, page, "log_loss", "log loss (validation cells, nats)")
        drawn["roc"] = _drawn(_roc, page.models, page.bands.recall, terms)
        drawn["precision_recall"] = _drawn(_precision_recall, page.models, page.bands.precision, terms)
        drawn["calibration"] = _drawn(_calibration, page.models[0], terms)
        drawn["confusion"] = _confusions(page.models[0], terms)
        if page.models[0].judged.by_patient:
            drawn["patients"] = _drawn(_patients, page.models[0], terms)
    if searched.importances:
        drawn["importances"] = _drawn(draw_importances, searched.importances)
    if page.operating:
        drawn["operating"] = _drawn(_operating, page.operating, searched)
    return drawn


def _drawn(draw: Callable[..., None], *facts: Any) -> Figure:
    """Return a figure of one panel in the look of all."""
    figure = Figure(figsize=_INCHES, layout=layout())
    axes = figure.subplots()
    draw(axes, *facts)
    style(axes)
    return figure


def _hypervolume(axes: Axes, searched: Searched) -> None:
    front = {trial.number for trial in searched.front.trials}
    draw_hypervolume(axes, hypervolumes(searched.record, searched.objectives), front)


def _learning(axes: Axes, page: Page, metric: str, label: str) -> None:
    """Draw the learning curves of the page's models over those of all trials."""
    record = page.searched.record
    draw_curves(axes, record, [record.trials[model.trial] for model in page.models], metric)
    axes.set(xlabel="epoch", ylabel=label)
    axes.legend(**LEGEND)


def _roc(axes: Axes, models: Sequence[Model], band: Band, terms: Terms) -> None:
    axes.plot([0, 1], [0, 1], color=FAINT, linewidth=1, linestyle=":", label="by chance (AUROC 0.5)")
    axes.fill_between(1 - band.place, band.low, band.high, **_BAND, label=f"95 % at each point, by {terms.units}")
    for model, look in _looks(models):
        line, area = curve_of(model.judged.scored), model.judged.cells.figures["auroc"].estimate
        axes.plot(1 - line.specificity, line.recall, label=f"trial {model.trial} (AUROC {area:.2f})", **look)
    judged = models[0].judged
    axes.plot(1 - judged.cells.figures["specificity"].estimate, judged.cells.figures["recall"].estimate, **_HERE)
    axes.set(xlabel=f"1 - specificity ({judged.part} cells)", ylabel=f"recall ({judged.part} cells)", **_UNIT)
    axes.legend(loc="lower right", **LEGEND)


def _precision_recall(axes: Axes, models: Sequence[Model], band: Band, terms: Terms) -> None:
    judged = models[0].judged
    share = judged.cells.confusion[1].sum() / judged.cells.count
    axes.axhline(share, color=FAINT, linewidth=1, linestyle=":", label=f"by chance ({share:.2f})")
    axes.fill_between(band.place, band.low, band.high, **_BAND, label=f"95 % at each point, by {terms.units}")
    for model, look in _looks(models):
        line, area = curve_of(model.judged.scored), model.judged.cells.figures["pr_auc"].estimate
        first = int(np.argmax(line.true_positives > 0))  # before the first found cell precision says nothing
        axes.plot(line.recall[first:], line.precision[first:], label=f"trial {model.trial} (area {area:.2f})", **look)
    axes.plot(judged.cells.figures["recall"].estimate, judged.cells.figures["precision"].estimate, **_HERE)
    axes.set(xlabel=f"recall ({judged.part} cells)", ylabel=f"precision ({judged.part} cells)", **_UNIT)
    _legend_below(axes)


def _legend_below(axes: Axes) -> None:
    """Put the legend below a panel that curves may fill anywhere."""
    axes.figure.legend(loc="outside lower center", ncols=2, **LEGEND)


def _looks(models: Sequence[Model]) -> Iterator[tuple[Model, dict[str, Any]]]:
    """Yield the models with the lines of their curves, the first in ink."""
    for index, model in enumerate(models):
        look: dict[str, Any] = {"color": GREY, "linewidth": 1.2} if index else {"color": INK, "linewidth": 1.8}
        yield model, {**look, "linestyle": LINE_STYLES[index % len(LINE_STYLES)]}


def _calibration(axes: Axes, model: Model, terms: Terms) -> None:
    """Draw the share of positive cells over the mean probability of bins, before and after temperature scaling.

    The more cells a bin has, the larger its mark.
    """
    calibration = model.judged.calibration
    axes.plot([0, 1], [0, 1], color=FAINT, linewidth=1, linestyle=":", label="probability = share")
    looks: list[tuple[str, Any, dict[str, Any]]] = [
        ("as it is", calibration.bins_before, {"marker": "o", "color": INK, "edgecolors": INK, "linestyle": "-"}),
        (
            "temperature scaled",
            calibration.bins_after,
            {"marker": "s", "color": "white", "edgecolors": GREY, "linestyle": "--"},
        ),
    ]
    for words, bins, look in looks if calibration.temperature else looks[:1]:
        x, y = [each.mean_score for each in bins], [each.leukemic_share for each in bins]
        most = max(each.count for each in bins)
        axes.plot(x, y, color=look["edgecolors"], linewidth=0.9, linestyle=look.pop("linestyle"))
        axes.scatter(x, y, s=[12 + 60 * each.count / most for each in bins], zorder=3, label=words, **look)
    part, share = model.judged.part, f"share {_plain(terms.positive)}"
    axes.set(xlabel=f"mean probability ({part} cells)", ylabel=f"{share} ({part} cells)", **_UNIT)
    _legend_below(axes)


def _plain(name: str) -> str:
    """Return a name as matplotlib draws it, and reads no formula in it."""
    return name.replace("$", r"\$")


def _confusions(model: Model, terms: Terms) -> Figure:
    """Draw the counts of truth by answer, of cells and of patients, shaded by the share of the truth's row."""
    judged = model.judged
    figure = Figure(figsize=(4.7, 2.6), layout=layout())
    for axes, level in zip(figure.subplots(1, len(judged.levels), squeeze=False)[0], judged.levels, strict=True):
        shares = level.confusion / level.confusion.sum(axis=1, keepdims=True)
        axes.imshow(shares, cmap="Greys", vmin=0, vmax=1.6)
        for (truth, answer), count in np.ndenumerate(level.confusion):
            words = f"{count:,}\n{shares[truth, answer]:.0%}"
            axes.text(answer, truth, words, ha="center", va="center", fontsize=10, color=INK)
        axes.set_xticks([0, 1], _sides(terms), fontsize=8.5)
        axes.set_yticks([0, 1], _sides(terms), fontsize=8.5, rotation=90, va="center")
        axes.set(xlabel="called", ylabel="is")
        axes.set_title(f"{judged.part} {level.unit}s", fontsize=9.5)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
    return figure


def _sides(terms: Terms) -> list[str]:
    """Return what the labels 0 and 1 are called, short enough to stand beside one another on an axis."""
    names = (terms.negative, terms.positive)
    return [_plain(name if len(name) <= _TICK_LETTERS else f"{name[: _TICK_LETTERS - 3]}...") for name in names]


def _patients(axes: Axes, model: Model, terms: Terms) -> None:
    """Draw each patient's mean score in a strip of its class; who is called wrongly is a cross."""
    judged = model.judged
    marks: Mapping[bool, dict[str, Any]] = {
        True: {"marker": "o", "facecolors": "none", "edgecolors": INK, "label": "called rightly"},
        False: {"marker": "x", "color": INK, "label": "called wrongly"},
    }
    for right, mark in marks.items():
        of = [patient for patient in judged.by_patient if patient.right == right]
        place = [patient.label + _shift(rank) for rank, patient in enumerate(of)]
        axes.scatter([patient.score for patient in of], place, s=34, linewidths=1.2, **mark)
    axes.axvline(model.threshold, color=GREY, linewidth=1, linestyle="--", label=f"threshold {model.threshold:.2f}")
    axes.set_yticks([0, 1], _sides(terms), rotation=90, va="center")
    axes.set(xlabel=f"mean score of a {terms.unit}'s cells ({judged.part})", xlim=(-0.02, 1.02), ylim=(-0.6, 1.9))
    axes.legend(loc="upper left", ncols=3, **{**LEGEND, "columnspacing": 0.8, "handletextpad": 0.2})


def _shift(rank: int) -> float:
    """Return where in a strip a point lies: apart from its neighbours, the same every time."""
    return 0.5 * ((rank * 0.618) % 1 - 0.5)


def _operating(axes: Axes, operating: Front, searched: Searched) -> None:
    """Draw the front over models and thresholds beside the trials at the threshold 0.5."""
    axes.step(operating.recall, operating.accuracy, where="pre", color=INK, linewidth=1.4, label="any threshold")
    front = searched.front
    looks: list[tuple[Sequence[TrialRecord], dict[str, Any]]] = [
        (front.trials, {"marker": "o", "color": INK, "s": 40, "label": "threshold 0.5, on the front"}),
        (front.dominated, {"marker": "o", "color": FAINT, "s": 26, "label": "threshold 0.5, behind it"}),
        (front.infeasible, {"marker": "x", "color": GREY, "s": 26, "label": "threshold 0.5, beyond a bound"}),
    ]
    for trials, look in looks:
        if trials:
            points = [[trial.metrics[name] for trial in trials] for name in ("recall", "accuracy")]
            axes.scatter(*points, zorder=3, **look)
    axes.set(xlabel="recall (validation cells)", ylabel="accuracy (validation cells)")
    _legend_below(axes)


def comparison_figures(comparison: Comparison) -> Mapping[str, Figure]:
    """Return the figures of studies side by side; none where no study has a model."""
    if not any(side.entries for side in comparison.sides):
        return {}
    figures = {name: _drawn(_side_by_side, comparison, name) for name in ("recall", "accuracy")}
    for figure in figures.values():
        figure.set_figheight(1.4 + 0.55 * len(comparison.sides))
    return figures


def _side_by_side(axes: Axes, comparison: Comparison, name: str) -> None:
    """Draw a row a study: its first model with its interval, and published figures of cells."""
    ours: dict[str, Any] = {"fmt": "o", "color": INK, "capsize": 3, "label": "this project"}
    theirs: dict[str, Any] = {
        "marker": "D",
        "facecolors": "none",
        "edgecolors": GREY,
        "label": "published, see its split",
    }
    for place, side in enumerate(comparison.sides):
        if side.entries:
            value = side.entries[0].figures[name]
            low, high = value.estimate - value.low, value.high - value.estimate
            axes.errorbar(value.estimate, place, xerr=[[max(low, 0.0)], [max(high, 0.0)]], **ours)
            ours.pop("label", None)
        if given := [found for anchor in side.anchors if (found := getattr(anchor, name)) is not None]:
            axes.scatter(given, [place + 0.22] * len(given), s=30, **theirs)
            theirs.pop("label", None)
    axes.set_yticks(range(len(comparison.sides)), [side.page.subject.study for side in comparison.sides])
    axes.set(xlabel=f"{name} of cells", xlim=(-0.02, 1.02), ylim=(len(comparison.sides) - 0.4, -0.9))
    axes.legend(loc="upper left", ncols=2, **LEGEND)
