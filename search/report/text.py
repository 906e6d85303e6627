"""What a page says in sentences, for a reader who knows blood cells and not this software."""

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

from leukmodels.process.words import Terms, plural
from search.display.text import differences
from search.report.artifacts import KINDS, Example, Looking
from search.report.data_summary import DataSummary
from search.report.facts import Exported, Judged, Model, Page, Subject
from search.selection.confirmed_ranking import Ranked
from search.study.confirmation_log import TestAccess
from search.study.records import TrialState

RESEARCH = "For research use only: not a medical device, not for diagnosis."
LEAKY = (  # the one sentence on patients where nobody is named
    "The collection names no patients, so cells of one patient may stand on both sides of the split: expect much less "
    "on new patients."
)

NAMES = {
    "recall": "recall (sensitivity)",
    "specificity": "specificity",
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "precision": "precision",
    "f1": "F1",
    "auroc": "AUROC",
    "pr_auc": "area under precision-recall",
    "brier": "Brier score (lower is better)",
    "ece": "calibration error, ECE (lower is better)",
}


def day(time: float) -> str:
    """Return the day of a time in seconds since the epoch, UTC."""
    return f"{datetime.datetime.fromtimestamp(time, datetime.UTC):%Y-%m-%d}"


def too_good(units: str) -> str:
    """Return what figures of validation are worth, of these units."""
    return (
        f"These numbers are too good. The models were chosen on the very {units} that they are judged on here, and the "
        f"best of many is partly lucky. What they are worth on new {units} is known once the locked test {units} are "
        "opened (python -m search.confirm)."
    )


def test_state(openings: Sequence[TestAccess], terms: Terms) -> str:
    """Return how often the test was opened, when and for whom."""
    if not openings:
        return f"The test {terms.units} are locked: no model has scored them."
    whom = "; ".join(f"on {day(each.time)} for {_trials(each)}{_unfinished(each)}" for each in openings)
    if len(openings) == 1:
        return f"The test {terms.units} were opened once, {whom}."
    return (
        f"The test {terms.units} were opened {len(openings)} times: {whom}. Each look after the first makes the "
        "figures less honest, because what was seen may have guided what was tried next."
    )


def _trials(opening: TestAccess) -> str:
    numbers = [str(each.trial) for each in opening.chosen]
    return f"trial {numbers[0]}" if len(numbers) == 1 else f"the trials {', '.join(numbers[:-1])} and {numbers[-1]}"


def _unfinished(opening: TestAccess) -> str:
    return "" if opening.complete else " (begun and not finished; the same command of search.confirm finishes it)"


def found(page: Page) -> str:
    """Return what the first model does, in counts of a hundred cells and of patients."""
    if not page.models:
        ended = "No trial is complete yet" if not page.searched.front.infeasible else "No trial keeps the bounds"
        return f"{ended}, so there is no model to judge. Resume the study with more trials."
    model, terms = page.models[0], page.subject.terms
    judged = model.judged
    (spared, alarmed), (missed, caught) = judged.cells.confusion.tolist()
    whom = "locked test" if model.test else "validation"
    of = "" if terms.are_images else f" of {terms.count(judged.independent)}"
    return (
        f"The model of trial {model.trial} ({model.why}) was shown {plural(judged.cells.count, 'single cell')}{of}, "
        f"all of the {whom}. Of 100 {terms.positive} cells it finds {_of_hundred(caught, missed)}, of 100 "
        f"{terms.negative} cells it leaves {_of_hundred(spared, alarmed)} alone.{_by_patient(judged, terms)}"
    )


def _of_hundred(right: int, wrong: int) -> str:
    """Return how many of a hundred are right, all of them only where none is wrong."""
    return f"{min(round(100 * right / (right + wrong)), 99 if wrong else 100)}"


def _by_patient(judged: Judged, terms: Terms) -> str:
    """Return the same in patients, "" where they are not known."""
    if not judged.patients:
        return ""
    (spared, _), (_, caught) = judged.patients.confusion.tolist()
    negatives, positives = judged.patients.confusion.sum(axis=1).tolist()
    return (
        f" By the mean score of a {terms.unit}'s cells it finds {caught} of "
        f"{plural(positives, f'{terms.positive} {terms.unit}')} and leaves {spared} of "
        f"{plural(negatives, f'{terms.negative} {terms.unit}')} alone."
    )


def searched(page: Page) -> str:
    """Return how much was tried, and what came of it."""
    record, front = page.searched.record, page.searched.front
    counts = ", ".join(f"{record.count(state)} {state}" for state in TrialState if record.count(state)) or "none begun"
    tried = f"{plural(len(record.trials), 'trial')} ({counts}), {plural(record.epochs, 'epoch')} of training."
    return tried if front.trials else f"{tried} {front.why_empty}"


def changes(params: Mapping[str, Any]) -> str:
    """Return in which hyperparameters a configuration is another than the published CNN's."""
    said = differences(params)
    return "nothing" if said == "the default" else said


def configuration(model: Model) -> str:
    """Return the same in a sentence."""
    if model.reference:
        return "It is the published CNN."
    return f"It differs from the published CNN in {changes(model.params)}."


def held(each: Ranked) -> str:
    """Return whether a configuration kept on top when it was trained again."""
    if each.failures:
        return f"could not be trained {each.failures} of {each.trainings + each.failures} times"
    return "yes, on the front of the means" if each.on_front else "no"


def sure(page: Page) -> str:
    """Return how far the first model's figures may be off."""
    if not page.models:
        return ""
    model, terms = page.models[0], page.subject.terms
    recall = model.judged.cells.figures["recall"]
    said = (
        f"On {terms.units} like these the recall of cells lies between {recall.low:.2f} and {recall.high:.2f} (95 % "
        "interval)"
    )
    if terms.are_images:
        said += ", and in truth farther apart: which cells are of one person is not known."
    else:
        rests = plural(model.judged.positives, f"{terms.positive} {terms.unit}")
        said += f": it rests on {rests}, however many cells they have."
    if model.test:
        promised = model.promise.cells.figures["recall"].estimate
        said += f" Validation had promised a recall of {promised:.2f}; the test gave {recall.estimate:.2f}."
    return said


def promised_recall(model: Model, terms: Terms) -> str:
    """Return what became of a recall that was promised for sure, "" where none was."""
    if model.promised_recall is None:
        return ""
    said = (
        f"For other {terms.units} a recall of cells of {model.promised_recall:.3f} or more was promised with 95 % "
        "confidence"
    )
    if not model.test:
        return f"{said}."
    recall = model.test.cells.figures["recall"].estimate
    if recall >= model.promised_recall:
        return f"{said}; the test gave {recall:.3f}, so it was kept."
    return f"{said}; the test gave {recall:.3f}, {less(model.promised_recall - recall)}, so it was broken."


def less(by: float) -> str:
    """Return how far below something a number is."""
    return f"{by:.3f} less" if by >= 0.001 else "less than 0.001 below that"


def elsewhere(exported: Exported) -> str:
    """Return at which other thresholds than its own a model was held against the test, "" where at none."""
    if not exported.held_at:
        return ""
    thresholds = " and ".join(f"{each:.3f}" for each in exported.held_at)
    return f" at this threshold but at {thresholds}, and any further threshold would be another look at the test"


def by_kind(model: Model, terms: Terms) -> list[tuple[str, list[Example]]]:
    """Return the examples of a model under what each kind is, kinds that have any, those called wrongly first."""
    kinds = ((_kind(*of, terms), [each for each in model.examples if each.kind == kind]) for kind, of in KINDS.items())
    return [(words, examples) for words, examples in kinds if examples]


def _kind(label: int, answer: int, terms: Terms) -> str:
    says = "agrees" if label == answer else "disputes"
    return f"The model {says}: {terms.side(label)} cells, called {terms.side(answer)}"


def heat(shown: Example) -> str:
    """Return how much of an example's heat lies inside its cell."""
    return "no heat" if shown.inside is None else f"{100 * shown.inside:.0f} % of the heat inside the cell"


def looking(seen: Looking, terms: Terms) -> str:
    """Return where a model looks over the test cells."""
    whose = "" if terms.are_images else f" of all {terms.units} alike,"
    if seen.inside is None or seen.area is None:
        return f"Of {seen.cells:,} test cells,{whose} none had any heat."
    return (
        f"Of {seen.cells:,} test cells,{whose} {seen.heated:,} had heat. Of these "
        f"{100 * seen.inside:.0f} % of the heat lies inside the cell, which takes {100 * seen.area:.0f} % of the "
        "picture (medians): heat that looks nowhere in particular would have that share inside."
    )


def limits_of(subject: Subject) -> list[str]:
    """Return what the figures do not say."""
    said = [RESEARCH]
    if subject.synthetic:
        said.append("The cells were drawn by a program. No figure here says anything about leukemia.")
    else:
        said += subject.limits
    said += [LEAKY] if subject.terms.are_images else []
    said.append(
        f"The question is {', '.join(subject.disease)} against {', '.join(subject.control)}: cells of any other "
        "kind were never seen, and the answer about them means nothing."
    )
    if not subject.terms.are_images:
        said.append(
            "Predictive values hold at the prevalence that they are stated for, and for "
            f"{subject.terms.units} like these."
        )
    return said


def participants(data_summary: DataSummary, terms: Terms) -> str:
    """Return whose images, or how many where that is not known, each class has in each part; "" if not counted."""
    noun, key = ("image", "cells") if terms.are_images else (terms.unit, "patients")
    return "; ".join(
        f"{part} " + ", ".join(f"{plural(of[key], noun)} {name}" for name, of in classes.items())
        for part, classes in data_summary.classes.items()
    )
