"""An event as a line of the journal: JSON, with a checksum that covers the line and, through the last one, all before.

    {"check": "0123456789abcdef", "seq": 7, "time": ..., "event": ..., ...}

``check`` is BLAKE2b (RFC 7693), eight bytes of it, of the checksum of the line before and of all that follows it on its
own line. So a changed bit, a line that is gone, one that was moved and one that another driver put between are all
seen, where a checksum of each line alone sees the first only. Lines of earlier versions have none, and stand before all
that do: the first checked line covers them.
"""

import json
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any

from leukmodels.errors import StudyError

Event = dict[str, Any]

_BYTES = 8
_CHECKED, _UNCHECKED = b'{"check": "', b'{"seq": '
_BODY = len(_CHECKED) + 2 * _BYTES + len(b'", ')


class Chain:
    """The checksum as far as lines were read or written."""

    def __init__(self) -> None:
        self.check = ""
        self._lines = 0
        self._checked = False

    def sealed(self, event: Event) -> tuple[Event, bytes]:
        """Return the event with the checksum that is its in the next line, and that line; the chain stays as it is."""
        body = json.dumps(event, allow_nan=False).encode()[1:]
        check = self._following(body)
        return {"check": check, **event}, b'%b%b", %b\n' % (_CHECKED, check.encode(), body)

    def add(self, event: Event) -> None:
        """Take a sealed event: its line was written."""
        self.check, self._lines, self._checked = event["check"], self._lines + 1, True

    def read(self, lines: bytes, path: Path) -> Iterator[Event]:
        """Yield the events of whole lines, each with its ``check``; StudyError names the line that is not as it was."""
        for line in lines.split(b"\n")[:-1]:
            yield self._read(line, path)

    def _read(self, line: bytes, path: Path) -> Event:
        self._lines += 1
        checked = line.startswith(_CHECKED)
        if not checked and (self._checked or not line.startswith(_UNCHECKED)):
            raise self._damaged(path, "is no event")
        self.check = self._following(line[_BODY:] if checked else line)
        if checked and line[:_BODY] != b'%b%b", ' % (_CHECKED, self.check.encode()):
            raise self._damaged(path, "does not follow from what stands before it: something was changed or is missing")
        self._checked = checked
        try:
            event = json.loads(line)
        except ValueError:
            event = None
        if not isinstance(event, dict) or "seq" not in event or "event" not in event:
            raise self._damaged(path, "is no event")
        return {**event, "check": self.check}

    def _following(self, body: bytes) -> str:
        return blake2b(self.check.encode() + body, digest_size=_BYTES).hexdigest()

    def _damaged(self, path: Path, what: str) -> StudyError:
        return StudyError(
            f"Line {self._lines} of {path} {what}, so the study's history cannot be read. "
            "Only a torn last line is mended by itself; restore the file from a backup."
        )


def whole_lines(data: bytes, path: Path) -> bytes:
    """Return the data without a last line that is torn; StudyError where it is not torn but changed."""
    end = data.rfind(b"\n") + 1
    tail = data[end:].rstrip(b"\0").decode(errors="replace")  # zeros: a file system's, after a power cut
    if tail:
        try:
            _, length = json.JSONDecoder().raw_decode(tail)
        except ValueError:
            return data[:end]
        if length != len(tail):  # a whole line with something else where its end was
            raise StudyError(
                f"The last line of {path} does not end as it was written, so the study's history cannot be read. "
                "Restore the file from a backup."
            )
    return data[:end]
