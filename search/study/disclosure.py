"""What may leave a study with its exports, pages and MLflow runs: numbers always, names as pseudonyms, unless asked.

A pseudonym is a keyed hash (HMAC-SHA256) of a name: the same in everything that leaves the study, another in every
other study, and of no use to whoever has not the key, ``pseudonyms.key`` in the study's folder.
"""

import base64
import hmac
import os
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from leukmodels.errors import StudyError
from leukmodels.process.lock import lock
from search.study.folder import StudyFolder

_KEY = re.compile(r"[0-9a-f]{64}\n")
_CHARACTERS = 10  # 50 bits: among a million names two are the same once in two thousand studies


@dataclass(frozen=True, kw_only=True)
class Disclosure:
    """What else than numbers may be told.

    identifiers   patients and image files by their names, not by pseudonyms
    pictures      pictures of test cells
    """

    identifiers: bool = False
    pictures: bool = False


DISCRETE = Disclosure()


@dataclass(frozen=True)
class Names:
    """How the patients and images of a study are called where it is told of them; ``unit`` is the study's word."""

    folder: StudyFolder
    disclosure: Disclosure
    unit: str = "patient"

    def patient(self, name: str) -> str:
        """Return what a patient is called."""
        return name if self.disclosure.identifiers else self._pseudonym(self.unit, name)

    def image(self, path: str) -> str:
        """Return what an image is called whose file has this path below the data folder."""
        return path if self.disclosure.identifiers else self._pseudonym("image", path)

    def reason(self, text: str, root: str) -> str:
        """Return why a file was set aside; a file of the data folder ``root`` that it names is called as others are."""
        head, found, path = text.partition(f"{root.rstrip('/')}/")
        return f"{head}{self.image(path)}" if found else text

    def sayable(self, notes: Iterable[str], patients: Iterable[str]) -> tuple[str, ...]:
        """Return the sentences that name no file and none of the patients; all of them where names may be told."""
        if self.disclosure.identifiers:
            return tuple(notes)
        known = "|".join(map(re.escape, patients)) or "(?!)"
        named = re.compile(rf"(?<!\w)(?:{known})(?!\w)|[/\\]|\.[a-zA-Z]\w{{1,4}}\b")
        return tuple(note for note in notes if not named.search(note))

    def _pseudonym(self, kind: str, name: str) -> str:
        digest = hmac.digest(self._key, f"{kind}\0{name}".encode(errors="surrogatepass"), "sha256")
        return f"{kind}-{base64.b32encode(digest).decode().lower()[:_CHARACTERS]}"

    @cached_property
    def _key(self) -> bytes:
        return _key_of(self.folder)


def _key_of(folder: StudyFolder) -> bytes:
    """Return the key of the study's pseudonyms, made where there is none yet; StudyError where it cannot be had."""
    path = folder.pseudonyms
    try:
        text = path.read_text(encoding="ascii") if path.exists() else ""
        if not _KEY.fullmatch(text):
            text = _make_key(path)
    except (OSError, ValueError) as error:
        raise StudyError(
            f"The key of the study's pseudonyms, {path}, cannot be read or made ({error}). Let the owner of the study "
            "do this, or have the names themselves told (--with-identifiers)."
        ) from None
    if not _KEY.fullmatch(text):
        raise StudyError(
            f"{path} holds no key of 64 hexadecimal digits. Restore it from a backup, or remove it: patients then get "
            "other pseudonyms than in what was written before."
        )
    return bytes.fromhex(text)


def _make_key(path: Path) -> str:
    """Write a key for its owner alone, unless one is there by now, and return what the file then holds."""
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), "a+", encoding="ascii") as file:
        lock(file, wait=True)
        file.seek(0)
        if not (text := file.read()):
            text = f"{secrets.token_hex(32)}\n"
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        return text
