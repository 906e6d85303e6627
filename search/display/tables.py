"""Trials as tables of a terminal, for the live display, the summary, status and export."""

from collections.abc import Iterable, Sequence
from typing import TextIO

from rich import box
from rich.console import Console
from rich.table import Table

from search.display.text import SHOWN_METRICS, differences, measured, metric_name, number
from search.study.confirmation_log import TestAccess
from search.study.records import TrialRecord

TESTED = ("recall", "accuracy", "specificity", "auroc")  # what is shown of a test

_LOG_WIDTH = 120  # where the stream is no terminal and says no width
_DIFFERENCES = "differs from the default in"


class _Terminal(Console):
    """A rich console that falls silent when its reader goes away; rich's own would end the process."""

    def on_broken_pipe(self) -> None:
        """Write nothing from now on."""
        self.quiet = True


def terminal(stream: TextIO) -> Console:
    """Return what writes tables and lines to ``stream`` as they are, without reading markup into them."""
    width = None if stream.isatty() else _LOG_WIDTH
    return _Terminal(file=stream, width=width, highlight=False, markup=False, emoji=False)


def front_table(front: Sequence[TrialRecord], *, cost: str = "", limit: int | None = None) -> Table:
    """Return the front, a row a trial, with the ``cost`` that is an objective; beyond ``limit`` they are counted."""
    shown = (*SHOWN_METRICS, cost) if cost else SHOWN_METRICS
    table = plain_table("trial", *map(metric_name, shown), "epochs", _DIFFERENCES)
    for trial in front[:limit]:
        numbers = [measured(trial.metrics, name) for name in shown]
        epochs = trial.outcome.get("epochs", len(trial.epochs))
        table.add_row(str(trial.number), *numbers, str(epochs), differences(trial.params))
    return _counted(table, len(front), limit)


def tested_table(opening: TestAccess) -> Table:
    """Return what each model reached on the test patients' cells, in brackets what validation promised."""
    table = plain_table("trial", "threshold", *map(metric_name, TESTED), "chosen for")
    for each in opening.chosen:
        reached = opening.results[each.trial]
        values = [f"{measured(reached, name)} ({measured(each.promise, name)})" for name in TESTED]
        table.add_row(str(each.trial), f"{each.threshold:.3f}", *values, each.why)
    return table


def running_table(running: Sequence[TrialRecord], *, epochs: int, limit: int | None = None) -> Table:
    """Return the running trials with the validation metrics of their last epoch."""
    metrics = ("recall", "accuracy", "specificity")
    table = plain_table("trial", "epoch", *metrics, "images/s", _DIFFERENCES)
    for trial in running[:limit]:
        last = trial.epochs[-1] if trial.epochs else {}
        numbers = [number(last.get(name)) for name in metrics]
        speed = number(last.get("images_per_s"), 0)
        table.add_row(str(trial.number), f"{len(trial.epochs)}/{epochs}", *numbers, speed, differences(trial.params))
    return _counted(table, len(running), limit)


def studies_table(rows: Iterable[Sequence[str]]) -> Table:
    """Return the studies of a storage folder: name, task, state, trials, what the test gave, the best of validation."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="dim")
    for name in ("study", "task"):
        table.add_column(name, overflow="fold")
    table.add_column("state")
    for name in ("trials", "test recall", "test accuracy", "best recall", "best accuracy"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    return table


def plain_table(*names: str) -> Table:
    """Return an empty table: numbers to the right, and a last column that folds."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="dim")
    for name in names[:-1]:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column(names[-1], overflow="fold")
    return table


def _counted(table: Table, count: int, limit: int | None) -> Table:
    if limit is not None and count > limit:
        table.add_row(*[""] * (len(table.columns) - 1), f"and {count - limit} more")
    return table
