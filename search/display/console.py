"""What a user sees while a study runs: a live display on a terminal, a line a finished trial anywhere else.

Nothing here may end or slow a search: rendering is throttled, and an error in it is dropped.
"""

import contextlib
import functools
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Concatenate, ParamSpec, Self, TextIO, TypeAlias

from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from leukmodels.process.progress import Step, duration
from leukmodels.process.words import plural
from search.display.tables import front_table, running_table, terminal
from search.display.text import SYNTHETIC, metric_words, trial_words
from search.display.time_left import Pace
from search.study.front import ParetoFront, extended, pareto_front
from search.study.journal import Event
from search.study.objectives import Objectives
from search.study.records import StudyRecord, TrialRecord, TrialState

_LIVE_ROWS = 8
_LIVE_EVERY_S = 0.25
_PROGRESS_EVERY_S = 10.0
_SILENCE_S = 60.0

_Params = ParamSpec("_Params")
_Method: TypeAlias = Callable[Concatenate["Console", _Params], None]


def _harmless(method: _Method[_Params]) -> _Method[_Params]:
    """Drop what goes wrong in ``method``: a closed pipe or an odd terminal must not end a search of hours."""

    @functools.wraps(method)
    def wrapped(self: "Console", /, *args: _Params.args, **kwargs: _Params.kwargs) -> None:
        with contextlib.suppress(Exception):  # whatever it is, the journal has the facts
            method(self, *args, **kwargs)

    return wrapped


@dataclass(frozen=True, kw_only=True)
class _View:
    """A picture of the study at one moment, safe to render from another thread."""

    finished: int
    epochs: int
    left_s: float | None
    running: tuple[TrialRecord, ...]


class Console:
    """Shows a study on ``stream`` (stdout when None). Use it as a context manager; ``show`` after every event."""

    def __init__(
        self,
        stream: TextIO | None = None,
        *,
        planned_trials: int,
        epochs: int,
        objectives: Objectives,
        synthetic: bool,
        time_budget_s: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        stream = stream or sys.stdout
        self._terminal = terminal(stream)
        self._live: Live | None = None
        # Not rich's idea of a terminal alone: FORCE_COLOR makes it see one in a log file.
        if self._terminal.is_interactive and stream.isatty():
            self._live = Live(
                console=self._terminal,
                get_renderable=self._render,
                refresh_per_second=1 / _LIVE_EVERY_S,
                transient=True,
            )
        self._planned, self._epochs, self._objectives, self._synthetic = planned_trials, epochs, objectives, synthetic
        self._clock = clock
        self._pace = Pace(planned_trials=planned_trials, epochs=epochs, time_budget_s=time_budget_s, clock=clock)
        self._front = pareto_front(StudyRecord(), objectives)
        self._view: _View | None = None
        self._step: Step | None = None
        self._links: dict[str, str] = {}
        self._known = 0
        self._open: set[int] = set()
        self._last_said = self._last_viewed = clock()

    def __enter__(self) -> Self:
        self._start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    @_harmless
    def say(self, text: str) -> None:
        """Print a plain line, above the live display where there is one."""
        self._last_said = self._clock()
        self._terminal.print(Text(text), soft_wrap=True)

    @_harmless
    def link(self, name: str, address: str) -> None:
        """Tell where else the study can be watched (MLflow, a dashboard); the live display keeps it in sight."""
        self._links[name] = address
        if self._live is None:
            self.say(f"{name}: {address}")

    @_harmless
    def progress(self, label: str, done: int, total: int, unit: str = "images") -> None:
        """Show how far a step of the preparation is; a log gets a line every ten seconds, and one at the step's end."""
        now = self._clock()
        if self._step is None or self._step.label != label:
            self._step = Step(label=label, unit=unit, total=total, done=done, first=done, began=now)
            self._last_said = now
        self._step = replace(self._step, done=done, total=total)
        if done >= total or (self._live is None and now - self._last_said >= _PROGRESS_EVERY_S):
            self.say(self._step.describe(now))
        if done >= total:
            self._step = None

    @_harmless
    def show(self, record: StudyRecord, _event: Event | None = None) -> None:
        """Take note of the study after an event; cheap enough to be called after each (a ``recorder.Listener``)."""
        first_look = self._view is None
        begun = set(islice(record.trials, self._known, None))
        self._known = len(record.trials)
        self._open |= begun
        trials = [record.trials[number] for number in sorted(self._open)]
        finished = [trial for trial in trials if trial.state is not TrialState.RUNNING]
        self._open.difference_update(trial.number for trial in finished)
        if finished:
            self._front = extended(self._front, finished, self._objectives)
        now = self._clock()
        if first_look or finished or now - self._last_viewed >= _LIVE_EVERY_S:
            self._last_viewed = now
            self._view = _View(
                finished=self._known - len(self._open),
                epochs=record.epochs,
                left_s=self._pace.left_s(record),
                running=tuple(record.trials[number] for number in sorted(self._open)),
            )
            if first_look and finished:
                self.say(f"{plural(len(finished), 'trial')} of {self._planned} finished before; going on.")
            else:
                self._tell(finished)

    @_harmless
    def summary(
        self,
        record: StudyRecord,
        *,
        written: Mapping[str, Path | str],
        commands: Sequence[str] = (),
    ) -> None:
        """Print what came out: the front, the path of everything ``written`` by what it is, the ``commands`` to go on.

        Ends the live display, so that nothing moves below the result.
        """
        self._stop()
        front = pareto_front(record, self._objectives)
        self._line()
        counts = ", ".join(f"{record.count(state)} {state}" for state in TrialState if record.count(state))
        self._line(
            f"{plural(len(record.trials), 'trial')} ({counts}), {plural(record.epochs, 'epoch')}, "
            f"{duration(self._pace.elapsed_s)}."
        )
        if front.trials:
            self._line(f"The front on validation cells at threshold 0.5, hypervolume {front.hypervolume:.3f}:")
            self._line()
            self._terminal.print(front_table(front.trials, cost=self._objectives.cost))
        else:
            self._line(front.why_empty)
        if self._synthetic:
            self._line(SYNTHETIC)
        for heading, lines in (("Written:", _aligned(written)), ("Next:", commands)):
            if lines:
                self._line()
                self._line(heading)
                for line in lines:
                    self._line(f"  {line}")

    def _tell(self, finished: Sequence[TrialRecord]) -> None:
        """Say a line for each finished trial; beside a live display only for those one would want to scroll back to."""
        assert self._view is not None
        for trial in finished:
            on_front = any(member.number == trial.number for member in self._front.trials)
            if self._live is None or on_front or trial.state is TrialState.FAILED:
                self.say(f"{trial_words(trial, self._front)}; {self._how_far(self._view)}")
        if self._live is None and self._clock() - self._last_said >= _SILENCE_S:
            running = (
                f"trial {trial.number} epoch {len(trial.epochs)}/{self._epochs} "
                + (f"({metric_words(trial.epochs[-1])})" if trial.epochs else "")
                for trial in self._view.running[:_LIVE_ROWS]
            )
            self.say(f"running: {'; '.join(running)}; {self._how_far(self._view)}")

    def _how_far(self, view: _View) -> str:
        left = (
            ""
            if view.left_s is None or view.finished >= self._planned
            else f", about {duration(max(view.left_s, 1.0))} left"
        )
        return f"{view.finished}/{self._planned} trials{left}"

    def _render(self) -> RenderableType:
        """Return the live display; called by rich's own thread."""
        with contextlib.suppress(Exception):  # as in _harmless
            return self._display()
        return ""

    def _display(self) -> RenderableType:
        parts: list[RenderableType] = []
        step, view, front = self._step, self._view, self._front
        if step is not None:
            parts.append(_bar(step.done, step.total, step.describe(self._clock())))
        if view is not None:
            parts.append(_bar(view.finished, self._planned, self._headline(view)))
            if view.running:
                parts += ["", running_table(view.running, epochs=self._epochs, limit=_LIVE_ROWS)]
            if front.trials:
                parts += ["", _caption(front), front_table(front.trials, cost=self._objectives.cost, limit=_LIVE_ROWS)]
        if self._links:
            parts += ["", *(Text(line, style="dim", no_wrap=True) for line in _aligned(self._links))]
        if parts and self._synthetic:
            parts.append(Text(SYNTHETIC, style="bold"))
        return Group("", *parts) if parts else ""

    def _headline(self, view: _View) -> str:
        return f"{self._how_far(view)} · {plural(view.epochs, 'epoch')} · {duration(self._pace.elapsed_s)}"

    def _line(self, text: str = "") -> None:
        self._terminal.print(Text(text), soft_wrap=True)

    @_harmless
    def _start(self) -> None:
        if self._live is not None:
            self._live.start()

    @_harmless
    def _stop(self) -> None:
        if self._live is not None:
            self._live.stop()


def _bar(done: int, total: int, words: str) -> Table:
    grid = Table.grid(padding=(0, 1))
    grid.add_row(ProgressBar(total=max(total, 1), completed=done, width=30), Text(words))
    return grid


def _caption(front: ParetoFront) -> Text:
    return Text(f"front so far, on validation cells (hypervolume {front.hypervolume:.3f})", style="bold")


def _aligned(entries: Mapping[str, Path | str]) -> list[str]:
    width = max(map(len, entries), default=0)
    return [f"{name:<{width}}  {entry}" for name, entry in entries.items()]
