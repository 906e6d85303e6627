"""Whether anything about a study is alarming: every check that a page makes, and what came of it."""

from collections.abc import Iterator
from dataclasses import dataclass

from leukmodels.evaluation.interval import Interval
from leukmodels.process.words import Terms, plural
from search.report.facts import Model, Page
from search.report.metrics import beyond_luck
from search.report.text import LEAKY, NAMES, less, promised_recall
from search.study.objectives import Objectives

WIDE = 0.2  # between the limits: as far apart as the exact ones are of 0.9 among some 35 patients
MOSTLY = 0.5  # of the heat

_PROMISED = ("recall", "specificity", "accuracy", "auroc")
_BETTER = ("recall", "accuracy", "auroc")
_NO_MODEL = "there is no model yet"
_LOCKED = "the test is locked"


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that was looked at, what alarms in sentences, and why it could not be looked at ("" where it was)."""

    what: str
    alarms: tuple[str, ...] = ()
    left_out: str = ""


def checks_of(page: Page) -> tuple[Check, ...]:
    """Return every check of a page, those that could not be made, too."""
    terms = page.subject.terms
    return (
        Check(what="whose the cells are", alarms=(LEAKY,) if terms.are_images else ()),
        _openings(page),
        _widths(page),
        _promises(page),
        _bounds(page),
        _guarantees(page),
        _better(page),
        _heat(page),
        _shortcuts(page),
    )


def broken_promises(model: Model, objectives: Objectives, terms: Terms, *, models: int) -> list[str]:
    """Return each promise of validation that the test broke, in a sentence; empty while it is locked.

    Promised are its figures, which may fall by what luck does in the worst of so many ``models``, the bounds of the
    search, and a guaranteed recall.
    """
    return [
        *_fallen(model, terms, len(_PROMISED) * models),
        *_below_bounds(model, objectives),
        *_guarantee(model, terms),
    ]


def _openings(page: Page) -> Check:
    said = f"The test {page.subject.terms.units} were opened {len(page.openings)} times."
    return Check(what="how often the test was opened", alarms=(said,) if len(page.openings) > 1 else ())


def _widths(page: Page) -> Check:
    """Check how sure the first model's recall and specificity are."""
    what = f"the number of {page.subject.terms.units}"
    if not page.models:
        return Check(what=what, left_out=_NO_MODEL)
    judged, terms = page.models[0].judged, page.subject.terms
    rests_on = {"recall": (judged.positives, terms.positive), "specificity": (judged.negatives, terms.negative)}
    wide = [
        f"the {name} of cells lies anywhere from {found.low:.2f} to {found.high:.2f}, on "
        f"{plural(count, f'{side} {terms.unit}')}"
        for name, (count, side) in rests_on.items()
        if (found := judged.cells.figures[name]).high - found.low > WIDE
    ]
    said = f"Too few {terms.units} to be sure: {'; '.join(wide)} (95 % intervals, wider than {WIDE:g})."
    return Check(what=what, alarms=(said,) if wide else ())


def _promises(page: Page) -> Check:
    """Check every figure of the test that validation promised; the more are looked at, the more is luck."""
    what = "promises of validation"
    tested = [model for model in page.models if model.test]
    if not tested:
        return Check(what=what, left_out=_LOCKED if page.models else _NO_MODEL)
    figures = len(_PROMISED) * len(page.models)
    alarms = (said for model in tested for said in _fallen(model, page.subject.terms, figures))
    return Check(what=what, alarms=tuple(alarms))


def _fallen(model: Model, terms: Terms, figures: int) -> Iterator[str]:
    """Yield a sentence for each figure that is far below its promise, were it the worst of so many."""
    if not model.test:
        return
    promised, reached = model.promise.cells.figures, model.test.cells.figures
    for name in _PROMISED:
        if beyond_luck(model.gap[name], figures):
            yield (
                f"Trial {model.trial}: validation promised {promised[name].estimate:.3f} for the {NAMES[name]} of "
                f"cells, the test gave {reached[name].estimate:.3f}, {less(-model.gap[name].estimate)}. That is more "
                f"than these {terms.units} explain; the best of many trials is partly lucky, too."
            )


def _bounds(page: Page) -> Check:
    """Check the bounds of the search on the test."""
    what = "bounds of the search on the test"
    if not any(model.test for model in page.models):
        return Check(what=what, left_out=_LOCKED if page.models else _NO_MODEL)
    alarms = (said for model in page.models for said in _below_bounds(model, page.searched.objectives))
    return Check(what=what, alarms=tuple(alarms))


def _below_bounds(model: Model, objectives: Objectives) -> Iterator[str]:
    """Yield a sentence for each bound that the whole interval of the test lies below."""
    bounds = {"recall": objectives.min_recall, "specificity": objectives.min_specificity}
    for name, bound in bounds.items():
        if model.test and (reached := model.test.cells.figures[name]).high < bound:
            yield (
                f"Trial {model.trial}: the search asks for a {name} of at least {bound:g}, the test gave "
                f"{reached.estimate:.3f}, and its whole 95 % interval ({reached.low:.3f} to {reached.high:.3f}) lies "
                "below."
            )


def _guarantees(page: Page) -> Check:
    what = "guarantees of recall"
    promised = [model for model in page.models if model.promised_recall is not None]
    if not promised:
        return Check(what=what, left_out="none was given")
    if not any(model.test for model in promised):
        return Check(what=what, left_out=_LOCKED)
    return Check(what=what, alarms=tuple(said for model in promised for said in _guarantee(model, page.subject.terms)))


def _guarantee(model: Model, terms: Terms) -> Iterator[str]:
    """Yield a sentence where the test broke a guaranteed recall."""
    if model.test and model.test.cells.figures["recall"].estimate < (model.promised_recall or 0.0):
        yield f"Trial {model.trial}: {promised_recall(model, terms)}"


def _better(page: Page) -> Check:
    """Check whether the first model is surely above the default configuration in anything, on the same cells."""
    what = "the published CNN beside the model"
    if not page.models:
        return Check(what=what, left_out=_NO_MODEL)
    first = page.models[0]
    if first.reference:
        return Check(what=what, alarms=("The first model is the published CNN itself: nothing was preferred to it.",))
    if not first.differences:
        return Check(what=what, left_out="the published CNN has no complete trial")
    apart = {name: first.differences[name] for name in _BETTER}
    if any(found.low > 0 for found in apart.values()):
        return Check(what=what)
    said = ", ".join(f"{_NAMES[name]} {_signed(found)}" for name, found in apart.items())
    return Check(
        what=what,
        alarms=(
            f"Trial {first.trial} is not surely better than the published CNN, on the same {first.judged.part} cells: "
            f"{said} (95 % intervals).",
        ),
    )


_NAMES = {"recall": "recall", "accuracy": "accuracy", "auroc": "AUROC"}


def _signed(found: Interval) -> str:
    numbers = (f"{number:+z.3f}".replace("-", "\N{MINUS SIGN}") for number in (found.estimate, found.low, found.high))
    return "{} ({} to {})".format(*numbers)


def _heat(page: Page) -> Check:
    """Check whether models look at the cells: most heat is in them, and more than by chance."""
    what = "where the models look"
    seen = {model.trial: model.looking for model in page.models if model.looking}
    if not seen:
        return Check(what=what, left_out="pictures are drawn when the test is opened")
    alarms, heated = [], False
    for trial, looking in seen.items():
        if looking.inside is None or looking.area is None:
            continue
        heated = True
        if looking.inside < max(MOSTLY, looking.area):
            alarms.append(
                f"Trial {trial}: {100 * (1 - looking.inside):.0f} % of the heat lies outside the cells, which take "
                f"{100 * looking.area:.0f} % of a picture (medians), so the model may look at something else."
            )
    return Check(what=what, alarms=tuple(alarms), left_out="" if heated else "no cell had any heat")


def _shortcuts(page: Page) -> Check:
    names = ", ".join(probe.name for probe in page.probes)
    return Check(
        what=f"shortcuts ({names})" if names else "shortcuts",
        alarms=tuple(f"{probe.name[:1].upper()}{probe.name[1:]}: {probe.says}" for probe in page.probes if probe.alarm),
        left_out="" if names else "python -m search.confirm probes them",
    )
