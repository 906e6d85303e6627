"""A study without Keras: numpy-only trials that take milliseconds, for tests of everything around the training.

As a script it drives one such study, so that a test can kill it: ``python toy.py FOLDER TRIALS EPOCHS SECONDS``.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
from ray import cloudpickle

from cluster.session import Session, open_session
from leukmodels.space import Choice, Float, Int
from leukmodels.split import Split
from leukmodels.tasks import find_task
from search.config import SearchConfig, configure
from search.folder import StudyFolder, write_whole
from search.prepare import DataReport
from search.study import Space, begin, drive
from search.tracking.tracker import Tracker, default_uri

if __name__ != "__main__":
    # Workers cannot import a test's module.
    cloudpickle.register_pickle_by_value(sys.modules[__name__])

SPACE = Space(
    dimensions={
        "learning_rate": Float(low=1e-5, high=1e-2, log=True),
        "filters": Int(low=8, high=128),
        "pooling": Choice(options=("max", "average")),
    },
    default={"learning_rate": 1e-3, "filters": 64, "pooling": "max"},
)


def experiment(params, data, *, plan, seed, folder, report, seconds=0.0, fail=()):
    """Pretend to learn: a checkpoint after each epoch, deterministic in the seed, resumable like the real one."""
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint = folder / "checkpoint.json"
    history = json.loads(checkpoint.read_text()) if checkpoint.exists() else []
    for epoch, metrics in enumerate(history, start=1):
        report(epoch, metrics)
    if int(folder.name) in fail:
        raise ValueError("a bad configuration")
    for epoch in range(len(history) + 1, plan.epochs + 1):
        time.sleep(seconds)
        noise = np.random.default_rng((seed, epoch)).uniform(0, 0.05)
        quality = 1 - abs(np.log10(params["learning_rate"]) + 3) / 4
        recall = float(np.clip(quality * (1 - 0.5**epoch) + noise, 0, 1))
        history.append(metrics_like(recall, float(np.clip(1.1 - recall / 2, 0, 1))))
        write_whole(checkpoint, json.dumps(history))
        report(epoch, history[-1])
    with (folder / "finished.log").open("a") as log:
        log.write("finished\n")
    return outcome_like(history[-1], len(history))


def metrics_like(recall, specificity):
    """Return a plausible row of validation metrics."""
    accuracy = (recall + specificity) / 2
    return {
        "recall": recall,
        "accuracy": accuracy,
        "specificity": specificity,
        "precision": accuracy,
        "f1": accuracy,
        "balanced_accuracy": accuracy,
        "auroc": accuracy,
        "log_loss": 1 - accuracy,
        "loss": 1 - accuracy,
        "seconds": 0.1,
        "images_per_s": 100.0,
    }


def outcome_like(metrics, epochs):
    """Return the outcome of a trial whose last epoch was its best."""
    return {
        "metrics": metrics,
        "best_epoch": epochs,
        "epochs": epochs,
        "parameters": 1,
        "seconds": 0.1 * epochs,
        "images_per_s": 100.0,
    }


def toy_config(**given) -> SearchConfig:
    """Return a config for a toy study."""
    return configure("smoke", {"task": "runx1", "min_specificity": 0.5, **given})


def begin_toy(folder: Path, **given) -> StudyFolder:
    """Write the manifest of a new toy study in ``folder`` and return it."""
    study = StudyFolder(folder)
    begin(
        study,
        config=toy_config(**given),
        task=find_task("runx1"),
        data=DataReport(
            root="nowhere",
            synthetic=True,
            fingerprint="d" * 64,
            image_px=8,
            crop_px=None,
            black_background=False,
            patient_level=True,
            found=3,
            used=3,
            duplicates=0,
            quarantined=0,
            cells={"train": 1, "validation": 1, "test": 1},
            patients={"train": 1, "validation": 1, "test": 1},
            notes=(),
        ),
        split=Split(part_of={"AAA": "train", "AAB": "validation", "AAC": "test"}),
        space=SPACE,
        command="python tests/toy.py",
    )
    return study


def run_toy(folder: Path, session: Session, *, listeners=(), seconds=0.0, fail=(), **given):
    """Run or go on with the toy study in ``folder`` and return its record."""
    study = StudyFolder(folder)
    resumed = study.exists
    if not resumed:
        begin_toy(folder, **given)

    def bound(*args, **keywords):
        return experiment(*args, **keywords, seconds=seconds, fail=fail)

    return drive(
        study,
        None,
        config=toy_config(**given),
        space=SPACE,
        session=session,
        listeners=listeners,
        changes={} if resumed else None,
        experiment=bound,
    )


def main(folder: Path, trials: int, epochs: int, seconds: float) -> None:
    """Drive a toy study with MLflow following, as ``search.run`` does."""
    storage = folder.parent
    with open_session(dashboard=False, cpus=2) as opened:
        if not StudyFolder(folder).exists:
            begin_toy(folder, trials=trials, epochs=epochs)
        tracker = Tracker(StudyFolder(folder), uri=default_uri(storage))
        tracker.start()
        run_toy(folder, opened, seconds=seconds, trials=trials, epochs=epochs)
        if not tracker.stop(60):
            sys.exit(tracker.problem or "MLflow is behind")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
