"""A whole search as a benchmark runs it: the project's own command, and what its journal then says."""

import subprocess
import sys
from pathlib import Path

from search.study.folder import StudyFolder
from search.study.journal import read
from search.study.records import StudyRecord, fold


def search(place: Path, name: str, **options: object) -> StudyRecord:
    """Search with these options, the study and its export below ``place``, ended by nothing but its trials."""
    given = {
        "storage": place / "studies",
        "name": name,
        "out": place / "export" / name,
        "plateau": 0,
        "time-budget": 1e6,
        **{option.replace("_", "-"): said for option, said in options.items()},
    }
    words = [sys.executable, "-m", "search.run", "--no-dashboard", *(f"--{key}={said}" for key, said in given.items())]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{words}:\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}")
    return fold(read(StudyFolder(place / "studies" / name).journal))
