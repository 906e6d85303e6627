"""Commands and other texts as anyone may read them: without the folders of one machine."""

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from leukmodels.collections.place import is_uri

# An absolute path up to a quote, or to white space or punctuation that ends a word; addresses are not among them.
_PATH = re.compile(r"(?<=['\"])/[^'\"\n]+(?=['\"])|(?<![\w:/.])/[^\s'\":,;()]+")


def portable(command: str) -> str:
    """Return the command without the folders of one machine: of an absolute path only the last part stays."""
    return shlex.join(
        f"{option}{equals}{_value(value)}"
        for part in shlex.split(command)
        for option, equals, value in [part.partition("=") if part.startswith("--") else ("", "", part)]
    )


def without_folders(value: Any) -> Any:
    """Return plain values with no absolute path among them, at any depth: of each only the last part stays."""
    if isinstance(value, Mapping):
        return {key: without_folders(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_folders(item) for item in value]
    return _value(value) if isinstance(value, str) else value


def without_paths(text: str) -> str:
    """Return a message, or a traceback, in which of absolute paths only the names of source files are left."""
    return _PATH.sub(lambda path: Path(path[0]).name if path[0].endswith(".py") else "(a file)", text)


def _value(value: str) -> str:
    """Return one value, or each of NAME=FILE,NAME=FILE, without folders."""
    pieces = [value] if is_uri(value) else re.split(r"([=,])", value)
    return "".join(_without_folders(piece) for piece in pieces)


def _without_folders(value: str) -> str:
    """Return a path's last part, an address without its query (a server's own), and anything else as it is."""
    if is_uri(value):
        value = value.partition("?")[0]
        return value if urlsplit(value).netloc else Path(value).name
    return Path(value).name if Path(value).is_absolute() else value
