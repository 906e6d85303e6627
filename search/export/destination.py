"""Where an exported model goes, and what it may replace there."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from cluster.jobs import inside_job
from leukmodels.errors import StudyError
from search.study.folder import StudyFolder

KIND = "leukemia-search model"


def default_out(folder: StudyFolder, *, task: str, synthetic: bool) -> Path:
    """Return where a bundle goes unless the user says otherwise; drawn data never take the place of real results."""
    if inside_job():  # the working folder is thrown away
        return folder.path / "export"
    return Path("results", *(["synthetic"] if synthetic else []), task)


def check_out(out: Path) -> str:
    """Return whose bundle in ``out`` would be replaced, "" where none; StudyError where it holds anything else."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return ""
    config = _bundle_at(out)
    if config is None:
        raise StudyError(
            f"{out} exists and is no exported model, so it is left alone. Give another folder with --out, or empty it."
        )
    return str(config["study"]["name"])


def _bundle_at(path: Path) -> Mapping[str, Any] | None:
    """Return the configuration of the bundle in ``path``, None where there is none."""
    try:
        config = yaml.safe_load((path / "config.yaml").read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return None
    return config if isinstance(config, dict) and config.get("kind") == KIND else None
