"""A study without Keras: numpy-only trials that take milliseconds, for tests of everything around the training."""

import errno
import json
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
import ray
from ray import cloudpickle

import studies
from cluster.session import Session, open_session
from leukmodels.space.dimensions import Choice, Float, Int, Space
from search.study.folder import StudyFolder, write_whole
from search.tracking.tracker import Tracker, default_uri
from search.tuning.study_loop import Resources, drive
from studies import TOLD, begin, config, metrics, outcome

# Workers cannot import a test's module.
cloudpickle.register_pickle_by_value(studies)
cloudpickle.register_pickle_by_value(sys.modules[__name__])

SPACE = Space(
    dimensions={
        "learning_rate": Float(low=1e-5, high=1e-2, log=True),
        "filters": Int(low=8, high=128),
        "pooling": Choice(options=("max", "average")),
    },
    default={"learning_rate": 1e-3, "filters": 64, "pooling": "max"},
)


class Toy:
    """Pretends to learn: a checkpoint after each epoch, deterministic in the seed, resumable like the real one."""

    def __init__(self, *, seconds=0.0, fail=(), die=None, full=None, full_on="", stop=(), cold="", mute=False):
        """``die`` says how often the workers of a trial die, ``fail`` which trials fail by themselves.

        ``full``: how often a trial finds the disk full; "always" for all of them; ``full_on``: all on that node.
        ``stop``: whose first worker hangs.
        ``mute``: trial 0 writes its outcome and is never heard of again, and the others end once it has.
        """
        self.seconds, self.fail, self.die, self.cold, self.mute = seconds, fail, die or {}, cold, mute
        self.full, self.full_on, self.stop = full or {}, full_on, stop

    def warm_up(self, plan):
        if self.cold:
            raise RuntimeError(self.cold)

    def train(self, params, data, *, plan, seed, folder, report):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "pid").write_text(str(os.getpid()))
        checkpoint = folder / "checkpoint.json"
        history = json.loads(checkpoint.read_text()) if checkpoint.exists() else []
        for epoch, measured in enumerate(history, start=1):
            report(epoch, measured | TOLD)
        if int(folder.name) in self.fail:
            raise ValueError("a bad configuration")
        found_full = len([*folder.glob("full-*")])
        here = self.full_on and ray.get_runtime_context().get_node_id() == self.full_on
        if here or self.full == "always" or found_full < self.full.get(int(folder.name), 0):
            (folder / f"full-{found_full}").touch()
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))
        if int(folder.name) in self.stop and not (folder / "stopped").exists():
            (folder / "stopped").touch()
            os.kill(os.getpid(), signal.SIGSTOP)
        deaths = [*folder.glob("death-*")]
        if len(deaths) < self.die.get(int(folder.name), 0):
            (folder / f"death-{len(deaths)}").touch()
            os._exit(1)  # as the kernel would end it for its memory
        for epoch in range(len(history) + 1, plan.epochs + 1):
            time.sleep(self.seconds)
            noise = np.random.default_rng((seed, epoch)).uniform(0, 0.05)
            quality = 1 - abs(np.log10(params["learning_rate"]) + 3) / 4
            recall = float(np.clip(quality * (1 - 0.5**epoch) + noise, 0, 1))
            history.append(metrics(recall, float(np.clip(1.1 - recall / 2, 0, 1))))
            write_whole(checkpoint, json.dumps(history))
            report(epoch, history[-1] | TOLD)
        with (folder / "finished.log").open("a") as log:
            log.write("finished\n")
        came_to = outcome(history[-1], len(history))
        write_whole(folder / "outcome.json", json.dumps(came_to))
        while (
            self.mute
            and folder.exists()
            and (folder.name == "00000" or not (folder.parent / "00000" / "outcome.json").exists())
        ):
            time.sleep(0.05)
        return came_to

    def finished(self, params, *, plan, seed, folder):
        path = folder / "outcome.json"
        return json.loads(path.read_text()) if path.exists() else None


def run_toy(folder: Path, session: Session, *, listeners=(), ready=lambda: None, experiment=None, **given):
    """Run or go on with the toy study in ``folder`` and return its record."""
    study = StudyFolder(folder)
    resumed = study.exists
    if not resumed:
        begin(folder, space=SPACE, **given)
    with study.lock():
        return drive(
            study,
            ready,
            config=config(**given),
            space=SPACE,
            resources=Resources(
                concurrency=sum(node.holds(cpus=1, gpus=0) for node in session.nodes), cpus=1, gpus=0, memory=2**20
            ),
            listeners=listeners,
            changes={} if resumed else None,
            experiment=experiment or Toy(),
        )


def drive_toy(folder: Path, *, seconds: float, full_on: str = "", **given) -> None:
    """Drive a toy study in a process of its own, with MLflow following, as ``search.run`` does."""
    with open_session(dashboard=False) as session:
        if not StudyFolder(folder).exists:
            begin(folder, space=SPACE, **given)
        tracker = Tracker(StudyFolder(folder), uri=default_uri(folder.parent))
        tracker.start()
        run_toy(folder, session, experiment=Toy(seconds=seconds, full_on=full_on), **given)
        if not tracker.stop(60):
            sys.exit(tracker.problem or "MLflow is behind")
