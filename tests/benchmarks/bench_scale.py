"""The data plane at the size of the real collection: 189 patients and, by default, 20,000 drawn images.

    PYTHONPATH=. python tests/benchmarks/bench_scale.py [--cells-per-patient 106] [--px 64 144]

For each image size three starts, each in fresh processes with a Ray session of its own, while their memory is weighed
four times a second: a cold one with an empty cache, a warm one, both up to the pixels in the object store, and a
streamed one, whose shards a worker then reads through once as a trial's epoch does, without a model. Needs some 6 GB of
disk below the temporary folder. Prints the tables and writes them to results/benchmarks/scale.md. Linux only.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import PIL
import pyarrow as pa
import ray

from cluster.session import open_session
from footprint import Footprint, peak
from leukmodels.collections.source import open_source
from leukmodels.collections.tasks import find_task
from leukmodels.dataset.shards import image_bytes
from leukmodels.synthetic import draw_cohort
from publishing import publish
from search.cache.store import PixelCache
from search.data.dataset import prepare_dataset
from search.data.sharing import SharedDataset, share, stream
from search.study.presets import configure

CORES = len(os.sched_getaffinity(0))
COLD, WARM, STREAMED = "cold", "warm", "streamed"
BATCH = 32


@dataclass(frozen=True, kw_only=True)
class Start:
    """One start of a study.

    images      files of the collection
    visible     images of training and validation
    prepare_s   from the folder's name to prepared images
    place_s     from there to pixels in the object store, or to shards
    epoch       training images and seconds of one pass over the streamed shards; zeros where there was none
    peak        memory of the processes when they had most
    """

    images: int
    visible: int
    prepare_s: float
    place_s: float
    epoch: tuple[int, float] = (0, 0.0)
    peak: Footprint = field(default_factory=Footprint)


def start(kind: str, image_px: int, place: Path) -> Start:
    """Prepare and place the cohort, and read through what is streamed."""
    config = configure("quick", {"task": "aml", "image_px": image_px})
    cache = PixelCache(place / f"cache-{image_px}")
    with open_session(dashboard=False):
        begin = time.perf_counter()
        task = find_task(config.task)
        account = prepare_dataset(open_source(place / "cohort"), task, config, cache, synthetic=True, cores=CORES)
        prepared = account
        middle = time.perf_counter()
        placed = stream(prepared, cache, window=config.shuffle_window) if kind == STREAMED else share(prepared, cache)
        end = time.perf_counter()
        time.sleep(1)  # so that what is placed is weighed before the session ends
        return Start(
            images=prepared.report.found,
            visible=prepared.image_count,
            prepare_s=middle - begin,
            place_s=end - middle,
            epoch=ray.get(ray.remote(epoch).remote(placed)) if kind == STREAMED else (0, 0.0),
        )


def epoch(placed: SharedDataset) -> tuple[int, float]:
    """Read all training batches; return how many images and seconds that were."""
    pixels = placed.open().train.pixels
    begin = time.perf_counter()
    order = pixels.arrange(np.arange(len(pixels)), np.random.default_rng(0))
    count = sum(len(batch) for batch in pixels.batches(order, BATCH))
    return count, time.perf_counter() - begin


def measure(kind: str, image_px: int, place: Path) -> Start:
    """Run a start in processes of its own, and weigh them."""
    command = [sys.executable, __file__, "--start", kind, "--px", str(image_px), "--place", str(place)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process, peak(process.pid) as heaviest:
        assert process.stdout
        told = process.stdout.read()
        if process.wait():
            sys.exit(f"The {kind} start ended with exit status {process.returncode}.")
    return Start(**json.loads(told), peak=heaviest())


def rows(kind: str, image_px: int, found: Start) -> tuple[str, str]:
    """Return the start's row of the table of times and of that of memory."""
    size = found.visible * image_bytes(image_px)
    both_s = found.prepare_s + found.place_s
    count, epoch_s = found.epoch
    times = [
        f"{found.prepare_s:.1f}",
        f"{found.images / found.prepare_s:,.0f}",
        f"{found.place_s:.1f}",
        f"{size / both_s / 1e9:.2f}",
        f"{epoch_s:.1f}" if count else "",
        f"{count / epoch_s:,.0f}" if count else "",
    ]
    peak = found.peak
    weights = map(_mb, (size, peak.pss, peak.store, peak.driver, peak.workers, peak.services))
    return tuple(f"| {image_px} px | {kind} | {' | '.join(cells)} |" for cells in (times, weights))


def _mb(size: float) -> str:
    return f"{size / 1e6:,.0f}"


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells-per-patient", type=int, default=106, help="mean number of images a patient")
    parser.add_argument("--px", type=int, nargs="+", default=[64, 144])
    parser.add_argument("--dry", action="store_true", help="write no file")
    parser.add_argument("--place", type=Path, help="keep the cohort here and use it again (default: draw and drop it)")
    parser.add_argument("--start", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.start:
        found = start(options.start, options.px[0], options.place)
        print(json.dumps({name: value for name, value in asdict(found).items() if name != "peak"}))
        return
    times = ["| size | start | prepared, s | files/s | placed, s | GB/s | epoch, s | images/s |"]
    memory = ["| size | start | pixels | peak | store | driver | workers | Ray's own |"]
    for table in (times, memory):
        table.append("| ---: | --- |" + " ---: |" * 6)
    disk = ["| size | what | files | images | MB |", "| ---: | --- | ---: | ---: | ---: |"]
    with ExitStack() as stack:
        place = options.place or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        load = os.getloadavg()[0]
        begin = time.perf_counter()
        root = draw_cohort(place / "cohort", cells_per_patient=options.cells_per_patient)
        drawn_s = time.perf_counter() - begin
        for image_px in options.px:
            cache = place / f"cache-{image_px}"
            shutil.rmtree(cache, ignore_errors=True)
            for kind in (COLD, WARM, STREAMED):
                found = measure(kind, image_px, place)
                time_row, memory_row = rows(kind, image_px, found)
                times.append(time_row)
                memory.append(memory_row)
                print(time_row, memory_row, sep="\n", flush=True)
            for entry in PixelCache(cache).sizes():
                cells = (f"{image_px} px", entry.kind, entry.files, entry.images, _mb(entry.bytes))
                disk.append(f"| {' | '.join(map(str, cells))} |")
            shutil.rmtree(cache)
        patients = sum(1 for _ in (root / "data").glob("*/*"))
        source_bytes = sum(path.stat().st_size for path in root.rglob("*.tif"))
    lines = [
        "# The real collection's size",
        "",
        f"{found.images:,} drawn images of {patients} patients ({_mb(source_bytes)} MB of TIFF, drawn in "
        f"{drawn_s:.0f} s), {found.visible:,} of them training and validation. One run, the files in the system's file "
        f"cache. {CORES} cores (load average before: {load:.1f}), {platform.machine()}, Python "
        f"{platform.python_version()}, Pillow {PIL.__version__}, PyArrow {pa.__version__}, Ray {ray.__version__}.",
        "",
        "Dataset: from the folder's name through listing, reading, hashing, decoding and the split (cold), or through "
        "the cache (warm, streamed). Placed: into the object store, or written as shards. GB/s: pixels over both. "
        f"Epoch: one pass over the training images in batches of {BATCH}, streamed.",
        "",
        *times,
        "",
        "Memory at its peak, MB: PSS summed over the driver and all that it started, so that each page counts once, "
        "without idle workers; shared memory is the store's, and the split is that of the same moment.",
        "",
        *memory,
        "",
        "What is on disk afterwards:",
        "",
        *disk,
    ]
    publish("scale", lines, write=not options.dry)


if __name__ == "__main__":
    main()
