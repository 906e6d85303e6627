"""Break it: every fault and threat that the tests know, tried one after the other, in one table.

    python tests/chaos/run.py [--quick] [--only WORDS]

Runs each test that is marked ``fault(where, what, holds)``, here and in the folders of the rooms, the slow ones too
(a quarter of an hour; some need root, and say so where they are skipped), and writes results/benchmarks/chaos.md.
``--quick`` leaves out the slow ones, as CI does; ``--only`` takes what pytest's -k takes. Writes only whole runs.
"""

import argparse
import os
import platform
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "benchmarks")]

from publishing import publish  # noqa: E402 - found by the line above


@dataclass(kw_only=True)
class Fault:
    """One fault or threat: where it strikes, what must hold, and what became of its cases."""

    where: str
    what: str
    holds: str
    outcomes: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    why: str = ""

    def row(self) -> str:
        """Return its row of the table."""
        tried = self.outcomes["passed"] + self.outcomes["failed"]
        if self.outcomes["failed"]:
            seen = f"**failed in {self.outcomes['failed']} of {tried}**"
        elif tried:
            seen = "held" if tried == 1 else f"held in {tried} of {tried}"
        else:
            seen = f"not tried: {self.why}"
        return f"| {self.where} | {self.what} | {self.holds} | {seen} | {self.seconds:.0f} |"


class Faults:
    """A pytest plugin that keeps the tests marked as faults, and what became of them."""

    def __init__(self) -> None:
        self.of: dict[str, Fault] = {}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Leave out every other test."""
        chosen = [item for item in items if item.get_closest_marker("fault")]
        config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
        items[:] = chosen
        for item in items:
            marker = item.get_closest_marker("fault")
            assert marker is not None
            where, what, holds = marker.args
            self.of.setdefault(item.nodeid.partition("[")[0], Fault(where=where, what=what, holds=holds))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count a case."""
        fault = self.of[report.nodeid.partition("[")[0]]
        fault.seconds += report.duration
        if report.when == "call" or report.outcome != "passed":
            fault.outcomes[report.outcome] += 1
        if report.skipped and isinstance(report.longrepr, tuple):
            fault.why = report.longrepr[2].removeprefix("Skipped: ")


def table(faults: Sequence[Fault]) -> list[str]:
    """Return the text of the results."""
    lost = sum(bool(each.outcomes["failed"]) for each in faults)
    untried = sum(not (each.outcomes["passed"] or each.outcomes["failed"]) for each in faults)
    return [
        "# Faults and threats",
        "",
        "`python tests/chaos/run.py`, one after the other. A row is a test: what was done to the product, and what "
        "must hold afterwards. Studies are numpy-only or tiny; drivers, workers, servers and disks are real.",
        "",
        f"{platform.system()}, {os.cpu_count()} cores, Python {platform.python_version()}. {len(faults)} faults: "
        f"{len(faults) - lost - untried} held, {lost} failed, {untried} not tried.",
        "",
        "| where | fault or threat | what must hold | seen | s |",
        "|---|---|---|---|---:|",
        *(each.row() for each in sorted(faults, key=lambda each: (each.where, each.what))),
    ]


def main() -> int:
    """Try them, print and write the table, and return pytest's status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="leave out the slow ones")
    parser.add_argument(
        "--only", default="", metavar="WORDS", help="those whose test's name matches, as pytest -k does"
    )
    given = parser.parse_args()
    faults = Faults()
    chosen = ["-m", "fault and not slow" if given.quick else "fault", *(["-k", given.only] if given.only else [])]
    status = pytest.main([*chosen, "-q", "-p", "no:xdist", "--rootdir", str(ROOT), str(ROOT / "tests")], [faults])
    publish("chaos", table(list(faults.of.values())), write=not (given.quick or given.only))
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
