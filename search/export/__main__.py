"""Export the configuration of a study that suits best, checked by loading it again.

python -m search.export STUDY [--prefer recall|accuracy|balanced|cost | --min-recall X | --trial N] [--out DIR]
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from leukmodels.model.exported import ExportedModel
from leukmodels.process import command_line
from leukmodels.process.command import program, run_verb
from leukmodels.process.command_line import parse
from leukmodels.process.words import plural
from search.display.tables import front_table, terminal, tested_table
from search.display.text import differences, metric_words
from search.export.bundle import Bundle, Choice, choose_trial, write_bundle
from search.export.destination import check_out, refuse_confirmed
from search.selection.preference import By, Preference
from search.study.disclosure import Disclosure
from search.study.opened import Study
from search.study.options import RecallOptions, StudyOptions, WithIdentifiers

_EXAMPLES = """examples:
  python -m search.export runx1-1                      what was confirmed, or the front's highest recall, into results/
  python -m search.export runx1-1 --prefer balanced    the best worse one of recall and accuracy
  python -m search.export runx1-1 --min-recall 0.95    the highest accuracy at a recall that other patients will have
  python -m search.export runx1-1 --trial 11           trial 11, whatever its rank
  python -m search.export runx1-1 --dry-run            only say which trial it would be

The folder holds config.yaml, model.keras, scores.parquet, the front and a README. Each study has its own, in
results/TASK/STUDY; results/TASK stands for the latest, or for the latest that its test confirmed. That one gives way to
another confirmed one, or to --replace. Use it with: python -m leukmodels.predictor results/TASK IMAGE...
"""


class ExportOptions(StudyOptions, RecallOptions):
    """Which configuration is exported, and where to."""

    prefer: By | None = Field(
        default=None,
        description="which member of the front; cost: the lowest third objective (default: the model that "
        "search.confirm opened the test patients for first; recall, where it did not)",
    )
    trial: int | None = Field(default=None, description="instead: this trial, on the front or not")
    out: Path | None = Field(
        default=None,
        description="where to (default: results/TASK/STUDY, results/synthetic/TASK/STUDY for drawn data; in a Ray job "
        "the study's folder)",
    )
    replace: bool = Field(default=False, description="also take the place of a model that its test has confirmed")
    anyway: bool = Field(default=False, description="export a model that failed its test, too")
    with_identifiers: WithIdentifiers = False
    dry_run: bool = Field(default=False, description="say what would be exported, write nothing")

    @model_validator(mode="after")
    def _choose_once(self) -> Self:
        ways = {"--prefer": self.prefer, "--min-recall": self.min_recall, "--trial": self.trial}
        if len(given := [name for name, value in ways.items() if value is not None]) > 1:
            raise ValueError(f"{' and '.join(given)} choose in several ways; give one of them")
        return self


def main(arguments: Sequence[str]) -> int:
    """Choose a trial of the front and write its bundle."""
    options = parse(parser(), ExportOptions, arguments)
    study = Study.open(options.find())
    preference = chosen_by(options)
    chosen = choose_trial(study, preference)
    out = options.out.expanduser() if options.out else chosen.out
    before = check_out(out)
    if not options.anyway:
        chosen.refuse_failed()
    if not (options.replace or chosen.confirmed):
        refuse_confirmed(out, before)
    _tell(chosen)
    if options.dry_run:
        print(
            f"It would {f'replace the exported model of {before.study.name} in' if before else 'be written to'} {out}."
        )
        return 0
    if sys.stdout.isatty():
        print("Loading it again to check its answers ...", flush=True)
    disclosure = Disclosure(identifiers=options.with_identifiers)
    _tell_written(
        write_bundle(study, out, preference, replace=options.replace, anyway=options.anyway, disclosure=disclosure)
    )
    return 0


def chosen_by(options: ExportOptions) -> Preference:
    """Return what the options choose by."""
    return Preference(
        by=options.prefer, trial=options.trial, min_recall=options.min_recall, sure=options.recall_guarantee
    )


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    return command_line.parser(
        ExportOptions.model_fields,
        prog=program("search.export"),
        description="Export one configuration of a study's front: settings, model, scores, and where they came from.",
        epilog=_EXAMPLES,
        hidden=("bounds",),
    )


def _tell(chosen: Choice) -> None:
    out = terminal(sys.stdout)
    if opening := chosen.study.confirmation.latest:
        out.print(f"The locked test (opening {opening.number}), beside what validation promised:\n")
        out.print(tested_table(opening))
        out.print()
    out.print("The front, on validation cells at threshold 0.5:\n")
    out.print(front_table(chosen.study.front.trials))
    operating_point, differing = chosen.operating_point, differences(chosen.trial.params)
    who = f"trial {chosen.trial.number} at threshold {operating_point.threshold:.3f}"
    measured = metric_words(operating_point.metrics, digits=3)
    if chosen.opening:
        reached = metric_words(chosen.opening.results[chosen.trial.number], digits=3)
        measured = f"on the test {reached}; on validation {measured}"
    out.print(f"\nchosen by {operating_point.why}: {who}, {measured} ({differing})", soft_wrap=True)
    for broken in chosen.broken:
        out.print(f"FAILED ITS TEST: {broken}", soft_wrap=True)
    if operating_point.promised is not None:
        units = chosen.study.manifest.terms.units
        out.print(f"As many other {units} have a recall above {operating_point.promised:.3f}, with 95 % confidence.")
    if not chosen.study.record.finished:
        out.print("The study is not finished, so the front may move still.")


def _tell_written(bundle: Bundle) -> None:
    checked = bundle.verification
    print(
        f"Exported to {bundle.path}.{f' {bundle.standing}' if bundle.standing else ''}\n"
        f"Checked: {checked.note} ({checked.checked} validation cells, largest difference "
        f"{checked.largest_difference:.1g}).\n"
        f"{_domain(bundle.config)}\n"
        f"Next: python -m leukmodels.predictor {bundle.path} IMAGE..."
    )


def _domain(config: ExportedModel) -> str:
    """Return what the predictor knows of the training cells, in a sentence."""
    if config.domain is None:
        return (
            f"It does not know what its training cells look like ({config.domain_note}), so it will answer for images "
            "unlike them as well; export it again where its images are at hand."
        )
    said = config.domain
    return (
        f"It answers for images like its training cells ({said.cells:,} were looked at); it would have refused "
        f"{said.validation_sets_unlike} of {plural(said.validation_sets, 'set')} of validation cells."
    )


if __name__ == "__main__":
    run_verb(main)
