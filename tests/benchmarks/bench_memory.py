"""What the pixels of a study cost in memory with 1, 2 and 4 trials at once: one copy a node, or two windows a trial.

    PYTHONPATH=. python tests/benchmarks/bench_memory.py [--runs 3] [--cells-per-patient 33] [--px 144] [--window 512]

Every measurement is a study of its own in fresh processes (memory_study.py), driven as a search drives it: with trials
that read all images of training and validation in place of Keras, and wait there until the memory of the driver and
all that it started keeps still. Takes a quarter of an hour, mostly of waiting. Prints the table and writes it with a
picture to results/benchmarks/memory.md and memory.png. Linux only.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import ray
from matplotlib.figure import Figure

from footprint import Footprint, settled
from leukmodels.dataset.shards import image_bytes
from leukmodels.synthetic import draw_cohort
from memory_study import COPIED, CPUS, NOTHING, SHARED, STREAMED
from publishing import publish

AT_ONCE = (1, 2, 4)


@dataclass(frozen=True, kw_only=True)
class Held:
    """A study while all its trials hold: its memory, and of each trial the bytes that are its own.

    holds   now
    held    at the most, from its first image to its last
    """

    memory: Footprint
    holds: tuple[int, ...]
    held: tuple[int, ...]


Studies = dict[tuple[str, int], list[Held]]


def measure(held: str, trials: int, shared: Path, image_px: int, window: int) -> Held:
    """Run a study and weigh it while its trials hold."""
    place = Path(tempfile.mkdtemp(dir=shared))
    script = Path(__file__).with_name("memory_study.py")
    command = [sys.executable, script, held, str(trials), place, shared, str(image_px), str(window)]
    with subprocess.Popen(command) as process:
        while len(ready := list(place.glob("*.ready"))) < trials and process.poll() is None:
            time.sleep(0.1)
        memory = settled(process.pid) if trials else Footprint()
        (place / "go").touch()
        if process.wait():
            sys.exit(f"memory_study.py ended with exit status {process.returncode}.")
    told = [json.loads(path.read_text()) for path in ready]
    return Held(memory=memory, holds=tuple(t["holds"] for t in told), held=tuple(t["held"] for t in told))


def added(studies: Studies, held: str, at_once: int, what: Callable[[Footprint], int] = lambda m: m.pss) -> list[float]:
    """Return the bytes that each run of a study has more than one whose trials hold nothing (its median)."""
    nothing = statistics.median(what(study.memory) for study in studies[NOTHING, at_once])
    return [what(study.memory) - nothing for study in studies[held, at_once]]


def table(studies: Studies, pixel_bytes: int) -> list[str]:
    """Return the rows of the table."""
    names = ["PSS", "RSS", "more PSS (lowest to highest)", "/ pixels", "store", "driver", "workers", "a trial holds"]
    lines = [f"| trials at once | they hold | {' | '.join(names)} | held |", "| ---: | --- |" + " ---: |" * 9]
    parts: list[Callable[[Footprint], int]] = [lambda m: m.store, lambda m: m.driver, lambda m: m.workers]
    for (held, at_once), runs in studies.items():
        more = added(studies, held, at_once)
        cells = [
            _mb([run.memory.pss for run in runs]),
            _mb([run.memory.rss for run in runs]),
            f"{_mb(more)} ({_mb([min(more)])} to {_mb([max(more)])})",
            f"{statistics.median(more) / pixel_bytes:.2f}",
            *(_mb(added(studies, held, at_once, part)) for part in parts),
            _mb([size for run in runs for size in run.holds]),
            _mb([size for run in runs for size in run.held]),
        ]
        lines.append(f"| {at_once} | {held} | {' | '.join(cells)} |")
    return lines


def _mb(sizes: list[float] | list[int]) -> str:
    return f"{statistics.median(sizes) / 1e6:,.0f}"


def draw(studies: Studies, pixel_bytes: int, path: Path) -> None:
    """Draw how many times over the pixels are in memory."""
    figure = Figure(figsize=(6, 4), dpi=150, layout="constrained")
    axes = figure.subplots()
    for held, mark in ((COPIED, "s:"), (STREAMED, "^--"), (SHARED, "o-")):
        copies = [[size / pixel_bytes for size in added(studies, held, at_once)] for at_once in AT_ONCE]
        axes.plot(AT_ONCE, [statistics.median(runs) for runs in copies], mark, color="#111111", label=held)
        axes.vlines(AT_ONCE, [min(runs) for runs in copies], [max(runs) for runs in copies], color="#8a8a8a")
    axes.set(xlabel="trials at once", ylabel="added memory (PSS) / pixels", xticks=AT_ONCE, ylim=(0, None))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.savefig(path)


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--cells-per-patient", type=int, default=33)
    parser.add_argument("--px", type=int, default=144)
    parser.add_argument("--window", type=int, default=512, help="images that streaming trials shuffle at a time")
    parser.add_argument("--dry", action="store_true", help="write no file")
    options = parser.parse_args()
    studies: Studies = {(held, n): [] for n in AT_ONCE for held in (NOTHING, SHARED, STREAMED, COPIED)}
    with tempfile.TemporaryDirectory() as folder:
        shared = Path(folder)
        draw_cohort(shared / "cohort", cells_per_patient=options.cells_per_patient)
        measure(NOTHING, 0, shared, options.px, options.window)
        images = int((shared / "images").read_text())
        for run in range(options.runs):
            for held, at_once in studies:
                studies[held, at_once].append(measure(held, at_once, shared, options.px, options.window))
                print(run + 1, at_once, held, studies[held, at_once][-1], flush=True)
    pixel_bytes, window_bytes = (count * image_bytes(options.px) for count in (images, options.window))
    lines = [
        "# The memory of pixels",
        "",
        f"{images:,} images of training and validation, {options.px} px: {_mb([pixel_bytes])} MB of pixels. Streamed "
        f"in windows of {options.window} images, two of them {_mb([2 * window_bytes])} MB. {options.runs} runs of each "
        "study, in fresh processes, the kinds in turn; medians, MB of 10^6 bytes. "
        f"{len(os.sched_getaffinity(0))} cores (Ray was told {CPUS}), {platform.machine()}, "
        f"Python {platform.python_version()}, "
        f"NumPy {np.__version__}, PyArrow {pa.__version__} ({pa.default_memory_pool().backend_name}), "
        f"Ray {ray.__version__}.",
        "",
        "PSS: summed over the driver and all that it started, so that each page counts once; without the idle workers "
        "that Ray starts ahead, now more, now fewer. RSS: the same, a page counted in every process that has it. More: "
        "than a study whose trials hold nothing, its driver having prepared the same images. Store, driver and workers "
        "are what that is made of: shared memory wherever it is mapped, and the processes without it. A trial holds, "
        "held: memory of its own while all wait, and at the most until then. `a copy each` is what a trial costs that "
        "reads all images into its own memory. No trial has TensorFlow in it.",
        "",
        *table(studies, pixel_bytes),
    ]
    write = not options.dry
    result = publish("memory", lines, write=write)
    if write:
        draw(studies, pixel_bytes, result.with_suffix(".png"))


if __name__ == "__main__":
    main()
