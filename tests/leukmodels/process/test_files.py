import os
import stat
import subprocess
from pathlib import Path

import pytest

from leukmodels.process.files import GroupAccess, group_access, written_aside


def test_a_file_appears_whole_in_a_folder_that_is_made(tmp_path: Path) -> None:
    path = tmp_path / "new" / "model.keras"
    with written_aside(path) as aside:
        aside.write_text("done")
        assert aside.suffix == ".keras"
        assert not path.exists()
    assert path.read_text() == "done"


def write_half(path: Path) -> None:
    with written_aside(path) as aside:
        aside.write_text("half")
        raise SystemExit


def test_an_error_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "outcome.json"
    path.write_text("old")
    with pytest.raises(SystemExit):
        write_half(path)
    assert path.read_text() == "old"
    assert [*tmp_path.iterdir()] == [path]


@pytest.mark.parametrize(
    ("access", "modes"), [("none", (0o600, 0o700)), ("read", (0o640, 0o750)), ("write", (0o660, 0o770))]
)
def test_files_are_for_their_user_and_perhaps_the_group(
    access: GroupAccess, modes: tuple[int, int], tmp_path: Path
) -> None:
    before = os.umask(0o022)
    try:
        with group_access(access):
            with written_aside(tmp_path / "made" / "file") as aside:
                aside.write_text("x")
            subprocess.run(["touch", tmp_path / "by a child"], check=True)
        (tmp_path / "after").touch()
    finally:
        os.umask(before)
    made = [tmp_path / "made" / "file", tmp_path / "made", tmp_path / "by a child", tmp_path / "after"]
    assert [stat.S_IMODE(path.stat().st_mode) for path in made] == [*modes, modes[0], 0o644]
