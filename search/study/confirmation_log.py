"""What the journal says of a study's confirmation, folded: who was trained again, and how often the test was opened."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from search.study.folder import StudyFolder
from search.study.journal import Event


@dataclass(frozen=True, kw_only=True, order=True)
class Retraining:
    """One training of a trial's configuration on other patients: fold ``fold`` of ``folds``, dealt by ``seed``.

    by_image   images were dealt and not patients, to see what that would add
    """

    trial: int
    folds: int
    seed: int
    fold: int
    by_image: bool = False

    @property
    def name(self) -> str:
        """What its folder is called."""
        return f"{self.trial:05d}/{'by-image-' if self.by_image else ''}{self.folds}-{self.seed}-{self.fold}"


@dataclass(frozen=True, kw_only=True)
class TestCandidate:
    """A model that is held against the test patients.

    threshold   a cell whose score reaches it is called leukemic; settled on validation patients
    why         what it was chosen for
    promise     its metrics of the validation cells at that threshold
    promised    what the recall of as many other patients exceeds with 95 % confidence; None where that is not promised
    """

    trial: int
    threshold: float
    why: str
    promise: Mapping[str, float]
    promised: float | None = None


@dataclass(frozen=True, kw_only=True)
class TestAccess:
    """One opening of the test: when (seconds since the epoch, UTC), whom it was opened for, what each then reached.

    files   the SHA-256 of the model that was asked and of its scores, by file name, of each trial; see ``sha256``
    """

    number: int
    time: float
    chosen: tuple[TestCandidate, ...]
    results: Mapping[int, Mapping[str, float]] = field(default_factory=dict)
    files: Mapping[int, Mapping[str, str]] = field(default_factory=dict)

    def sha256(self, trial: int) -> Mapping[str, str]:
        """Return the SHA-256 of a tested trial's files, empty where a version before kept none."""
        return self.files.get(trial, {})

    @property
    def complete(self) -> bool:
        """Whether everyone was held against the test patients."""
        return all(each.trial in self.results for each in self.chosen)


@dataclass(frozen=True, kw_only=True)
class Probe:
    """What a shortcut alone achieves.

    level                 cell, or the unit of the study's terms
    figure                the name of the number, such as AUROC
    estimate, low, high   it, with its 95 % interval; None where the probe does not apply
    alarm                 whether the model may live on this shortcut
    says                  what that means, a sentence
    """

    name: str
    level: str
    figure: str
    estimate: float | None
    low: float | None
    high: float | None
    alarm: bool
    says: str


@dataclass
class Confirmation:
    """The fold of a journal; ``apply`` takes the next event, of whatever kind."""

    retrained: dict[Retraining, Mapping[str, float]] = field(default_factory=dict)
    """The metrics of the patients that the model scored, threshold 0.5; empty where it could not be trained"""
    by_image: dict[Retraining, Mapping[str, float]] = field(default_factory=dict)
    """The same of images, where images were dealt: no patient is new there"""
    reasons: dict[Retraining, str] = field(default_factory=dict)
    """Why it could not be"""
    openings: list[TestAccess] = field(default_factory=list)

    def apply(self, event: Event) -> None:
        """Take one event."""
        match event["event"]:
            case "retrained":
                which = Retraining(**{name: event[name] for name in ("trial", "folds", "seed", "fold", "by_image")})
                (self.by_image if which.by_image else self.retrained)[which] = event["metrics"]
                if event["reason"]:
                    self.reasons[which] = event["reason"]
            case "test_opened":
                chosen = tuple(TestCandidate(**each) for each in event["chosen"])
                self.openings.append(TestAccess(number=len(self.openings) + 1, time=event["time"], chosen=chosen))
            case "tested":
                last = self.openings[-1]
                trial = event["trial"]
                self.openings[-1] = replace(
                    last,
                    results={**last.results, trial: event["metrics"]},
                    files={**last.files, trial: event.get("sha256", {})},
                )

    def of(self, trial: int) -> list[tuple[TestAccess, TestCandidate]]:
        """Return the openings that a trial's model was held against the test in, in order, and as what it was."""
        return [
            (opening, each)
            for opening in self.openings
            for each in opening.chosen
            if each.trial == trial and trial in opening.results
        ]

    @property
    def latest(self) -> TestAccess | None:
        """The last opening whose results are all there."""
        return next((opening for opening in reversed(self.openings) if opening.complete), None)


def confirmation_of(events: Iterable[Event]) -> Confirmation:
    """Return how far the confirmation was after ``events``."""
    confirmation = Confirmation()
    for event in events:
        confirmation.apply(event)
    return confirmation


def as_event(chosen: TestCandidate) -> dict[str, Any]:
    """Return a chosen model as the journal keeps it."""
    return {**vars(chosen), "promise": dict(chosen.promise)}


def test_scores(folder: StudyFolder, opening: TestAccess) -> Path:
    """Return the folder of the test patients' scores in an opening: <trial>.parquet."""
    return folder.confirmed / "test" / str(opening.number)
