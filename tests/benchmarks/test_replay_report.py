"""The table and the picture of the replay, on made-up volumes."""

import importlib
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture
def report(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    return importlib.import_module("replay_report")


def found(report):
    """Return volumes of two searches: ours rises to 0.8 over the first half, the other to 0.4 over all of it."""
    over = np.arange(1, report.POINTS + 1) / report.POINTS
    ours = np.minimum(1.6 * over, 0.8)
    return {report.OURS: np.array([ours, ours]), "other": np.array([0.4 * over, 0.2 * over])}


def test_the_share_is_where_the_volume_is_first_had(report):
    mine = found(report)[report.OURS]
    assert report.share_to(mine, np.array([0.4, 0.9])).tolist() == [0.25, np.inf]


def test_a_line_says_when_we_are_there_and_how_often_ahead(report):
    lines = report.table(found(report), found(report))
    assert lines[2].startswith("| this project | 0.5280 | 0.8000 (0.8000 to 0.8000) |  |  |  |")
    # Its mean ends at 0.3, which ours has at 0.1875 of the budget; by seed at 0.25 and 0.125.
    assert "| 0.19 of the budget | 0.19 of the budget | 100% | 0.3000 |" in lines[3]


def test_the_picture_takes_any_number_of_searches(report, tmp_path):
    volumes = found(report)["other"]
    names = [report.OURS, *(f"search {number}" for number in range(12))]
    report.draw(dict.fromkeys(names, volumes), names, 100, tmp_path / "replay.png")
    assert (tmp_path / "replay.png").stat().st_size > 10_000
