"""Parallel efficiency of this project and of its peers on the same trials: T1 / (cores x W).

    PYTHONPATH=. python tests/benchmarks/bench_parallel.py --load 12 [--runs 3] [--systems ours,ray-tune] [--scale 0.05]

Needs the packages of requirements-bench.txt. --load 12 is twelve trials of about 8 s on one thread of this machine,
--load 24 is 24 of about 30 s; a probe finds the number of images that makes them so long. Three runs take some 40
minutes and three hours; nothing else should use the machine meanwhile. A run at full scale, with at least
one-after-another and ours, is written to results/benchmarks/parallel-<load>.md; others are printed only.
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

from parallel_load import write_arrays
from parallel_report import Timed, report
from parallel_systems import SYSTEMS

HERE = Path(__file__).resolve().parent
RESULTS = HERE.parents[1] / "results" / "benchmarks"
TRIAL_SECONDS = {12: 8.0, 24: 30.0}
EPOCHS = 6
PROBED_IMAGES, PROBED_EPOCHS = (128, 384), 2
FEWEST_IMAGES = 96
LEFT_OUT = frozenset({"ours-mlflow"})  # unless asked for


def run_system(name: str, place: Path, arrays: Path, *, trials: int, epochs: int, limit_s: float) -> tuple[Path, Timed]:
    """Run a system in a process of its own and return the folder of its files and its times."""
    folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=place))
    modules = [HERE.parents[1], HERE.parent / "support", HERE, *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "TUNE_"))} | {
        "PYTHONPATH": os.pathsep.join(map(str, modules)),
        "SYNETUNE_FOLDER": str(folder / "syne_tune"),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "",  # the cores are what is compared
    }
    command = [sys.executable, HERE / "parallel_systems.py", name, str(trials), str(epochs), arrays, folder]
    start = time.monotonic()
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT)
        try:
            status = process.wait(limit_s)
        except BaseException as end:
            _kill(process)
            if not isinstance(end, subprocess.TimeoutExpired):
                raise
            return folder, Timed(problem=f"not done after {limit_s:.0f} s")
    taken = time.monotonic() - start
    if status:
        return folder, Timed(problem=f"exit status {status}: {_last_line(folder / 'log')}")
    return folder, Timed() if name == "probe" else _read(folder, taken, trials)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a system and all that it started."""
    with contextlib.suppress(psutil.NoSuchProcess):
        family = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        for member in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.kill()
        psutil.wait_procs(family, timeout=10)
    process.wait()


def _read(folder: Path, process_s: float, trials: int) -> Timed:
    """Return the times that a system left; a problem where it did not train each configuration once."""
    kept = folder / "trials.jsonl"
    rows = [json.loads(line) for line in kept.read_text().splitlines()] if kept.exists() else []
    rows.sort(key=lambda row: row["number"])
    if [row["number"] for row in rows] != list(range(trials)):
        return Timed(problem=f"trained {[row['number'] for row in rows]} of {trials} configurations")
    search, front = (float((folder / moment).read_text()) for moment in ("search", "front"))
    return Timed(
        w=front - min(row["begin"] for row in rows),
        tail=front - max(row["end"] for row in rows),
        search=front - search,
        process=process_s,
        trials=tuple(row["end"] - row["begin"] for row in rows),
    )


def _last_line(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1][:120].replace("|", "/") if lines else "it said nothing"


def images_for(seconds: float, place: Path, *, trials: int) -> int:
    """Return the number of training images with which the mean trial takes ``seconds`` on one thread."""
    measured = []
    for images in PROBED_IMAGES:
        arrays = write_arrays(place, images)
        folder, timed = run_system("probe", place, arrays, trials=trials, epochs=PROBED_EPOCHS, limit_s=1800)
        if timed.problem:
            sys.exit(f"The probe failed ({timed.problem}):\n{(folder / 'log').read_text()[-3000:]}")
        measured.append(json.loads((folder / "probe.json").read_text()))
    fixed_s = measured[0]["trial_s"] - PROBED_EPOCHS * measured[0]["epoch_s"]
    image_s = (measured[1]["epoch_s"] - measured[0]["epoch_s"]) / (PROBED_IMAGES[1] - PROBED_IMAGES[0])
    epoch_s = (seconds - fixed_s) / EPOCHS
    wanted = PROBED_IMAGES[0] + (epoch_s - measured[0]["epoch_s"]) / image_s
    return max(FEWEST_IMAGES, round(wanted))


def measure(names: Sequence[str], runs: int, timed: Callable[[str], Timed], tell: Callable[[list, list], None]) -> None:
    """Run the systems in turn, ``runs`` times, telling all that is known after each of these."""
    done: list[dict[str, Timed]] = []
    busy: list[float] = []
    for run in range(runs):
        busy.append(os.getloadavg()[0])
        first = run % len(names)
        found = {name: timed(name) for name in [*names[first:], *names[:first]]}
        done.append({name: found[name] for name in names})
        tell(done, busy)


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--load", type=int, choices=TRIAL_SECONDS, default=12, help="trials (default: 12)")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="of the number of trials and of their length")
    default = [name for name in SYSTEMS if name not in LEFT_OUT]
    parser.add_argument("--systems", default=",".join(default), help=f"of {', '.join(SYSTEMS)}")
    options = parser.parse_args()
    names = options.systems.split(",")
    if unknown := sorted(set(names) - set(SYSTEMS)):
        parser.error(f"no such systems: {', '.join(unknown)}; there are {', '.join(SYSTEMS)}")
    whole = options.scale == 1 and {"one-after-another", "ours"} <= set(names)
    trials = max(3, round(options.load * options.scale))
    seconds = TRIAL_SECONDS[options.load] * options.scale
    place = Path(tempfile.mkdtemp(prefix="bench-parallel-"))

    def timed(name: str) -> Timed:
        folder, found = run_system(
            name, place, arrays, trials=trials, epochs=EPOCHS, limit_s=240 + 4 * trials * seconds
        )
        told = found.problem or f"W {found.w:.1f} s, search {found.search:.1f} s, process {found.process:.1f} s"
        print(f"{name}: {told}", flush=True)
        if found.problem:
            print((folder / "log").read_text(errors="replace")[-3000:], flush=True)
        shutil.rmtree(folder)
        return found

    def tell(done: list[dict[str, Timed]], busy: list[float]) -> None:
        text = report(done, trials=trials, epochs=EPOCHS, images=images, busy=busy)
        print(text, flush=True)
        if whole:
            RESULTS.mkdir(parents=True, exist_ok=True)
            (RESULTS / f"parallel-{options.load}.md").write_text(text, encoding="utf-8")

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that nothing is left running
    try:
        print("Probing ...", flush=True)
        images = images_for(seconds, place, trials=trials)
        arrays = write_arrays(place, images)
        measure(names, options.runs, timed, tell)
    finally:
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    main()
