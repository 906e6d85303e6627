"""A study of bench_memory, in a process of its own: trials that read all their images and hold what they then have.

    memory_study.py HELD TRIALS PLACE SHARED PX WINDOW

It leaves <trial>.ready in PLACE for each trial that holds, and ends once `go` is there. SHARED has the cohort and the
cache. With 0 trials it prepares the cache and writes the shards to stream, and that is all.
"""

import json
import os
import sys
import time
from collections.abc import Generator
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from cluster.session import open_session
from leukmodels.collections.source import open_source
from leukmodels.collections.tasks import find_task
from leukmodels.dataset.pixels import Images, Pixels
from leukmodels.evaluation.metrics import Metrics
from leukmodels.space import presets
from search.cache.store import PixelCache
from search.data import sharing
from search.data.dataset import prepare_dataset
from search.study.folder import StudyFolder
from search.study.manifest import begin
from search.study.presets import configure
from search.tuning.initial_weights import InitialWeights
from search.tuning.study_loop import Resources, drive
from search.tuning.trial import Report, TrialPlan

NOTHING, SHARED, STREAMED, COPIED = "nothing", "one copy a node", "two windows each", "a copy each"
CPUS = 4  # that Ray is told of: the trials wait together, so it does not matter that they share fewer
BATCH = 32


class Holding:
    """The experiment: it stands in for Keras."""

    def __init__(self, held: str, place: Path) -> None:
        self.held, self.place = held, place

    def warm_up(self, plan: TrialPlan) -> None:
        """Nothing."""

    def train(
        self,
        params: dict[str, Any],
        data: sharing.SharedDataset | None,
        *,
        plan: TrialPlan,
        seed: int,
        folder: Path,
        report: Report,
    ) -> dict[str, Any]:
        before = own_memory("RssAnon")
        Path("/proc/self/clear_refs").write_text("5")  # VmHWM is the most from now on, not since the process began
        kept = self._read(data) if data else None
        elsewhere = own_memory("RssShmem", "RssFile")
        told = {"holds": own_memory("RssAnon") - before, "held": own_memory("VmHWM") - elsewhere - before}
        aside = self.place / f"{folder.name}.partial"
        aside.write_text(json.dumps(told))
        aside.rename(self.place / f"{folder.name}.ready")
        while not (self.place / "go").exists():
            time.sleep(0.05)
        del kept
        return {"metrics": {field.name: 0.5 for field in fields(Metrics)}, "best_epoch": 1, "epochs": 1}

    def _read(self, data: sharing.SharedDataset) -> object:
        """Read all images once; return what a trial has in the middle of its next epoch."""
        cells = data.open()
        batches = [batch for part in (cells.train, cells.validation) for batch in self._through(part.pixels)]
        if self.held != STREAMED:
            return cells, batches
        again = through(cells.train.pixels, epoch=1)
        return next(again), again  # the first window is there, and the next one as soon as it is read

    def _through(self, pixels: Pixels) -> Generator[Images, None, None]:
        for batch in through(pixels, epoch=0):
            if self.held == COPIED:
                yield batch


def through(pixels: Pixels, epoch: int) -> Generator[Images, None, None]:
    """Yield all images in an order that they can be read well in."""
    return pixels.batches(pixels.arrange(np.arange(len(pixels)), np.random.default_rng(epoch)), BATCH)


def own_memory(*names: str) -> int:
    """Return bytes of this process as /proc/self/status tells them, summed."""
    told = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return sum(int(told[name].removesuffix("kB")) for name in names) * 1024


def main(held: str, trials: int, place: Path, shared: Path, image_px: int, window: int) -> None:
    """Drive the study; with no trials, prepare what the others read."""
    config = configure("quick", {"task": "aml", "image_px": image_px, "trials": max(1, trials)})
    task, cache = find_task(config.task), PixelCache(shared / "cache")
    folder = StudyFolder(place / "study")
    with open_session(dashboard=False, cpus=CPUS) as _, folder.lock():
        cores = len(os.sched_getaffinity(0))
        account = prepare_dataset(open_source(shared / "cohort"), task, config, cache, synthetic=True, cores=cores)
        prepared = account
        if not trials:
            (shared / "images").write_text(str(prepared.image_count))
            sharing.stream(prepared, cache, window=window)
            return

        def ready() -> sharing.SharedDataset | None:
            written = {"config": config, "task": task, "data": prepared.report, "split": prepared.split}
            begin(
                folder,
                **written,
                space=presets.space("small"),
                starts=InitialWeights().stored(),
                command="bench_memory",
            )
            if held == NOTHING:
                return None
            return sharing.share(prepared, cache) if held == SHARED else sharing.stream(prepared, cache, window=window)

        record = drive(
            folder,
            ready,
            config=config,
            space=presets.space("small"),
            resources=Resources(concurrency=trials, cpus=1, gpus=0, memory=2**20),
            experiment=Holding(held, place),
        )
    assert all(trial.outcome for trial in record.trials.values()), record


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4]), int(sys.argv[5]), int(sys.argv[6]))
