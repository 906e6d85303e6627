"""Images a second that the synthetic cohort is drawn and written at, on one core and on all.

    python tests/benchmarks/bench_cohort.py [--runs 5]

Prints the table and writes it to results/benchmarks/cohort.md.
"""

import argparse
import os
import platform
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from leukmodels.synthetic import draw_cohort
from leukmodels.synthetic.celltypes import TYPES
from leukmodels.synthetic.image import draw_image
from leukmodels.synthetic.slide import draw_slide
from publishing import publish

IMAGES = 600


def drawing() -> float:
    """Return images a second of CPU time, drawn and dropped."""
    rng = np.random.default_rng(0)
    slide, types = draw_slide(rng), list(TYPES.values())
    start = time.process_time()
    for number in range(IMAGES):
        draw_image(types[number % len(types)], slide, rng)
    return IMAGES / (time.process_time() - start)


def drawing_and_writing() -> float:
    """Return images a second of CPU time, drawn and written as TIFF."""
    rng = np.random.default_rng(0)
    slide, types = draw_slide(rng), list(TYPES.values())
    with tempfile.TemporaryDirectory() as folder:
        start = time.process_time()
        for number in range(IMAGES):
            image = draw_image(types[number % len(types)], slide, rng)
            Image.fromarray(image).save(Path(folder) / f"image_{number}.tif", format="TIFF")
        return IMAGES / (time.process_time() - start)


def whole_cohort(workers: int) -> float:
    """Return images a second of wall time for the default cohort, starting processes and writing tables included."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        root = draw_cohort(Path(folder) / "cohort", workers=workers)
        taken = time.perf_counter() - start
        return sum(1 for _ in root.rglob("*.tif")) / taken


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    cores = len(os.sched_getaffinity(0))
    drawing()  # the tiles of noise are drawn once a process
    rows = [
        ("drawn, one core (CPU time)", drawing),
        ("drawn and written, one core (CPU time)", drawing_and_writing),
        ("default cohort, one process (wall time)", lambda: whole_cohort(1)),
        (f"default cohort, {cores} processes (wall time)", lambda: whole_cohort(cores)),
    ]
    lines = [
        "# Drawing the synthetic cohort",
        "",
        f"Images a second, 144x144 px RGBA, {runs} runs each; {cores} cores, {platform.machine()}, "
        f"Python {platform.python_version()}, NumPy {np.__version__}. Other work shared the machine.",
        "",
        "| what | median | lowest | highest |",
        "| --- | ---: | ---: | ---: |",
    ]
    for name, measure in rows:
        rates = [measure() for _ in range(runs)]
        lines.append(f"| {name} | {statistics.median(rates):.0f} | {min(rates):.0f} | {max(rates):.0f} |")
    publish("cohort", lines)


if __name__ == "__main__":
    main()
