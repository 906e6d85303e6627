from pathlib import Path

import pytest

from leukmodels.process.files import written_aside


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
