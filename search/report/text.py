"""What a page says in sentences, for a reader who knows blood cells and not this software."""

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

from leukmodels.process.words import plural
from search.display.text import differences
from search.report.artifacts import KINDS, Example, Looking
from search.report.data_summary import DataSummary
from search.report.facts import Exported, Judged, Model, Page, Subject
from search.report.metrics import beyond_luck
from search.selection.confirmed_ranking import Ranked
from search.study.confirmation_log import TestAccess
from search.study.records import TrialState

RESEARCH = "For research use only: not a medical device, not for diagnosis."
TOO_GOOD = (
    "These numbers are too good. The models were chosen on the very patients that they are judged on here, and the "
    "best of many is partly lucky. What they are worth on new patients is known once the locked test patients are "
    "opened (python -m search.confirm)."
)
LEAKY = (
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
_PROMISED = ("recall", "specificity", "accuracy", "auroc")


def day(time: float) -> str:
    """Return the day of a time in seconds since the epoch, UTC."""
    return f"{datetime.datetime.fromtimestamp(time, datetime.UTC):%Y-%m-%d}"


def test_state(openings: Sequence[TestAccess]) -> str:
    """Return how often the test patients were opened, when and for whom."""
    if not openings:
        return "The test patients are locked: no model has scored them."
    whom = "; ".join(f"on {day(each.time)} for {_trials(each)}{_unfinished(each)}" for each in openings)
    if len(openings) == 1:
        return f"The test patients were opened once, {whom}."
    return (
        f"The test patients were opened {len(openings)} times: {whom}. Each look after the first makes the figures "
        "less honest, because what was seen may have guided what was tried next."
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
    model = page.models[0]
    judged = model.judged
    cells = judged.cells.figures
    whom = "locked test" if model.test else "validation"
    of = f" of {plural(judged.independent, 'patient')}" if page.subject.patient_level else ""
    return (
        f"The model of trial {model.trial} ({model.why}) was shown {plural(judged.cells.count, 'single cell')}{of}, "
        f"all of the {whom}. Of 100 leukemic cells it finds {_of_hundred(cells['recall'].estimate)}, of 100 healthy "
        f"cells it leaves {_of_hundred(cells['specificity'].estimate)} alone.{_by_patient(judged)}"
    )


def _of_hundred(share: float) -> str:
    return f"{100 * share:.0f}"


def _by_patient(judged: Judged) -> str:
    """Return the same in patients, "" where they are not known."""
    if not judged.patients:
        return ""
    (spared, _), (_, caught) = judged.patients.confusion.tolist()
    healthy, leukemic = judged.patients.confusion.sum(axis=1).tolist()
    return (
        f" By the mean score of a patient's cells it finds {caught} of {leukemic} patients with leukemia and leaves "
        f"{spared} of {healthy} without it alone."
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
    model = page.models[0]
    recall = model.judged.cells.figures["recall"]
    said = (
        f"On patients like these the recall of cells lies between {recall.low:.2f} and {recall.high:.2f} (95 % "
        "interval)"
    )
    if page.subject.patient_level:
        said += f": it rests on {plural(model.judged.leukemic, 'leukemic patient')}, however many cells they have."
    else:
        said += ", and in truth farther apart: whose cells belong to one patient is not known."
    if model.test:
        promised = model.promise.cells.figures["recall"].estimate
        said += f" Validation had promised a recall of {promised:.2f}; the test gave {recall.estimate:.2f}."
    return said


def alarms(page: Page) -> list[str]:
    """Return what a reader should worry about, each in a sentence; empty where nothing that was looked at alarms."""
    said = [f"{probe.name[:1].upper()}{probe.name[1:]}: {probe.says}" for probe in page.probes if probe.alarm]
    if not page.subject.patient_level:
        said.append(LEAKY)
    if len(page.openings) > 1:
        said.append(f"The test patients were opened {len(page.openings)} times.")
    for model in page.models:
        said += _broken_promises(model, figures=len(_PROMISED) * len(page.models))
    return said


def _broken_promises(model: Model, *, figures: int) -> list[str]:
    """Return a sentence for each figure of the test, of so many looked at, that is far below the promise."""
    if not model.test:
        return []
    promised, reached = model.promise.cells.figures, model.test.cells.figures
    said = [
        f"Trial {model.trial}: validation promised {promised[name].estimate:.3f} for the {NAMES[name]} of cells, "
        f"the test gave {reached[name].estimate:.3f}. That is more than these patients explain; the best of many "
        "trials is partly lucky, too."
        for name in _PROMISED
        if beyond_luck(model.gap[name], figures)
    ]
    if model.promised_recall is not None and reached["recall"].estimate < model.promised_recall:
        said.append(f"Trial {model.trial}: {promised_recall(model)}")
    return said


def promised_recall(model: Model) -> str:
    """Return what became of a recall that was promised for sure, "" where none was."""
    if model.promised_recall is None:
        return ""
    said = (
        f"For other patients a recall of cells of {model.promised_recall:.3f} or more was promised with 95 % confidence"
    )
    if not model.test:
        return f"{said}."
    recall = model.test.cells.figures["recall"].estimate
    return f"{said}; the test gave {recall:.3f}, so it was {'kept' if recall >= model.promised_recall else 'broken'}."


def unlooked(page: Page) -> str:
    """Return what was not looked at, "" where everything was."""
    if not page.probes:
        return "Shortcut probes (colour, background, number of images, permuted labels) have not been run."
    return ""


def elsewhere(exported: Exported) -> str:
    """Return at which other thresholds than its own a model was held against the test patients, "" where at none."""
    if not exported.held_at:
        return ""
    thresholds = " and ".join(f"{each:.3f}" for each in exported.held_at)
    return f" at this threshold but at {thresholds}, and any further threshold would be another look at the test"


def by_kind(model: Model) -> list[tuple[str, list[Example]]]:
    """Return the examples of a model under what each kind is, kinds that have any, those called wrongly first."""
    kinds = ((words, [each for each in model.examples if each.kind == kind]) for kind, words in KINDS.items())
    return [(words, examples) for words, examples in kinds if examples]


def heat(shown: Example) -> str:
    """Return how much of an example's heat lies inside its cell."""
    return "no heat" if shown.inside is None else f"{100 * shown.inside:.0f} % of the heat inside the cell"


def looking(seen: Looking) -> str:
    """Return where a model looks over the test cells."""
    if seen.inside is None or seen.area is None:
        return f"Of {seen.cells:,} test cells, of all patients alike, none had any heat."
    return (
        f"Of {seen.cells:,} test cells, of all patients alike, {seen.heated:,} had heat. Of these "
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
    if not subject.patient_level:
        said.append(LEAKY)
    said += [
        f"The question is {', '.join(subject.disease)} against {', '.join(subject.control)}: cells of any other "
        "disease were never seen, and the answer about them means nothing.",
        "Predictive values hold at the prevalence that they are stated for, and for patients like these.",
    ]
    return said


def patients_by_class(data_summary: DataSummary) -> str:
    """Return the patients of each class in each part."""
    return "; ".join(
        f"{part} " + ", ".join(f"{plural(of['patients'], 'patient')} {name}" for name, of in classes.items())
        for part, classes in data_summary.classes.items()
    )
