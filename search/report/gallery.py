"""The pictures and tables of a study's report folder: its front, how it came about, and what it cost."""

from pathlib import Path
from typing import Any

from search.display.csv_tables import write_front_table, write_importances_table, write_trials_table
from search.display.effort import draw_effort
from search.display.plots import draw_front, draw_progress
from search.selection.head_start import cold_start, head_start
from search.study.opened import Study
from search.tuning.importance import importances


def write_gallery(study: Study) -> dict[str, Path]:
    """Write the study's tables and pictures into its report folder; return each path by what it is."""
    folder, record, objectives, front = study.folder, study.record, study.objectives, study.front
    told: dict[str, Any] = {"title": study.manifest.title, "synthetic": study.manifest.data.synthetic}
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
    mattered = importances(record, study.manifest.space, objectives)
    cold = cold_start(study) if head_start(study.manifest) else None
    if mattered:
        written["importances, table"] = folder.report / "importances.csv"
        write_importances_table(mattered, written["importances, table"])
    draw_effort(record, objectives, mattered, written["effort"], cold=cold, **told)
    return written
