"""The one writer of a running study's journal: an event is on disk before anyone acts on it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from leukmodels.errors import StudyError
from search.study.journal import Event, EventKind, Journal
from search.study.records import RungDecision, StudyRecord, TrialRecord, TrialState

Listener = Callable[[StudyRecord, Event], None]


class Recorder:
    """Appends to the journal, keeps the fold of it, and tells the listeners after each event."""

    def __init__(self, journal: Journal, record: StudyRecord, listeners: Sequence[Listener] = ()) -> None:
        self._journal = journal
        self._listeners = listeners
        self.record = record
        self.failure: StudyError | None = None  # Tune makes an error of its own of any that a scheduler raises

    def __getstate__(self) -> dict[str, Any]:
        """Leave everything behind: Tune pickles its parts into a scratch file that nothing reads back."""
        return {}

    def trial_started(self, number: int, params: Mapping[str, Any], source: str) -> None:
        """A configuration was chosen and is about to run."""
        self._append("trial_started", trial=number, params=dict(params), source=source)

    def epoch(self, number: int, epoch: int, metrics: Mapping[str, float]) -> None:
        """An epoch was evaluated; one that is known already (a trial that went back to its checkpoint) is dropped."""
        trial = self.record.trials[number]
        if trial.state is TrialState.RUNNING and epoch == len(trial.epochs) + 1:
            self._append("epoch", trial=number, epoch=epoch, metrics=dict(metrics))

    def rung(self, number: int, verdict: RungDecision) -> None:
        """A trial was compared with those that reached the same epoch."""
        self._append("rung", trial=number, **asdict(verdict))

    def trial_finished(
        self, number: int, state: TrialState, *, outcome: Mapping[str, Any] | None = None, reason: str = ""
    ) -> TrialRecord:
        """A trial ended; the first end counts, and the record as it then stands is returned."""
        if self.record.trials[number].state is TrialState.RUNNING:
            self._append("trial_finished", trial=number, state=state.value, outcome=outcome, reason=reason)
        return self.record.trials[number]

    def node_left_alone(self, node: str, reason: str) -> None:
        """No further trial is begun on a node, which had several faults in a row."""
        self._append("node_left_alone", node=node, reason=reason)

    def study_resumed(self, changes: Mapping[str, Any]) -> None:
        """Another driver took the study over."""
        self._append("study_resumed", session=self.record.sessions + 1, changes=dict(changes))

    def study_interrupted(self, signal: str) -> None:
        """The driver was told to go; unfinished trials wait for a resume."""
        self._append("study_interrupted", signal=signal)

    def study_finished(self, reason: str) -> None:
        """Nothing more will be tried."""
        self._append("study_finished", reason=reason)

    def _append(self, kind: EventKind, **fields: Any) -> None:
        try:
            event = self._journal.append(kind, **fields)
        except OSError as error:
            self.failure = StudyError(
                f"The journal cannot be written ({error}). All that is in it is safe: when that is mended, go on with "
                "--resume."
            )
            raise self.failure from error
        except StudyError as error:  # another driver writes there
            self.failure = error
            raise
        self.record.apply(event)
        for listener in self._listeners:
            listener(self.record, event)
