"""Write what a study found as one page that needs nothing else: HTML, opened from disk, printed by the browser.

python -m search.report STUDY [--prevalence P] [--out FILE]
python -m search.report --compare STUDY STUDY ... [--out FILE]
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from leukmodels.process.command import run_verb
from search.study.arguments import add_storage, find_study, number
from search.study.folder import StudyFolder

_EXAMPLES = """examples:
  python -m search.report runx1-1                      into runx1-1/report/report.html, and to MLflow
  python -m search.report runx1-1 --prevalence 0.05    predictive values where 5 of 100 patients have the disease
  python -m search.report --compare pml-1 npm1-1 cbfb-1 runx1-1 b-1    studies side by side, with published figures

The page is made of the study's files alone, at any time: before search.confirm it shows validation only, and says so.
"""
_LEAST, _MOST = 1e-4, 1 - 1e-4


def main(arguments: Sequence[str]) -> int:
    """Write the page of one study, or of several side by side."""
    parser = _parser()
    given = parser.parse_args(arguments)
    if (given.study is None) == (given.compare is None):
        parser.error("give one STUDY, or --compare and several")
    if given.compare:
        if given.prevalence is not None:
            parser.error("--prevalence is for the page of one study")
        folders = [find_study(each, given.storage) for each in given.compare]
        _compare(folders, given.out or folders[0].path.parent / "comparison.html")
    else:
        _report(find_study(given.study, given.storage), given.out, given.prevalence)
    return 0


def _report(folder: StudyFolder, out: Path | None, prevalence: float | None) -> None:
    from search.report.write import page_file, tell_mlflow, write_page

    path = write_page(folder, out and out.expanduser(), prevalence=prevalence)
    print(f"Written: {path}")
    if path == page_file(folder):
        print(tell_mlflow(folder))


def _compare(folders: Sequence[StudyFolder], out: Path) -> None:
    from search.report.write import write_comparison

    print(f"Written: {write_comparison(folders, out.expanduser())}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m search.report",
        description="Write what a study found as one HTML file: data, search, confirmation, test, figures, limits.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("study", metavar="STUDY", nargs="?", help="the study's folder, or its name below --storage")
    parser.add_argument("--compare", metavar="STUDY", nargs="+", help="instead: these studies side by side")
    add_storage(parser)
    parser.add_argument(
        "--prevalence",
        type=number(_LEAST, _MOST, "share between 0 and 1"),
        metavar="P",
        help="share of leukemia among those who are asked about, for predictive values (default: several)",
    )
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="where to (default: STUDY/report/report.html, or comparison.html)"
    )
    return parser


if __name__ == "__main__":
    run_verb(main)
