"""The pictures and tables of a study's report folder: its front, how it came about, and what it cost."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from leukmodels.space.dimensions import Space
from search.display.csv_tables import write_front_table, write_importances_table, write_trials_table
from search.display.effort import draw_effort
from search.display.plots import draw_front, draw_progress
from search.selection.front import pareto_front
from search.selection.head_start import cold_start, head_start
from search.study.folder import StudyFolder
from search.study.objectives import Objectives
from search.study.records import StudyRecord
from search.tuning.importance import importances


def write_gallery(folder: StudyFolder, record: StudyRecord, manifest: Mapping[str, Any]) -> dict[str, Path]:
    """Write the study's table and pictures into its report folder; return each path by what it is."""
    objectives = Objectives(**manifest["aims"])
    front = pareto_front(record, objectives)
    told: dict[str, Any] = {
        "title": f"{manifest['task']['name']}: {folder.name}",
        "synthetic": bool(manifest["data"]["synthetic"]),
    }
    written = {
        "front, picture": folder.report / "front.png",
        "front, table": folder.report / "front.csv",
        "progress": folder.report / "progress.png",
        "effort": folder.report / "effort.png",
        "trials, table": folder.report / "trials.csv",
    }
    write_front_table(front, written["front, table"])  # first: the pictures take a second
    write_trials_table(record, front, written["trials, table"])
    draw_front(front, written["front, picture"], objectives=objectives, **told)
    draw_progress(record, objectives, written["progress"], **told)
    mattered = importances(record, Space.from_dict(manifest["space"]), objectives)
    cold = cold_start(folder) if head_start(manifest) else None
    if mattered:
        written["importances, table"] = folder.report / "importances.csv"
        write_importances_table(mattered, written["importances, table"])
    draw_effort(record, objectives, mattered, written["effort"], cold=cold, **told)
    return written
