"""Write what a study found as one page that needs nothing else: HTML, opened from disk, printed by the browser.

python -m search.report STUDY [--prevalence P] [--with-pictures] [--with-identifiers] [--out FILE]
python -m search.report --compare STUDY STUDY ... [--out FILE]
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from leukmodels.process import command_line
from leukmodels.process.command import program, run_verb
from leukmodels.process.command_line import Arg, parse
from search.study.disclosure import Disclosure
from search.study.folder import StudyFolder
from search.study.options import StorageOptions, WithIdentifiers, WithPictures, find_study

_EXAMPLES = """examples:
  python -m search.report runx1-1                      into runx1-1/report/report.html, and to MLflow
  python -m search.report runx1-1 --prevalence 0.05    predictive values where 5 of 100 patients have the disease
  python -m search.report runx1-1 --with-pictures      test cells, and where the model looked, too
  python -m search.report --compare pml-1 npm1-1 cbfb-1 runx1-1 b-1    studies side by side, with published figures

The page is made of the study's files alone, at any time: before search.confirm it shows validation only, and says so.
"""


class ReportOptions(StorageOptions):
    """Which studies are written as a page."""

    study: Annotated[str | None, Arg(positional=True, metavar="STUDY")] = Field(
        default=None, description="the study's folder, or its name below --storage"
    )
    compare: Annotated[tuple[str, ...] | None, Arg(metavar="STUDY")] = Field(
        default=None, min_length=1, description="instead: these studies side by side"
    )
    prevalence: Annotated[float | None, Arg(metavar="P")] = Field(
        default=None,
        ge=1e-4,
        le=1 - 1e-4,
        description="share of leukemia among the patients, for predictive values (default: several)",
    )
    out: Annotated[Path | None, Arg(metavar="FILE")] = Field(
        default=None, description="where to (default: STUDY/report/report.html, or comparison.html)"
    )
    with_identifiers: WithIdentifiers = False
    with_pictures: WithPictures = False

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if (self.study is None) == (self.compare is None):
            raise ValueError("give one STUDY, or --compare and several")
        if self.compare and self.prevalence is not None:
            raise ValueError("--prevalence is for the page of one study")
        if self.compare and (self.with_identifiers or self.with_pictures):
            raise ValueError("--with-identifiers and --with-pictures are for the page of one study")
        return self


def main(arguments: Sequence[str]) -> int:
    """Write the page of one study, or of several side by side."""
    options = parse(parser(), ReportOptions, arguments)
    if options.compare:
        folders = [find_study(each, options.storage) for each in options.compare]
        _compare(folders, options.out or folders[0].path.parent / "comparison.html")
    else:
        _report(find_study(str(options.study), options.storage), options)
    return 0


def _report(folder: StudyFolder, options: ReportOptions) -> None:
    from search.report.write import page_file, tell_mlflow, write_page

    path = write_page(
        folder,
        options.out and options.out.expanduser(),
        prevalence=options.prevalence,
        disclosure=Disclosure(identifiers=options.with_identifiers, pictures=options.with_pictures),
    )
    print(f"Written: {path}")
    if path == page_file(folder):
        print(tell_mlflow(folder))


def _compare(folders: Sequence[StudyFolder], out: Path) -> None:
    from search.report.write import write_comparison

    print(f"Written: {write_comparison(folders, out.expanduser())}")


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    return command_line.parser(
        ReportOptions.model_fields,
        prog=program("search.report"),
        description="Write what a study found as one HTML file: data, search, confirmation, test, figures, limits.",
        epilog=_EXAMPLES,
    )


if __name__ == "__main__":
    run_verb(main)
