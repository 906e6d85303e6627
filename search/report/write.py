"""Pages as files, whole or not at all, and beside the study in MLflow."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from leukmodels.errors import StudyError
from leukmodels.process.files import group_access
from search.report.build import page_of
from search.report.checks import checks_of
from search.report.comparison import comparison_of
from search.report.figures import comparison_figures, figures_of
from search.report.render import render
from search.study.disclosure import DISCRETE, Disclosure
from search.study.folder import StudyFolder, write_whole
from search.study.opened import Study
from search.tracking.follower import catch_up
from search.tracking.store import redacted
from search.tracking.tracker import study_uri


def page_file(folder: StudyFolder) -> Path:
    """Return where the page of a study stands unless the user says otherwise."""
    return folder.report / "report.html"


def write_page(
    folder: StudyFolder,
    path: Path | None = None,
    *,
    prevalence: float | None = None,
    disclosure: Disclosure = DISCRETE,
) -> Path:
    """Write the page of a study and return where; StudyError where scores that it needs are gone."""
    study = Study.open(folder)
    page = page_of(study, prevalence=prevalence, disclosure=disclosure)
    path = path or page_file(folder)
    with group_access(study.config.group_access):
        text = render("page.html", figures=figures_of(page), page=page, checks=checks_of(page))
        write_whole(path, text, durable=False)
    return path


def tell_mlflow(folder: StudyFolder) -> str:
    """Have MLflow hear of the study what it has not heard, its page too; return what became of that in a sentence."""
    uri = study_uri(folder)
    try:
        catch_up(folder, uri)
    except StudyError as error:
        return f"{error}\nLater: python -m search.audit {shlex.quote(str(folder.path))} --sync"
    return f"MLflow at {redacted(uri)} has it, too."


def write_comparison(folders: Sequence[StudyFolder], path: Path) -> Path:
    """Write studies side by side and return where."""
    comparison = comparison_of(folders)
    write_whole(path, render("comparison.html", figures=comparison_figures(comparison), comparison=comparison))
    return path
