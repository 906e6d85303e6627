import json

import pytest
import yaml
from sklearn.metrics import recall_score

import pages
import studies
from leukmodels.errors import ConfigError, StudyError
from leukmodels.model.exported import ExportedModel
from leukmodels.predictor import Predictor
from leukmodels.training.scoring import read_scores
from search.export.__main__ import main
from studies import stored

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
    assert "It would be written to results/synthetic/runx1/runx1-1." in said
    assert not list(tmp_path.iterdir())


def test_an_export_goes_where_results_go(study, tmp_path, capsys):
    assert main([study.name, "--storage", str(study.path.parent)]) == 0
    said = capsys.readouterr().out
    said = " ".join(said.split())
    assert "Exported to results/synthetic/runx1/runx1-1. results/synthetic/runx1 stands for it now." in said
    assert "Checked: the recorded scores came out again (20 validation cells" in said
    assert yaml.safe_load((tmp_path / "results/synthetic/runx1/runx1-1/config.yaml").read_text())["trial"] == 2
    assert yaml.safe_load((tmp_path / "results/synthetic/runx1/current.yaml").read_text()) == {"folder": "runx1-1"}
    main([str(study.path), "--dry-run"])
    said = capsys.readouterr().out
    assert "It would replace the exported model of runx1-1 in results/synthetic/runx1/runx1-1." in said


@pytest.fixture
def tested(study, tmp_path):
    """Return a function that has a copy of the study hold trial 2 against its test, and returns the copy."""

    def held(**test):
        copy = pages.copied(study, tmp_path / "studies")
        pages.hold_against_test(copy, **test)
        return copy

    return held


def test_a_confirmed_export_says_first_what_its_test_gave(tested, tmp_path, capsys):
    folder = tested()
    assert main([str(folder.path)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert said.index("The locked test (opening 1)") < said.index("The front, on validation cells")
    assert "trial 2 at threshold 0.400, on the test recall 0.875, accuracy 0.750, specificity 0.500; on valid" in said
    home = tmp_path / "results/synthetic/runx1"
    config = ExportedModel.read(home)
    scores = read_scores(folder.confirmed / "test" / "1" / "2.parquet")
    truth, called = scores["label"].to_numpy(), scores["score"].to_numpy() >= 0.4
    assert config.confirmed
    assert (config.test.opening, config.test.cells, config.test.broken) == (1, scores.num_rows, ())
    assert config.test.figures["recall"].estimate == recall_score(truth, called)
    predictor = Predictor.load(home)  # which stands for it
    assert predictor.threshold == 0.4
    assert predictor.measured.startswith(f"On {scores.num_rows} cells of the locked test: recall ")


def test_a_confirmed_export_gives_way_to_no_search_but_to_a_wish(tested, study, tmp_path, capsys):
    folder = tested()
    main([str(folder.path)])
    home = tmp_path / "results/synthetic/runx1"
    for options in (["--prefer", "accuracy"], ["--prefer", "accuracy", "--dry-run"]):
        with pytest.raises(StudyError, match=r"holds the model of runx1-1 \(trial 2\), which its test has confirmed"):
            main([str(folder.path), *options])
    assert ExportedModel.read(home).trial == 2
    capsys.readouterr()
    manifest = stored(study)
    other = pages.copied(study, tmp_path / "others").path.rename(tmp_path / "others" / "runx1-2")
    (other / "study.json").write_text(json.dumps(manifest | {"name": "runx1-2", "study_id": "another"}))
    main([str(other)])
    said = " ".join(capsys.readouterr().out.split())
    assert "Exported to results/synthetic/runx1/runx1-2. results/synthetic/runx1 still stands for the model of " in said
    assert ExportedModel.read(home).study.name == "runx1-1"
    main([str(folder.path)])  # confirmed, as what stands there
    main([str(other), "--replace"])
    assert "stands for it now, and no longer for the model of runx1-1 (trial 2)." in capsys.readouterr().out
    assert ExportedModel.read(home).study.name == "runx1-2"
    assert ExportedModel.read(home / "runx1-1").trial == 2


def test_a_model_that_failed_its_test_is_exported_only_anyway(tested, tmp_path, capsys):
    folder = tested(lean=0.2, promised=0.999)
    for options in ([], ["--dry-run"], ["--trial", "2"], ["--min-recall", "0.2", "--no-recall-guarantee"]):
        with pytest.raises(ConfigError, match=r"(?s)Trial 2 failed its test.*0\.999 or more was .* broken.*--anyway"):
            main([str(folder.path), *options])
    assert not (tmp_path / "results").exists()
    assert main([str(folder.path), "--anyway"]) == 0
    assert "FAILED ITS TEST: Trial 2: For other patients a recall" in " ".join(capsys.readouterr().out.split())
    home = tmp_path / "results/synthetic/runx1"
    assert "**IT FAILED ITS TEST**" in (home / "runx1-1" / "README.md").read_text()
    assert Predictor.load(home).measured.startswith("IT FAILED ITS TEST. On ")
    assert not ExportedModel.read(home).confirmed
    assert main([str(folder.path), "--prefer", "accuracy"]) == 0  # so that another may take its place


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


@pytest.mark.fault("files", "--out names a folder of other things", "nothing in it is touched")
def test_a_foreign_folder_is_refused_before_anything_is_loaded(study, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").touch()
    with pytest.raises(StudyError, match="left alone"):
        main([str(study.path), "--out", "mine", "--dry-run"])


def test_an_older_spelling_is_held_to_its_values(study):
    with pytest.raises(ConfigError, match="--bounds is 'typo'"):
        main([str(study.path), "--min-recall", "0.5", "--bounds", "typo", "--dry-run"])
