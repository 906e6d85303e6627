"""Where an exported model goes, and what it may replace there.

Each study has a folder of its own below its task's, and a ``current.yaml`` there names the one that the task's folder
stands for. A model that its test confirmed gives way to another such one, or to a wish (--replace), and to no search.
"""

from pathlib import Path

from cluster.jobs import inside_job
from leukmodels.errors import ConfigError, StudyError
from leukmodels.model.exported import CURRENT_FILE, FILE, ExportedModel, current_export, make_current
from search.study.folder import StudyFolder


def default_out(folder: StudyFolder, *, task: str, synthetic: bool) -> Path:
    """Return where a bundle goes unless the user says otherwise; drawn data never take the place of real results."""
    if inside_job():  # the working folder is thrown away
        return folder.path / "export"
    return Path("results", *(["synthetic"] if synthetic else []), task, folder.name)


def check_out(out: Path) -> ExportedModel | None:
    """Return the exported model in ``out``, which would be replaced; StudyError where it holds anything else."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return None
    if (out / CURRENT_FILE).exists():
        raise StudyError(
            f"{out} holds the exports of studies, so it is left alone. Give a folder of its own with --out, such as "
            f"{out / 'NAME'}."
        )
    try:
        return ExportedModel.read(out / FILE)
    except ConfigError:
        raise StudyError(
            f"{out} exists and is no exported model, so it is left alone. Give another folder with --out, or empty it."
        ) from None


def refuse_confirmed(out: Path, before: ExportedModel | None) -> None:
    """Raise StudyError where ``before``, which stands in ``out``, was confirmed and something else would replace it."""
    if before and before.confirmed:
        raise StudyError(
            f"{out} holds {_named(before)}, which its test has confirmed, so it is left alone. Confirm this study "
            "(python -m search.confirm), give another folder with --out, or replace it all the same (search.export "
            "--replace)."
        )


def point_to(out: Path, exported: ExportedModel, usual: Path, *, replace: bool) -> str:
    """Have the bundle in ``out`` stand for its task where that is its ``usual`` place; return what came of it.

    A sentence; "" where it stands elsewhere, and nothing else is touched.
    """
    if inside_job() or out.absolute() != usual.absolute():
        return ""
    home = out.parent
    before = _standing(home, besides=out)
    if before and before.confirmed and not (exported.confirmed or replace):
        return (
            f"{home} still stands for {_named(before)}, which its test has confirmed; search.export --replace puts "
            "this one in its place."
        )
    make_current(out)
    return f"{home} stands for it now{f', and no longer for {_named(before)}' if before else ''}."


def _standing(home: Path, *, besides: Path) -> ExportedModel | None:
    """Return the exported model that a folder stands for, None where it is ``besides``, or none that can be read."""
    try:
        found = current_export(home)
        return None if found == besides else ExportedModel.read(found / FILE)
    except ConfigError:
        return None


def _named(exported: ExportedModel) -> str:
    return f"the model of {exported.study.name} (trial {exported.trial})"
