"""Ingest against a bare Pillow loop, and the start of a second study on the same images.

    python tests/benchmarks/bench_ingest.py [--runs 5] [--cells-per-patient 40]

Cold: the files to hashed, decoded, resized and stored pixels, with an empty cache, in an open Ray session. Beside it a
multi-process loop over the same files that decodes and resizes in the same way and keeps nothing, and that loop with
the hash of each file, which an ingest needs to tell contents apart. The processes of all sides run already, and all
find the files in the system's file cache. Warm: the same study again, to pixels in the object store. Prints the table
and writes it to results/benchmarks/ingest.md.
"""

import argparse
import hashlib
import io
import multiprocessing
import multiprocessing.pool
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import PIL
import pyarrow as pa
import ray
from PIL import Image

from cluster.session import open_session
from leukmodels.collections.source import open_source
from leukmodels.collections.tasks import find_task
from leukmodels.dataset.shards import image_bytes
from leukmodels.synthetic import draw_cohort
from publishing import publish
from search.cache.store import PixelCache, Policy
from search.data.dataset import prepare_dataset
from search.data.ingest import Files, ingest
from search.data.sharing import share
from search.study.presets import configure

CORES = len(os.sched_getaffinity(0))
BMP_PX, BMP_SHARE = 450, 2  # as C-NMC has them; one for so many TIFFs


def decode(path: str, image_px: int) -> None:
    """Decode and resize one file with Pillow, and drop it."""
    with Image.open(path) as image:
        np.asarray(image.convert("RGB").resize((image_px, image_px), Image.Resampling.HAMMING, reducing_gap=2.0))


def hash_and_decode(path: str, image_px: int) -> None:
    """Read one file, hash it, decode and resize it with Pillow, and drop it."""
    data = Path(path).read_bytes()
    hashlib.sha256(data).hexdigest()
    with Image.open(io.BytesIO(data)) as image:
        np.asarray(image.convert("RGB").resize((image_px, image_px), Image.Resampling.HAMMING, reducing_gap=2.0))


def bare(pool: multiprocessing.pool.Pool, paths: list[str], image_px: int, each: Callable[..., None] = decode) -> float:
    """Return images a second of a bare loop over ``each``."""
    start = time.perf_counter()
    for _ in pool.imap_unordered(partial(each, image_px=image_px), paths, chunksize=32):
        pass
    return len(paths) / (time.perf_counter() - start)


def cold(root: Path, paths: list[str], image_px: int) -> float:
    """Return images a second of an ingest into an empty cache."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        source = open_source(root)
        read = ingest(
            Files(paths=paths, stamps=source.stamps(paths)),
            source,
            PixelCache(Path(folder)),
            Policy(image_px=image_px, crop_px=None, max_pixels=64_000_000),
            cores=CORES,
        )
        taken = time.perf_counter() - start
    assert not any(read.problems)
    return len(paths) / taken


def warm(root: Path, cache: PixelCache, image_px: int) -> tuple[float, float]:
    """Return seconds until a study's pixels are in the object store, and their bytes."""
    config = configure("quick", {"task": "aml", "image_px": image_px})
    start = time.perf_counter()
    account = prepare_dataset(open_source(root), find_task("aml"), config, cache, synthetic=True, cores=CORES)
    prepared = account
    placed = share(prepared, cache)
    taken = time.perf_counter() - start
    del placed  # and its blocks with it
    return taken, prepared.image_count * image_bytes(image_px)


def write_bmps(root: Path, tiffs: list[str]) -> list[str]:
    """Write every second cell as a BMP of C-NMC's size, and return the paths."""
    root.mkdir()
    paths = []
    for number, tiff in enumerate(tiffs[::BMP_SHARE]):
        path = root / f"cell_{number}.bmp"
        with Image.open(tiff) as image:
            image.convert("RGB").resize((BMP_PX, BMP_PX)).save(path)
        paths.append(str(path))
    return paths


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--cells-per-patient", type=int, default=40)
    arguments = parser.parse_args()
    lines = [
        "# Ingest",
        "",
        f"{arguments.runs} runs, sides in turn; {CORES} cores, {platform.machine()}, "
        f"Python {platform.python_version()}, Pillow {PIL.__version__}, PyArrow {pa.__version__}, "
        f"Ray {ray.__version__}.",
        "",
        "Cold, images a second (median, lowest to highest). Bare: a multi-process Pillow loop that decodes and "
        "resizes, and stores nothing; hashing: the same with the sha256 of each file.",
        "",
        "| files | size | bare | bare, hashing | ingest | ingest / bare | ingest / hashing |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    with tempfile.TemporaryDirectory() as folder:
        root = draw_cohort(Path(folder) / "cohort", cells_per_patient=arguments.cells_per_patient)
        tiffs = sorted(map(str, root.rglob("*.tif")))
        bmps = write_bmps(Path(folder) / "bmp", tiffs)
        kinds = {
            f"{len(tiffs):,} TIFF, 144 px RGBA": tiffs,
            f"{len(bmps):,} BMP, {BMP_PX} px": bmps,
            "both together": [*tiffs, *bmps],
        }
        # Forked before Ray starts its threads.
        with multiprocessing.get_context("fork").Pool(CORES) as pool, open_session(dashboard=False):
            cold(root, tiffs[:1000], 64)  # Ray's workers are started
            for name, paths in kinds.items():
                for image_px in (64, 144):
                    sides: dict[str, list[float]] = {"bare": [], "hashing": [], "ingest": []}
                    for _ in range(arguments.runs):
                        sides["bare"].append(bare(pool, paths, image_px))
                        sides["hashing"].append(bare(pool, paths, image_px, hash_and_decode))
                        sides["ingest"].append(cold(root, paths, image_px))
                    ratios = [
                        statistics.median(a / b for a, b in zip(sides["ingest"], sides[other], strict=True))
                        for other in ("bare", "hashing")
                    ]
                    cells = [f"{statistics.median(x):,.0f} ({min(x):,.0f} to {max(x):,.0f})" for x in sides.values()]
                    shown = " | ".join([*cells, *(f"{ratio:.2f}" for ratio in ratios)])
                    lines.append(f"| {name} | {image_px} px | {shown} |")
                    print(lines[-1], flush=True)
            lines += [
                "",
                "Warm: the same images again, no file opened, until all pixels to train and validate on are shared.",
                "",
                "| size | pixels | seconds (median, lowest to highest) | GB/s |",
                "| ---: | ---: | ---: | ---: |",
            ]
            for image_px in (64, 144):
                cache = PixelCache(Path(folder) / f"cache-{image_px}")
                warm(root, cache, image_px)
                times, sizes = zip(*(warm(root, cache, image_px) for _ in range(arguments.runs)), strict=True)
                middle = statistics.median(times)
                lines.append(
                    f"| {image_px} px | {sizes[0] / 1e6:,.0f} MB | {middle:.2f} ({min(times):.2f} to {max(times):.2f}) "
                    f"| {sizes[0] / middle / 1e9:.2f} |"
                )
                print(lines[-1], flush=True)
    publish("ingest", lines)


if __name__ == "__main__":
    main()
