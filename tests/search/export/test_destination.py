"""Where exports go, and what stands for a task: one that its test confirmed gives way to another such one alone."""

from pathlib import Path

import pytest
import yaml

from exports import CONFIG
from leukmodels.errors import ConfigError, StudyError
from leukmodels.model.exported import ExportedModel, current_export
from search.export.destination import check_out, point_to, refuse_confirmed

FIGURES = {"recall": {"estimate": 0.9, "low": 0.8, "high": 0.95}}
TESTED = {"opening": 1, "opened": "2026-12-01T00:00:00+00:00", "cells": 50, "figures": FIGURES, "broken": []}
FAILED = TESTED | {"broken": ["The test gave less."]}


def exported(folder: Path, **changes: object) -> ExportedModel:
    """Write what an export says into a folder of the study's name."""
    study = {"name": folder.name, "id": folder.name, "created": "2026-11-01T00:00:00+00:00"}
    said = ExportedModel.model_validate(CONFIG | {"study": study} | changes)
    folder.mkdir(parents=True, exist_ok=True)
    said.write(folder)
    return said


def arrive(folder: Path, *, replace: bool = False, **changes: object) -> str:
    """Export a study to its usual place, and return what that made of the task's folder."""
    return point_to(folder, exported(folder, **changes), folder, replace=replace)


@pytest.mark.parametrize(
    ("before", "after", "replace", "stands"),
    [
        ({}, {}, False, "b"),
        ({}, {"test": TESTED}, False, "b"),
        ({"test": TESTED}, {}, False, "a"),
        ({"test": TESTED}, {}, True, "b"),
        ({"test": TESTED}, {"test": FAILED}, False, "a"),
        ({"test": TESTED}, {"test": TESTED}, False, "b"),
        ({"test": FAILED}, {}, False, "b"),
        ({"preference": "its confirmation: highest mean recall"}, {}, False, "a"),
    ],
)
def test_what_stands_for_a_task(tmp_path, before, after, replace, stands):
    home = tmp_path / "runx1"
    assert arrive(home / "a", **before) == f"{home} stands for it now."
    said = arrive(home / "b", replace=replace, **after)
    assert current_export(home) == home / stands
    assert ExportedModel.read(home).study.name == stands
    kept = (
        f"{home} still stands for the model of a (trial 4), which its test has confirmed; search.export --replace puts"
    )
    assert said.startswith(
        kept if stands == "a" else f"{home} stands for it now, and no longer for the model of a (trial"
    )


@pytest.mark.parametrize(("preference", "stands"), [("recall", "a"), ("its confirmation: highest mean recall", "old")])
def test_an_export_of_the_layout_before_stands_for_the_task_until_another_may(tmp_path, preference, stands):
    home = tmp_path / "runx1"
    study = {"name": "old", "id": "old", "created": "2026-11-01T00:00:00+00:00"}
    exported(home, preference=preference, study=study)
    assert ExportedModel.read(home).study.name == "old"
    arrive(home / "a")
    assert ExportedModel.read(home).study.name == stands
    arrive(home / "a", test=TESTED)
    assert ExportedModel.read(home).study.name == "a"


def test_an_export_elsewhere_stands_for_nothing(tmp_path):
    assert point_to(tmp_path / "x" / "a", exported(tmp_path / "x" / "a"), tmp_path / "runx1" / "a", replace=False) == ""
    assert not (tmp_path / "x" / "current.yaml").exists()


def test_a_pointer_to_nothing_gives_way(tmp_path):
    arrive(tmp_path / "a", test=TESTED)
    (tmp_path / "a" / "config.yaml").unlink()
    arrive(tmp_path / "b")
    assert current_export(tmp_path) == tmp_path / "b"


def test_a_folder_of_several_exports_is_left_alone(tmp_path):
    arrive(tmp_path / "runx1" / "a")
    with pytest.raises(StudyError, match="holds the exports of studies, so it is left alone"):
        check_out(tmp_path / "runx1")
    assert check_out(tmp_path / "runx1" / "a").study.name == "a"
    assert check_out(tmp_path / "runx1" / "b") is None


def test_a_confirmed_export_is_not_replaced(tmp_path):
    refuse_confirmed(tmp_path, None)
    refuse_confirmed(tmp_path, exported(tmp_path / "a"))
    refuse_confirmed(tmp_path, exported(tmp_path / "a", test=FAILED))
    with pytest.raises(StudyError, match=r"model of a \(trial 4\), which its test has confirmed, so it is left alone"):
        refuse_confirmed(tmp_path, exported(tmp_path / "a", test=TESTED))


@pytest.mark.parametrize("folder", ["..", "../a", "/etc", "a/b", "", ".", "a\0b", None, 7])
def test_a_pointer_leads_only_beside_itself(tmp_path, folder):
    (tmp_path / "current.yaml").write_text(yaml.safe_dump({"folder": folder}))
    with pytest.raises(ConfigError, match="expected the name of a folder beside this file"):
        current_export(tmp_path)
