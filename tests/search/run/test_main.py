"""The command line of search.run: what ends before Ray is started."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from leukmodels.errors import ConfigError, StudyError
from search.run.__main__ import main
from search.run.dry_run import expected_epochs
from search.study.options import find_study
from search.study.presets import configure
from studies import begin

ROOT = Path(__file__).resolve().parents[3]


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "search.run", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_users_error_is_one_plain_message_and_status_2(tmp_path):
    done = run("--task", "runx2", "--storage", tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert "runx2" in done.stderr
    assert "runx1" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_every_wrong_option_is_said_at_once(tmp_path):
    done = run("--task", "runx1", "--trials", "0", "--min-recall", "2", "--storage", tmp_path)
    assert done.returncode == 2
    assert "--trials" in done.stderr
    assert "--min-recall" in done.stderr


def test_every_file_that_is_missing_is_said_at_once(tmp_path):
    said = {"data": "/no/data", "exclude": "/no/list.csv", "space": "/no/space.toml", "backbones": "resnet=1"}
    given = [f"--{option}={value}" for option, value in {**said, "base-model": "nope"}.items()]
    with pytest.raises(ConfigError, match=r"^This study cannot be begun:") as caught:
        main(["--task", "runx1", "--storage", str(tmp_path), *given])
    for words in (*said.values(), "'resnet' is no backbone", f"{tmp_path / 'nope'} holds no study"):
        assert words.removesuffix("=1") in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_study_that_is_not_there_cannot_be_resumed(tmp_path):
    with pytest.raises(StudyError, match="holds no study"):
        main(["--resume", "nothing", "--storage", str(tmp_path)])


def test_a_study_is_found_by_a_relative_path_and_by_its_name(tmp_path, monkeypatch):
    folder = begin(tmp_path / "studies" / "one")
    monkeypatch.chdir(tmp_path)
    for said in ("studies/one", "./studies/../studies/one", "one"):
        assert find_study(said, Path("studies")).path == folder.path.resolve()


def test_one_wrong_task_of_several_ends_it_before_the_first_is_run(tmp_path):
    with pytest.raises(ConfigError, match="wrong"):
        main(["--task", "runx1", "--task", "wrong", "--name", "both", "--storage", str(tmp_path)])
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_says_what_there_is_and_leaves_nothing(tmp_path):
    storage = tmp_path / "not" / "yet"
    done = run("--task", "runx1", "--preset", "smoke", "--trials", 4, "--storage", storage, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "RUNX1::RUNX1T1 leukemia against control (task runx1), 4 trials" in done.stdout
    assert "646 images of 92 patients in a DRAWN cohort: no result is medical" in done.stdout
    assert "validation: 122 images of 6 leukemic and 12 healthy patients" in done.stdout
    assert re.search(r"Default configuration: [\d,]+ parameters, [\d,]+ images/s on 1 CPU", done.stdout)
    assert re.search(r"Trials: \d+ at once, each with \d+\.\d GB", done.stdout)
    assert "Training: about " in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_ends_like_the_run_where_a_collection_is_not_one(tmp_path):
    (tmp_path / "data").mkdir()
    done = run("--task", "runx1", "--data", tmp_path / "data", "--storage", tmp_path / "studies", "--dry-run")
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert [each.name for each in tmp_path.iterdir()] == ["data"]


@pytest.mark.parametrize(
    ("given", "ended", "epochs"),
    [  # of 9 trials of 9 epochs with rungs after 1 and 3, a third is promoted at each: (1 + 2 / 3 + 6 / 9) x 8 + 9
        ({"trials": 9, "scheduler": "asha"}, 0, 9 + 8 * (1 + 2 / 3 + 6 / 9)),
        ({"trials": 9, "scheduler": "none"}, 0, 81),
        ({"trials": 1, "scheduler": "asha"}, 0, 9),
        ({"trials": 9, "scheduler": "none"}, 4, 45),
        ({"trials": 9, "scheduler": "none"}, 12, 0),
    ],
)
def test_the_epochs_that_a_search_is_expected_to_train(given, ended, epochs):
    config = configure("smoke", {"task": "runx1", "epochs": 9, "rung_factor": 3, **given})
    assert expected_epochs(config, ended) == pytest.approx(epochs)


def test_options_that_were_printed_are_those_that_are_read_again(tmp_path, capsys):
    given = ["--storage", str(tmp_path), "--task", "runx1", "--preset", "smoke", "--trials", "7", "--min-recall", "0.3"]
    main([*given, "--max-latency-ms", "4", "--print-config"])
    printed = capsys.readouterr().out
    (tmp_path / "study.toml").write_text(printed)
    main(["--config", str(tmp_path / "study.toml"), "--print-config"])
    assert capsys.readouterr().out == printed
    main(["--config", str(tmp_path / "study.toml"), "--print-config", "--trials", "8"])
    assert capsys.readouterr().out == printed.replace("trials = 7", "trials = 8")


def test_options_are_printed_to_be_filled_in_where_no_study_is_named(tmp_path, capsys):
    main(["--print-config"])
    printed = capsys.readouterr().out
    for line in ("# task =", "# data =", 'preset = "quick"', "trials = 20", "# patience ="):
        assert f"{line}\n" in printed
    (tmp_path / "study.toml").write_text(printed.replace("# task =", 'task = ["npm1"]'))
    main(["--config", str(tmp_path / "study.toml"), "--print-config"])
    assert capsys.readouterr().out == printed.replace("# task =", 'task = ["npm1"]')


def test_options_of_a_study_that_goes_on_are_printed_as_far_as_they_may_change(tmp_path, capsys):
    begin(tmp_path / "one", trials=5)
    main(["--storage", str(tmp_path), "--resume", "one", "--print-config", "--trials", "9"])
    printed = capsys.readouterr().out
    assert "trials = 9\n" in printed
    assert "epochs" not in printed
    (tmp_path / "again.toml").write_text(printed)
    main(["--config", str(tmp_path / "again.toml"), "--print-config"])
    assert capsys.readouterr().out == printed


def test_what_a_file_says_wrong_is_said_with_its_name(tmp_path):
    (tmp_path / "study.toml").write_text('task = ["runx1"]\ntrails = 7\n')
    with pytest.raises(ConfigError, match=r"study\.toml(.|\n)*trails(.|\n)*trials"):
        main(["--config", str(tmp_path / "study.toml"), "--storage", str(tmp_path)])


def test_help_and_parsing_load_nothing_heavy():
    script = (
        "import sys\n"
        "from search.run.__main__ import main\n"
        "try:\n"
        "    main(['--help'])\n"
        "except SystemExit:\n"
        "    pass\n"
        "heavy = {'ray', 'tensorflow', 'keras', 'mlflow', 'optuna', 'matplotlib'} & set(sys.modules)\n"
        "sys.exit(f'loaded {heavy}' if heavy else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "examples:" in done.stdout
