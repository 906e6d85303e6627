"""What a confirmation says at its end: who kept on top on other patients, and what became of promises on the test."""

import sys
from collections.abc import Sequence

from rich.table import Table

from leukmodels.process.words import Terms
from search.display.tables import plain_table, terminal
from search.display.text import SYNTHETIC, measured, metric_name
from search.selection.confirmed_ranking import Ranked
from search.study.confirmation_log import TestAccess

_SHOWN = ("recall", "accuracy", "specificity", "auroc")


def tell(ranking: Sequence[Ranked], opening: TestAccess | None, *, synthetic: bool, terms: Terms) -> None:
    """Print the ranking and the last opening's results, in the study's terms."""
    out = terminal(sys.stdout)
    trainings = max(each.trainings + each.failures for each in ranking)
    out.print(
        f"\nOn {terms.units} that the models never saw, means and standard deviations of {trainings} trainings each:\n"
    )
    out.print(ranking_table(ranking))
    if opening:
        out.print(f"\nThe test {terms.units} (opening {opening.number}), beside what validation promised:\n")
        out.print(test_table(opening))
    if synthetic:
        out.print(SYNTHETIC)


def ranking_table(ranking: Sequence[Ranked]) -> Table:
    """Return the ranking, a row a configuration."""
    table = plain_table("trial", *map(metric_name, _SHOWN), "")
    for each in ranking:
        values = [f"{each.means[name]:.3f} ± {each.spreads[name]:.3f}" for name in _SHOWN]
        failed = f"could not be trained {each.failures} of {each.trainings + each.failures} times"
        table.add_row(str(each.trial), *values, "front" if each.on_front else failed if each.failures else "")
    return table


def test_table(opening: TestAccess) -> Table:
    """Return what each model reached on the test patients' cells, in brackets what validation promised."""
    table = plain_table("trial", "threshold", *map(metric_name, _SHOWN), "chosen for")
    for each in opening.chosen:
        reached = opening.results[each.trial]
        values = [f"{measured(reached, name)} ({measured(each.promise, name)})" for name in _SHOWN]
        table.add_row(str(each.trial), f"{each.threshold:.3f}", *values, each.why)
    return table
