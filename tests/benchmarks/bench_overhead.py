"""What a trial costs that does nothing: this project beside bare Ray Tune with its OptunaSearch.

    PYTHONPATH=.:tests/support python tests/benchmarks/bench_overhead.py [--runs 3] [--trials 100 300 1000]

Each study in a fresh process (overhead_study.py), the sides in turn, two trials at a time, three reports each, as many
hyperparameters as the real space has. Prints the table and writes it to results/benchmarks/overhead.md.
"""

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import optuna
import ray

from publishing import publish

HERE = Path(__file__).resolve().parent
SIDES = ("ours", "bare")


def seconds(side: str, trials: int) -> float:
    """Return the time of one study."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, HERE / "overhead_study.py", side, str(trials), folder]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=3600)
    if done.returncode:
        sys.exit(f"{side}, {trials} trials:\n{done.stderr[-3000:]}")
    return float(done.stdout.rpartition("SECONDS")[2])


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--trials", type=int, nargs="+", default=[100, 300, 1000])
    options = parser.parse_args()
    lines = [
        "# Overhead of a trial",
        "",
        f"Studies of trials that do nothing: ms a trial, median of {options.runs} runs (lowest to highest), the sides "
        f"in turn. {len(os.sched_getaffinity(0))} cores, {platform.machine()}, load average before "
        f"{os.getloadavg()[0]:.1f}, Ray {ray.__version__}, Optuna {optuna.__version__}. Of this project with journal, "
        "multi-objective ASHA, front, gauges, log and MLflow following; bare is Ray Tune with OptunaSearch on two "
        "objectives, workers reused and its own loggers off.",
        "",
        "| trials | this project | bare | ratio |",
        "| ---: | ---: | ---: | ---: |",
    ]
    for trials in options.trials:
        found: dict[str, list[float]] = {side: [] for side in SIDES}
        for _ in range(options.runs):
            for side in SIDES:
                found[side].append(1000 * seconds(side, trials) / trials)
        cells = [f"{statistics.median(x):.1f} ({min(x):.1f} to {max(x):.1f})" for x in found.values()]
        ratio = statistics.median(a / b for a, b in zip(found["ours"], found["bare"], strict=True))
        lines.append(f"| {trials:,} | {' | '.join(cells)} | {ratio:.2f} |")
        print(lines[-1], flush=True)
    publish("overhead", lines)


if __name__ == "__main__":
    main()
