"""What `ray job submit --working-dir .` takes along from a folder, and what of it should rather stay.

Whoever reaches the cluster can read what was shipped: it lies in the head's store and in every node's session folder.
"""

import argparse
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

from cluster.jobs import inside_job
from leukmodels.process.command import run_verb
from leukmodels.process.words import plural

# What a file's name says of what is in it, the first that fits; none of it is needed by a job.
_KINDS: Mapping[str, Sequence[str]] = {
    "image": ("*.tif", "*.tiff", "*.bmp", "*.png", "*.jpg", "*.jpeg", "*.webp"),
    "secret": (".env", ".env.*", "*.pem", "*.key", ".netrc", "auth_token"),
    "database": ("*.db", "*.sqlite", "*.sqlite3", "*.db-wal"),
    "study file": ("*.keras", "*.h5", "*.parquet", "journal.jsonl", "study.json", "disputed.csv"),
}
_log = logging.getLogger(__name__)
_LOOKED_AT = 20_000  # files: somebody's home folder is no folder to ship, and would take minutes


def shipping_note(folder: Path) -> str:
    """Return what `ray job submit` ships from a folder although a job does not need it, in sentences; "" where nothing.

    Inside a job it is the folder that was shipped, and the note a remark for the next time.
    """
    found: dict[str, list[Path]] = {}
    for path in islice(shipped(folder), _LOOKED_AT):
        kind = next((kind for kind, names in _KINDS.items() if any(map(Path(path.name.lower()).match, names))), None)
        if kind:
            found.setdefault(kind, []).append(path)
    if not found:
        return ""
    listed = ", ".join(
        f"{plural(len(paths), kind)} ({paths[0].relative_to(folder)}{', ...' if len(paths) > 1 else ''})"
        for kind, paths in found.items()
    )
    when = "was shipped to the cluster with" if inside_job() else "would be shipped by `ray job submit` with"
    return (
        f"The working folder {when} {listed}. Whoever reaches the cluster can read that, and no job needs it: name it "
        "in .rayignore."
    )


def shipped(folder: Path) -> Iterator[Path]:
    """Yield the files of a folder that Ray ships: all but those that .rayignore and .gitignore name, at any depth."""
    from ray._private.runtime_env.packaging import get_excludes_from_ignore_files  # none of Ray's public names tells it

    git = os.environ.get("RAY_RUNTIME_ENV_IGNORE_GITIGNORE") != "1"

    def walk(place: Path, excluded: Sequence[Callable[[Path], bool]]) -> Iterator[Path]:
        own = get_excludes_from_ignore_files(place, include_gitignore=git, logger=_log) if place.is_dir() else []
        known = (*excluded, *own)
        if any(excludes(place) for excludes in known):
            return
        if not place.is_dir():
            yield place
        elif not place.is_symlink() or place == folder:
            for below in sorted(place.iterdir()):
                yield from walk(below, known)

    yield from walk(folder, ())


def main(arguments: Sequence[str]) -> int:
    """Say what of a folder should rather not be shipped; exit status 1 where there is something."""
    parser = argparse.ArgumentParser(prog="python -m cluster.shipping", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=Path(), help="what --working-dir names (default: here)")
    folder = parser.parse_args(arguments).folder.resolve()
    note = shipping_note(folder)
    print(note or f"Nothing in {folder} needs to stay that `ray job submit` would ship.")
    return 1 if note else 0


if __name__ == "__main__":
    run_verb(main)
