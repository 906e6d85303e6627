"""One trial of bench_parallel as Syne Tune's local backend starts it: a process that reports by printing."""

import argparse
from pathlib import Path

from syne_tune import Reporter

from parallel_load import OBJECTIVES, Load, train

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for name, kind in (("trials", int), ("epochs", int), ("arrays", Path), ("folder", Path)):
        parser.add_argument(f"--{name}", type=kind)
    parser.add_argument("--st_checkpoint_dir", type=Path)
    given, _ = parser.parse_known_args()  # what its sampler chose is ignored
    load = Load(trials=given.trials, epochs=given.epochs, arrays=given.arrays, folder=given.folder)
    reporter = Reporter()
    train(
        load,
        int(given.st_checkpoint_dir.parent.name),  # the number that the backend gave this trial
        load.data(),
        lambda epoch, numbers: reporter(epoch=epoch, **{name: numbers[name] for name in OBJECTIVES}),
    )
