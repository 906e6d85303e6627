"""What bench_parallel found, as a table: medians over the runs, each system compared within its own run."""

import platform
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from parallel_load import IMAGE_PX, cores
from parallel_systems import REFERENCE

VERSIONS = ("tensorflow", "keras", "numpy", "ray", "optuna", "keras-tuner", "syne-tune")
TIMES = ("w", "tail", "search", "process")
COUNTED = (
    "Efficiency is T1 / (cores x W), T1 and W of the same run. T1 is the sum of the trials of `one-after-another`: one "
    "warm Keras process on one thread, each trial from building its model to its last epoch's validation. W is from "
    "the first trial's start (its process has imported everything and has the data) to the front on disk; whatever "
    "later trials wait for, imports included, is in it, and so is the `tail` from the last trial's end. `search` is "
    "from the call of the search, before workers start, to the front; `process` from the start of Python to its end. "
    "`W over ours` is how many times as long as `ours` a system took, `trials over T1` how much longer the trials "
    "themselves took than alone on one thread. Every system trains the same configurations for the same epochs on the "
    "same arrays, drawn for this. `ours` also writes a checkpoint every ten seconds, the journal, model and scores of "
    "each trial, and after the front a report with pictures; the others write what they do by default, and no model. "
    "Reading images is not counted, nor is MLflow (`ours-mlflow`, where it is asked for). `bare-processes` is no "
    "tuner: a warm one-thread process a core that takes trials from a queue, which shows what the machine can give."
)


@dataclass(frozen=True, kw_only=True)
class Timed:
    """What one run of a system took, in seconds; ``problem`` says why there is nothing to tell.

    w         from the first trial's start (its worker has imported all and has the data) to the front on disk
    tail      from the last trial's end to the front on disk: the end of W
    search    from the call of the search to the front on disk
    process   from the start of the process to its end
    trials    of each trial, in the order of the list
    """

    w: float = 0.0
    tail: float = 0.0
    search: float = 0.0
    process: float = 0.0
    trials: tuple[float, ...] = ()
    problem: str = ""


def report(runs: Sequence[Mapping[str, Timed]], *, trials: int, epochs: int, images: int, busy: Sequence[float]) -> str:
    """Return the whole result as Markdown."""
    lines = [
        f"# Parallel efficiency, {trials} trials",
        "",
        _setting(len(runs), epochs, images, busy),
        "",
        COUNTED,
        "",
        *table(runs),
    ]
    references = [run[REFERENCE].trials for run in runs if _has(run, REFERENCE)]
    if references:
        middle = [statistics.median(each) for each in zip(*references, strict=True)]
        lines += [
            "",
            f"T1 is {sum(middle):.1f} s, a trial {min(middle):.1f} to {max(middle):.1f} s, "
            f"{statistics.mean(middle):.1f} s in the mean. Without any overhead {cores()} workers that take these "
            f"trials in this order would have an efficiency of {best_possible(middle, cores()):.3f}.",
        ]
    numbered = [f"run {number + 1}" for number in range(len(runs))]
    lines += [
        "",
        "Every run, W in seconds:",
        "",
        f"| system | {' | '.join(numbered)} |",
        "| --- |" + " ---: |" * len(runs),
    ]
    for name in runs[0]:
        told = [run[name].problem or f"{run[name].w:.1f}" for run in runs]
        lines.append(f"| {name} | {' | '.join(told)} |")
    return "\n".join(lines) + "\n"


def table(runs: Sequence[Mapping[str, Timed]]) -> list[str]:
    """Return the rows of the systems: medians over the runs that worked, each compared within its own run."""
    columns = ["efficiency", "lowest", "highest", "W, s", "W over ours", "trials over T1", "tail, s", "search, s"]
    columns += ["process, s", "runs"]
    rows = [f"| system | {' | '.join(columns)} |", "| --- |" + " ---: |" * len(columns)]
    for name in runs[0]:
        good = [run for run in runs if not run[name].problem]
        if not good:
            rows.append(f"| {name} | failed: {runs[-1][name].problem} |" + " |" * (len(columns) - 1))
            continue
        times = {field: statistics.median(getattr(run[name], field) for run in good) for field in TIMES}
        compared = [run for run in good if _has(run, REFERENCE)]
        found = [sum(run[REFERENCE].trials) / (cores() * run[name].w) for run in compared]
        slower = [sum(run[name].trials) / sum(run[REFERENCE].trials) for run in compared]
        over = [run[name].w / run["ours"].w for run in good if _has(run, "ours")]
        cells = [
            *(f"{value(found):.2f}" if found else "" for value in (statistics.median, min, max)),
            f"{times['w']:.1f}",
            *(f"{statistics.median(ratios):.2f}" if ratios else "" for ratios in (over, slower)),
            *(f"{times[field]:.1f}" for field in ("tail", "search", "process")),
            f"{len(good)} of {len(runs)}",
        ]
        rows.append(f"| {name} | {' | '.join(cells)} |")
    return rows


def best_possible(trials: Sequence[float], workers: int) -> float:
    """Return the efficiency with no overhead at all: each worker that is free takes the next trial of the list."""
    free_at = [0.0] * workers
    for seconds in trials:
        free_at.sort()
        free_at[0] += seconds
    return sum(trials) / (workers * max(free_at))


def _has(run: Mapping[str, Timed], name: str) -> bool:
    return name in run and not run[name].problem


def _setting(runs: int, epochs: int, images: int, busy: Sequence[float]) -> str:
    versions = ", ".join(f"{name} {_version(name)}" for name in VERSIONS)
    return (
        f"{images} training and {images // 3} validation images of {IMAGE_PX} px, {epochs} epochs. {runs} runs, "
        f"the systems one after another in each, starting with another one each time. {cores()} cores, "
        f"{platform.machine()} ({_processor()}), load average before the runs "
        f"{', '.join(f'{value:.1f}' for value in busy)}. Python {platform.python_version()}, {versions}."
    )


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
