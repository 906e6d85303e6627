"""The command line of search.run: what ends before Ray is started."""

import subprocess
import sys
from pathlib import Path

import pytest

from leukmodels.errors import ConfigError, StudyError
from search.run.__main__ import main
from search.study.options import find_study
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
