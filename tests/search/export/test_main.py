import pytest
import yaml
from sklearn.metrics import recall_score

import studies
from leukmodels.errors import ConfigError, StudyError
from leukmodels.training.scoring import read_scores
from search.export.__main__ import main

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
    [([], 2), (["--prefer", "accuracy"], 1), (["--prefer", "balanced"], 1), (["--trial", "0"], 0)],
)
def test_a_dry_run_says_which_trial_and_writes_nothing(study, tmp_path, capsys, options, trial):
    assert main([str(study.path), "--dry-run", *options]) == 0
    said = capsys.readouterr().out
    assert f": trial {trial} at threshold 0.500, recall " in said
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
    with pytest.raises(StudyError, match=r"Nothing can promise a recall of 0\.99"):
        main([str(study.path), "--min-recall", "0.99", "--dry-run"])


@pytest.mark.parametrize("measured", [["--no-recall-guarantee"], ["--bounds", "estimates"]])
def test_the_threshold_that_a_recall_asks_for_is_exported(study, tmp_path, capsys, measured):
    assert main([str(study.path), "--min-recall", "0.2", *measured, "--out", str(tmp_path / "out")]) == 0
    config = yaml.safe_load((tmp_path / "out" / "config.yaml").read_text())
    table = read_scores(tmp_path / "out" / "scores.parquet")
    truth, called = table["label"].to_numpy(), table["score"].to_numpy() >= config["threshold"]
    assert config["threshold"] != 0.5
    assert config["validation"]["recall"] == recall_score(truth, called) >= 0.2
    assert f"at threshold {config['threshold']:.3f}" in capsys.readouterr().out
    card = (tmp_path / "out" / "README.md").read_text()
    assert f"| recall (sensitivity) | {config['validation']['recall']:.3f} (" in card


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--min-recall", "1.5"], "--min-recall is '1.5'; give a number from 0 to 1."),
        (["--min-recall", "x"], "--min-recall is 'x'; give a number from 0 to 1."),
        (["--trial", "1", "--prefer", "recall"], "--prefer and --trial choose in several ways; give one of them."),
    ],
)
def test_wrong_options_are_said(study, options, said):
    with pytest.raises(ConfigError) as caught:
        main([str(study.path), *options])
    assert caught.value.problems == (said,)


def test_a_wrong_choice_ends_with_two(study):
    with pytest.raises(SystemExit, match="2"):
        main([str(study.path), "--prefer", "luck"])


def test_a_foreign_folder_is_refused_before_anything_is_loaded(study, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").touch()
    with pytest.raises(StudyError, match="left alone"):
        main([str(study.path), "--out", "mine", "--dry-run"])


def test_an_older_spelling_is_held_to_its_values(study):
    with pytest.raises(ConfigError, match="--bounds is 'typo'"):
        main([str(study.path), "--min-recall", "0.5", "--bounds", "typo", "--dry-run"])
