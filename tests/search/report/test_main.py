"""The verb: python -m search.report."""

import pytest

import pages
from leukmodels.errors import ConfigError, StudyError
from leukmodels.evaluation import resampling
from mlflow_view import runs_of
from search.report import render
from search.report.__main__ import main
from search.tracking.tracker import default_uri


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(resampling, "DRAWS", 20)
    monkeypatch.setattr(render, "_svg", lambda figure: "data:image/svg+xml;base64,")


def test_the_page_is_written_and_mlflow_has_it(storage, capsys):
    folder = pages.searched(storage / "runx1-9")
    assert main(["runx1-9", "--storage", str(storage)]) == 0
    written = folder.report / "report.html"
    assert "VALIDATION ONLY" in written.read_text(encoding="utf-8")
    said = capsys.readouterr().out
    assert f"Written: {written}" in said
    assert "has it, too" in said
    parent = runs_of(folder, default_uri(storage))[0]
    artefact = parent.info.artifact_uri
    assert (type(written)(artefact) / "report.html").read_bytes() == written.read_bytes()


def test_a_page_elsewhere_is_no_artifact(storage, tmp_path, capsys):
    pages.searched(storage / "runx1-8")
    assert (
        main(["runx1-8", "--storage", str(storage), "--out", str(tmp_path / "page.html"), "--prevalence", "0.2"]) == 0
    )
    assert "20 %, as asked for" in (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "MLflow" not in capsys.readouterr().out


def test_mlflow_may_be_away(storage, tmp_path, monkeypatch, capsys):
    folder = pages.searched(storage / "runx1-7", tracking_uri="http://127.0.0.1:9")
    assert main([str(folder.path)]) == 0
    assert "search.audit" in capsys.readouterr().out
    assert (folder.report / "report.html").is_file()


def test_studies_side_by_side(storage, capsys):
    folders = [pages.searched(storage / name) for name in ("npm1-5", "runx1-5")]
    assert main(["--compare", *(folder.name for folder in folders), "--storage", str(storage)]) == 0
    assert "npm1-5" in (storage / "comparison.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("asked", [[], ["a", "--compare", "b"], ["--compare", "a", "--prevalence", "0.1"]])
def test_what_makes_no_sense_is_refused(asked):
    with pytest.raises(ConfigError, match=r"--compare|--prevalence is for"):
        main(asked)


@pytest.mark.parametrize("prevalence", ["0", "1", "often", "nan"])
def test_a_prevalence_is_a_share(prevalence):
    with pytest.raises(ConfigError, match="--prevalence is"):
        main(["a", "--prevalence", prevalence])


def test_no_study_no_page(tmp_path):
    with pytest.raises(StudyError, match="holds no study"):
        main(["nothing", "--storage", str(tmp_path)])
