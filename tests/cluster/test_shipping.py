"""What a job takes along from the working folder, asked of Ray's own rules."""

from pathlib import Path

import pytest

from cluster.shipping import main, shipped, shipping_note

ROOT = Path(__file__).resolve().parents[2]


def lay(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")


@pytest.mark.fault(
    "files", "images, .env, databases and exports in the folder of `ray job submit`", "each kind is named, once shipped"
)
def test_what_should_stay_is_named_by_its_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lay(tmp_path, "search/run.py", "cells/a.tif", "cells/b.PNG", ".env", "mlflow.db", "results/runx1/model.keras")
    assert shipping_note(tmp_path) == (
        "The working folder would be shipped by `ray job submit` with 1 secret (.env), 2 images (cells/a.tif, ...), 1 "
        "database (mlflow.db), 1 study file (results/runx1/model.keras). Whoever reaches the cluster can read that, "
        "and no job needs it: name it in .rayignore."
    )
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}")
    assert "The working folder was shipped to the cluster with 1 secret (.env)" in shipping_note(tmp_path)


def test_what_the_ignore_files_name_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lay(tmp_path, "search/run.py", "cells/a.tif", "deep/b.tif", "deep/c.db", ".env")
    (tmp_path / ".gitignore").write_text("cells/\n.env\n")
    (tmp_path / "deep" / ".rayignore").write_text("*.tif\n*.db\n")
    assert [path.relative_to(tmp_path).as_posix() for path in shipped(tmp_path)] == [
        ".gitignore",
        "deep/.rayignore",
        "search/run.py",
    ]
    assert main([str(tmp_path)]) == 0
    assert "Nothing in" in capsys.readouterr().out


def test_this_checkout_ships_its_packages_and_nothing_that_should_stay() -> None:
    ships = {path.relative_to(ROOT).parts[0] for path in shipped(ROOT)}
    assert {"search", "leukmodels", "cluster", "pyproject.toml"} <= ships
    assert ships.isdisjoint({"tests", "results", "findings", ".git", ".venv"})
    assert shipping_note(ROOT) == ""
