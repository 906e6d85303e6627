"""A command as anyone may read it: without the folders of one machine."""

import re
import shlex
from pathlib import Path
from urllib.parse import urlsplit

from leukmodels.collections.place import is_uri


def portable(command: str) -> str:
    """Return the command without the folders of one machine: of an absolute path only the last part stays."""
    return shlex.join(
        f"{option}{equals}{_value(value)}"
        for part in shlex.split(command)
        for option, equals, value in [part.partition("=") if part.startswith("--") else ("", "", part)]
    )


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
