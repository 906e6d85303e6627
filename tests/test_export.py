import pytest
import yaml

import studies
from leukmodels.errors import StudyError
from search.export import main

pytestmark = pytest.mark.keras


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return studies.exportable(tmp_path_factory.mktemp("studies"))


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.delenv("RAY_JOB_CONFIG_JSON_ENV_VAR", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("options", "trial"),
    [([], 2), (["--prefer", "accuracy"], 1), (["--prefer", "balanced"], 1), (["--min-recall", "0.75"], 1)],
)
def test_a_dry_run_says_which_trial_and_writes_nothing(study, tmp_path, capsys, options, trial):
    assert main([str(study.path), "--dry-run", *options]) == 0
    said = capsys.readouterr().out
    assert f": trial {trial}, recall " in said
    assert "It would be written to results/synthetic/runx1." in said
    assert not list(tmp_path.iterdir())


def test_an_export_goes_where_results_go(study, tmp_path, capsys):
    assert main([study.name, "--storage", str(study.path.parent)]) == 0
    said = capsys.readouterr().out
    assert "Exported to results/synthetic/runx1." in said
    assert "Checked: the recorded scores came out again (20 validation cells" in said
    assert yaml.safe_load((tmp_path / "results/synthetic/runx1/config.yaml").read_text())["trial"] == 2
    main([str(study.path), "--dry-run"])
    assert "It would replace the exported model of runx1-1 in results/synthetic/runx1." in capsys.readouterr().out


def test_a_recall_out_of_reach_is_said(study):
    with pytest.raises(StudyError, match=r"No trial reaches a recall of 0\.99"):
        main([str(study.path), "--min-recall", "0.99", "--dry-run"])


@pytest.mark.parametrize("options", [["--min-recall", "1.5"], ["--min-recall", "x"], ["--prefer", "luck"]])
def test_wrong_options_end_with_two(study, options):
    with pytest.raises(SystemExit, match="2"):
        main([str(study.path), *options])


def test_a_foreign_folder_is_refused_before_anything_is_loaded(study, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").touch()
    with pytest.raises(StudyError, match="left alone"):
        main([str(study.path), "--out", "mine", "--dry-run"])
