"""Studies side by side, each beside what was published on its task."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from leukmodels.collections.tasks import TASKS
from leukmodels.evaluation.interval import Interval
from search.report.build import page_of
from search.report.facts import Model, Page
from search.report.published import Anchor, anchors_of
from search.study.disclosure import Disclosure
from search.study.folder import StudyFolder
from search.study.opened import Study

_NOBODY = Disclosure(identifiers=True)  # a comparison names nobody, so no pseudonym is needed
FIGURES = ("recall", "accuracy", "specificity", "auroc")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A result of a study: of its first model, or of the published CNN that it trained, at one level."""

    who: str
    level: str
    split: str
    figures: Mapping[str, Interval]


@dataclass(frozen=True, kw_only=True)
class Side:
    """One study, and what was published on its task."""

    page: Page
    entries: tuple[Entry, ...]
    anchors: tuple[Anchor, ...]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Studies in the order of the tasks."""

    sides: tuple[Side, ...]

    @property
    def synthetic(self) -> bool:
        """Whether the data of any study were drawn by a program."""
        return any(side.page.subject.synthetic for side in self.sides)

    @property
    def shares_controls(self) -> bool:
        """Whether several tasks have the same controls: those of the MLL collection do."""
        return len({side.page.subject.task for side in self.sides if side.page.subject.shares_controls}) > 1


def comparison_of(folders: Sequence[StudyFolder]) -> Comparison:
    """Return the studies side by side, by task; a user's own tasks come last."""
    order = {name: place for place, name in enumerate(TASKS)}
    pages = sorted(
        (page_of(Study.open(folder), disclosure=_NOBODY) for folder in folders),
        key=lambda page: order.get(page.subject.task, len(order)),
    )
    return Comparison(
        sides=tuple(
            Side(page=page, entries=tuple(_entries(page)), anchors=anchors_of(page.subject.task)) for page in pages
        )
    )


def _entries(page: Page) -> Iterator[Entry]:
    if not page.models:
        return
    first = page.models[0]
    reference = next((model for model in page.models if model.reference), None)
    yield from _of_model(page, first, f"trial {first.trial}{', the published CNN' if first.reference else ''}")
    if reference and reference is not first:
        yield from _of_model(page, reference, "the published CNN, trained here")


def _of_model(page: Page, model: Model, who: str) -> Iterator[Entry]:
    judged = model.judged
    by = f"by {page.subject.terms.unit}"
    split = f"{by}, locked test" if model.test else f"{by}, validation only"
    for level in judged.levels:
        yield Entry(who=who, level=f"{level.count:,} {level.unit}s", split=split, figures=level.figures)
