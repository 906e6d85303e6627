"""Records the learning curves of random configurations, on which tests/support/simulation.py replays studies.

    PYTHONPATH=. python tests/benchmarks/record_curves.py STORAGE [--trials 306] [--epochs 27] [--image-px 16]

The project's own search draws them at random and trains each to its last epoch on the drawn cohort; the study in
STORAGE is resumed where it was interrupted. Takes about a hundred minutes on two cores. Writes
results/benchmarks/curves.parquet, a row an epoch: the trial, its hyperparameters, and all that was measured.
"""

import argparse
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from publishing import RESULTS
from search.study.folder import StudyFolder
from search.study.journal import read
from search.study.records import StudyRecord, TrialState, fold

CURVES = RESULTS / "curves.parquet"


def record(storage: Path, *, trials: int, epochs: int, image_px: int) -> StudyFolder:
    """Run the study, or what is left of it."""
    folder = StudyFolder(storage / f"curves-{trials}x{epochs}-{image_px}px")
    command = [sys.executable, "-m", "search.run", "--storage", storage, "--no-dashboard", "--out", storage / "export"]
    if folder.exists:
        command += ["--resume", folder.path]
    else:
        options = {
            "task": "runx1",
            "name": folder.name,
            "trials": trials,
            "epochs": epochs,
            "patience": epochs,
            "image-px": image_px,
            "sampler": "random",
            "scheduler": "none",
            "plateau": 0,
            "time-budget": 1e6,
        }
        command += [f"--{name}={value}" for name, value in options.items()]
    subprocess.run(command, check=True)
    return folder


def table(study: StudyRecord) -> pa.Table:
    """Return the rows of all complete trials; what was measured as 32-bit numbers, hyperparameters as they were."""
    params = {name for trial in study.trials.values() for name in trial.params}
    rows = [
        {"trial": trial.number, "epoch": epoch, **trial.params, **{name: metrics[name] for name in metrics}}
        for trial in study.by_state(TrialState.COMPLETE)
        for epoch, metrics in enumerate(trial.epochs, start=1)
    ]
    wide = pa.Table.from_pylist(rows)
    small = {pa.float64(): pa.float32(), pa.int64(): pa.int32()}
    fields = [
        field if field.name in params else field.with_type(small.get(field.type, field.type)) for field in wide.schema
    ]
    return wide.cast(pa.schema(fields))


def main() -> None:
    """Record and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("storage", type=Path)
    parser.add_argument("--trials", type=int, default=306)
    parser.add_argument("--epochs", type=int, default=27)
    parser.add_argument("--image-px", type=int, default=16)
    options = parser.parse_args()
    folder = record(options.storage, trials=options.trials, epochs=options.epochs, image_px=options.image_px)
    study = fold(read(folder.journal))
    if failed := study.count(TrialState.FAILED):
        print(f"{failed} trials failed and are left out.")
    curves = table(study)
    pq.write_table(curves, CURVES, compression="zstd")
    print(f"{curves.num_rows:,} epochs, {CURVES.stat().st_size / 1e6:.1f} MB: {CURVES}")


if __name__ == "__main__":
    main()
