"""Where an exported model goes, and what it may replace there."""

from pathlib import Path

from cluster.jobs import inside_job
from leukmodels.errors import ConfigError, StudyError
from leukmodels.model.exported import FILE, ExportedModel
from search.study.folder import StudyFolder


def default_out(folder: StudyFolder, *, task: str, synthetic: bool) -> Path:
    """Return where a bundle goes unless the user says otherwise; drawn data never take the place of real results."""
    if inside_job():  # the working folder is thrown away
        return folder.path / "export"
    return Path("results", *(["synthetic"] if synthetic else []), task)


def check_out(out: Path) -> str:
    """Return whose bundle in ``out`` would be replaced, "" where none; StudyError where it holds anything else."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return ""
    try:
        return ExportedModel.read(out / FILE).study.name
    except ConfigError:
        raise StudyError(
            f"{out} exists and is no exported model, so it is left alone. Give another folder with --out, or empty it."
        ) from None
