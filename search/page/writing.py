"""Pages as files, whole or not at all."""

from collections.abc import Sequence
from pathlib import Path

from search.folder import StudyFolder, write_whole
from search.page.comparing import comparison_of
from search.page.figures import comparison_figures, figures_of
from search.page.gathering import page_of
from search.page.rendering import render


def page_file(folder: StudyFolder) -> Path:
    """Return where the page of a study stands unless the user says otherwise."""
    return folder.report / "report.html"


def write_page(folder: StudyFolder, path: Path | None = None, *, prevalence: float | None = None) -> Path:
    """Write the page of a study and return where; StudyError where scores that it needs are gone."""
    page = page_of(folder, prevalence=prevalence)
    path = path or page_file(folder)
    write_whole(path, render("page.html", figures=figures_of(page), page=page))
    return path


def write_comparison(folders: Sequence[StudyFolder], path: Path) -> Path:
    """Write studies side by side and return where."""
    comparison = comparison_of(folders)
    write_whole(path, render("comparison.html", figures=comparison_figures(comparison), comparison=comparison))
    return path
