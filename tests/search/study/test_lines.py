"""The checksums of the journal: every change is a sentence, and older journals read as they did."""

import json
from hashlib import blake2b
from pathlib import Path

import pytest

from leukmodels.errors import StudyError
from search.study import journal
from search.study.journal import Journal
from search.study.lines import Chain, whole_lines

OLD = (
    b'{"seq": 1, "time": 1.0, "event": "trial_started", "trial": 0, "params": {"a": 1}, "source": "default"}\n'
    b'{"seq": 2, "time": 2.0, "event": "epoch", "trial": 0, "epoch": 1, "metrics": {"recall": 0.5}}\n'
)


def write(path: Path) -> bytes:
    with Journal(path) as writing:
        writing.append("trial_started", trial=0, params={"a": 1}, source="default")
        writing.append("epoch", trial=0, epoch=1, metrics={"recall": 0.5})
        writing.append("trial_finished", trial=0, state="complete", outcome={}, reason="\u00e9\n")
    return path.read_bytes()


def events(data: bytes) -> list[journal.Event]:
    path = Path("journal.jsonl")
    return list(Chain().read(whole_lines(data, path), path))


def test_a_checksum_is_that_of_all_before_and_of_the_rest_of_its_line(tmp_path: Path) -> None:
    first, second, _ = write(tmp_path / "j").splitlines()
    check = blake2b(first[len('{"check": "0123456789abcdef", ') :], digest_size=8).hexdigest()
    assert first.startswith(b'{"check": "%b", "seq": 1, ' % check.encode())
    after = blake2b(check.encode() + second[len('{"check": "0123456789abcdef", ') :], digest_size=8).hexdigest()
    assert json.loads(second)["check"] == after
    literal = b'{"check": "%b", "seq": 1, "event": "x"}\n'
    assert events(literal % b"7daea09d6059f40b")[0]["seq"] == 1


@pytest.mark.fault("files", "a bit of the journal flips, any of them", "a sentence that names the line")
@pytest.mark.parametrize("old", [b"", OLD], ids=["new", "resumed by this version"])
def test_every_bit_that_flips_is_a_sentence(tmp_path: Path, old: bytes) -> None:
    (tmp_path / "j").write_bytes(old)
    whole = write(tmp_path / "j")
    assert len(events(whole)) == 3 + len(old.splitlines())
    for place in range(len(whole)):
        for bit in range(8):
            changed = bytearray(whole)
            changed[place] ^= 1 << bit
            with pytest.raises(StudyError, match="cannot be read"):
                events(bytes(changed))


@pytest.mark.fault("files", "a line of the journal is missing, doubled or moved", "a sentence that names the line")
def test_every_missing_doubled_or_moved_line_but_the_last_is_a_sentence(tmp_path: Path) -> None:
    lines = write(tmp_path / "j").splitlines(keepends=True)
    for number in range(2):
        with pytest.raises(StudyError, match=f"Line {number + 1} of"):
            events(b"".join(lines[:number] + lines[number + 1 :]))
        with pytest.raises(StudyError, match=f"Line {number + 2} of"):
            events(b"".join(lines[: number + 1] + lines[number:]))
    with pytest.raises(StudyError, match="Line 2 of"):
        events(lines[0] + lines[2] + lines[1])


def test_a_line_without_a_checksum_cannot_follow_one_with(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="Line 4 of"):
        events(write(tmp_path / "j") + b'{"seq": 4, "time": 1.0, "event": "study_finished", "reason": "done"}\n')


def test_a_journal_of_an_earlier_version_reads_and_goes_on(tmp_path: Path) -> None:
    assert [event["seq"] for event in events(OLD)] == [1, 2]
    (tmp_path / "j").write_bytes(OLD)
    with Journal(tmp_path / "j") as writing:
        writing.append("study_finished", reason="done")
    assert (tmp_path / "j").read_bytes().startswith(OLD + b'{"check": "')
    assert [event["seq"] for event in journal.read(tmp_path / "j")] == [1, 2, 3]


def test_what_a_power_cut_may_leave_behind_the_last_line_is_cut(tmp_path: Path) -> None:
    whole = write(tmp_path / "j")
    for tail in (b"", b"\0" * 100, b'{"check"', b'{"check": "0123456789abcdef", "seq": 4}', b"\0", b'{"se\0\0'):
        assert len(events(whole + tail)) == 3
