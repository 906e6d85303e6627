"""What a confirmation says at its end: who kept on top on other patients, and what became of promises on the test."""

import sys
from collections.abc import Sequence

from rich.table import Table

from leukmodels.process.words import Terms
from search.display.tables import TESTED, plain_table, terminal, tested_table
from search.display.text import SYNTHETIC, metric_name
from search.selection.confirmed_ranking import Ranked
from search.study.confirmation_log import TestAccess


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
        out.print(tested_table(opening))
    if synthetic:
        out.print(SYNTHETIC)


def ranking_table(ranking: Sequence[Ranked]) -> Table:
    """Return the ranking, a row a configuration."""
    table = plain_table("trial", *map(metric_name, TESTED), "")
    for each in ranking:
        values = [f"{each.means[name]:.3f} ± {each.spreads[name]:.3f}" for name in TESTED]
        failed = f"could not be trained {each.failures} of {each.trainings + each.failures} times"
        table.add_row(str(each.trial), *values, "front" if each.on_front else failed if each.failures else "")
    return table
