"""Where the tables of the benchmarks go."""

from collections.abc import Sequence
from pathlib import Path

RESULTS = Path(__file__).resolve().parents[2] / "results" / "benchmarks"


def publish(name: str, lines: Sequence[str], *, write: bool = True) -> Path:
    """Print a benchmark's text, and write it to ``<name>.md`` unless told not to; return where that is."""
    text = "\n".join(lines) + "\n"
    print(text)
    path = RESULTS / f"{name}.md"
    if write:
        RESULTS.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return path
