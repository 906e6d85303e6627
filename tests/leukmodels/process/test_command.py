import stat
import subprocess
import sys
from pathlib import Path

import pytest

from leukmodels.process import command


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("leukmodels.synthetic", "DIR", "--workers", "0"), "error: These options cannot be used:\n  - --workers "),
        (("leukmodels.predictor", "DIR", "cell.png"), "error: DIR holds no exported model:\n"),
        (("search.curate", "--task", "b_all"), "error: These options cannot be used:\n"),
    ],
)
def test_an_error_of_the_user_is_its_message_and_status_2(words: tuple[str, ...], message: str) -> None:
    done = subprocess.run([sys.executable, "-m", *words], text=True, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(message)
    assert "Traceback" not in done.stderr


def test_the_status_is_the_commands_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["verb", "a", "b"])
    with pytest.raises(SystemExit) as caught:
        command.run_verb(len)
    assert caught.value.code == 2


def test_a_bug_shows_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["verb"])
    with pytest.raises(ZeroDivisionError):
        command.run_verb(lambda arguments: 1 // len(arguments))


def test_a_reader_that_went_away_is_no_error() -> None:
    """As `verb | head -1`: the pipe's other end is closed before everything is written."""
    program = "from leukmodels.process.command import run_verb; run_verb(lambda _: print('x' * 1_000_000) or 0)"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_what_a_command_writes_is_for_its_user_alone(tmp_path: Path) -> None:
    verb = f"lambda _: pathlib.Path({str(tmp_path / 'x')!r}).touch() or 0"
    program = f"from leukmodels.process.command import run_verb; run_verb({verb})"
    subprocess.run([sys.executable, "-c", f"import os, pathlib; os.umask(0); {program}"], check=True)
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o600
