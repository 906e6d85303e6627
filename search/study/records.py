"""What the journal says, folded: one record a trial.

Folding is the only way to get a record, live or after the fact, so the state a driver had at an event and the state
anyone rebuilds from that prefix of the journal are the same by construction.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from search.study.journal import Event

DEFAULT, SAMPLED, WARM, LOADED = (
    "default",
    "sampled",
    "warm start",
    "loaded weights",
)  # where a trial's configuration comes from


class TrialState(StrEnum):
    """Where a trial stands. A stopped one was ended early on purpose: its last epoch is not its outcome."""

    RUNNING = "running"
    COMPLETE = "complete"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class RungDecision:
    """How a trial stood at a rung, the epoch ``rung``: ``rank`` (from 1) of ``size``, of whom ``quota`` train on."""

    rung: int
    rank: int
    size: int
    quota: int

    @property
    def stops(self) -> bool:
        """Whether the trial ends here."""
        return self.rank > self.quota

    def describe(self) -> str:
        """Return the verdict as the reason of a stop."""
        return f"rank {self.rank} of {self.size} at epoch {self.rung}, where the best {self.quota} train on"


@dataclass(frozen=True, kw_only=True)
class TrialRecord:
    """One trial: ``metrics`` of the epochs 1, 2, ... in order, how it stood at rungs, its outcome once complete."""

    number: int
    params: Mapping[str, Any]
    source: str
    state: TrialState = TrialState.RUNNING
    epochs: tuple[Mapping[str, float], ...] = ()
    decisions: tuple[RungDecision, ...] = ()
    outcome: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""
    started: float = 0.0
    finished: float | None = None

    def decision(self, rung: int) -> RungDecision | None:
        """Return how the trial stood at a rung, None where it was not judged there."""
        return next((verdict for verdict in self.decisions if verdict.rung == rung), None)

    @property
    def metrics(self) -> Mapping[str, float]:
        """The restored-best metrics of a complete trial; empty for any other."""
        metrics: Mapping[str, float] = self.outcome.get("metrics", {})
        return metrics

    @property
    def sha256(self) -> Mapping[str, str]:
        """The SHA-256 of the model and the scores that it ended with, by file name; empty where none was kept."""
        return self.outcome.get("sha256") or {}

    def metrics_at(self, rung: int) -> Mapping[str, float]:
        """Return the metrics by which the trial is compared at a rung, empty where it has none there.

        Those of its best epoch so far, by validation log loss; its outcome where it ended below the rung.
        """
        if len(self.epochs) >= rung:
            return min(self.epochs[:rung], key=lambda metrics: metrics["log_loss"])
        return self.metrics if self.state is TrialState.COMPLETE else {}


@dataclass
class StudyRecord:
    """The fold of a journal; ``apply`` takes the next event."""

    trials: dict[int, TrialRecord] = field(default_factory=dict)
    sessions: int = 1
    changes: dict[str, Any] = field(default_factory=dict)
    """What resumes have changed of the options that the study was begun with."""
    finished: str = ""
    seq: int = 0

    def apply(self, event: Event) -> None:
        """Take one event; unknown kinds change nothing, so that an older reader can open a newer journal."""
        self.seq = event["seq"]
        match event["event"]:
            case "trial_started":
                self.trials[event["trial"]] = TrialRecord(
                    number=event["trial"], params=event["params"], source=event["source"], started=event["time"]
                )
            case "epoch":
                trial = self.trials[event["trial"]]
                self.trials[trial.number] = replace(trial, epochs=(*trial.epochs, event["metrics"]))
            case "rung":
                trial = self.trials[event["trial"]]
                verdict = RungDecision(**{name: event[name] for name in ("rung", "rank", "size", "quota")})
                self.trials[trial.number] = replace(trial, decisions=(*trial.decisions, verdict))
            case "trial_finished":
                trial = self.trials[event["trial"]]
                self.trials[trial.number] = replace(
                    trial,
                    state=TrialState(event["state"]),
                    outcome=event.get("outcome") or {},
                    reason=event.get("reason", ""),
                    finished=event["time"],
                )
            case "study_resumed":
                self.sessions = event["session"]
                self.changes |= event.get("changes", {})
                self.finished = ""
            case "study_finished":
                self.finished = event["reason"]

    def by_state(self, *states: TrialState) -> list[TrialRecord]:
        """Return the trials in any of ``states``, by number."""
        return [self.trials[number] for number in sorted(self.trials) if self.trials[number].state in states]

    def count(self, state: TrialState) -> int:
        """Return how many trials are in ``state``."""
        return sum(trial.state is state for trial in self.trials.values())

    @property
    def epochs(self) -> int:
        """Epochs trained so far, over all trials."""
        return sum(len(trial.epochs) for trial in self.trials.values())


def fold(events: Iterable[Event]) -> StudyRecord:
    """Return the state of the study after ``events``."""
    record = StudyRecord()
    for event in events:
        record.apply(event)
    return record
