"""Studies as a driver leaves them on disk, written by the code that writes real ones, for the tests of all who read."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from leukmodels.collections.tasks import Task, find_task
from leukmodels.dataset.cells import Cells
from leukmodels.dataset.pixels import Blocks
from leukmodels.dataset.split import Split
from leukmodels.images.decoding import decode
from leukmodels.space import presets
from leukmodels.space.dimensions import Space
from search.study import manifest
from search.study.config import SearchConfig
from search.study.folder import StudyFolder
from search.study.journal import Journal, read
from search.study.manifest import DataReport, WarmStart
from search.study.presets import configure
from search.study.recorder import Recorder
from search.study.records import StudyRecord, TrialRecord, TrialState, fold
from search.tuning.initial_weights import InitialWeights

PX = 16
SHARE = 0.4  # of leukemic cells among the validation cells
CELLS = {"train": 60, "validation": 20, "test": 20}
PATIENTS = {"train": 6, "validation": 2, "test": 2}
# What an epoch tells besides the metrics of the validation cells.
TOLD = {"loss": 0.5, "seconds": 2.0, "images_per_s": 100.0}


def metrics(recall: float, specificity: float, log_loss: float = 0.4) -> dict[str, float]:
    """Return a consistent set of validation metrics."""
    accuracy = SHARE * recall + (1 - SHARE) * specificity
    called = SHARE * recall + (1 - SHARE) * (1 - specificity)
    precision = SHARE * recall / called if called else 0.0
    return {
        "recall": recall,
        "accuracy": accuracy,
        "specificity": specificity,
        "precision": precision,
        "f1": 2 * precision * recall / (precision + recall) if precision else 0.0,
        "balanced_accuracy": (recall + specificity) / 2,
        "auroc": (recall + specificity) / 2,
        "log_loss": log_loss,
        "recall_low": 0.9 * recall,
        "specificity_low": 0.9 * specificity,
        "latency_ms": 2.5,
        "parameters": 4242,
    }


def outcome(measured: Mapping[str, float], epochs: int = 1) -> dict[str, Any]:
    """Return the outcome of a trial whose last epoch was its best."""
    return {
        "metrics": measured,
        "best_epoch": epochs,
        "epochs": epochs,
        "parameters": 4242,
        "seconds": 34.0,
        "images_per_s": 100.0,
    }


def config(**given: Any) -> SearchConfig:
    """Return the options of a small study that stops nobody."""
    return configure("smoke", {"task": "runx1", "image_px": PX, "scheduler": "none", **given})


def begin(
    path: Path,
    *,
    root: Path | str = "/data/cells",
    space: Space | None = None,
    starts: InitialWeights | None = None,
    prior: WarmStart | None = None,
    task: Task | None = None,
    patient_level: bool = True,
    **given: Any,
) -> StudyFolder:
    """Begin a study of drawn cells in ``path``; ``given`` are its options."""
    folder, task = StudyFolder(path), task or find_task("runx1")
    known = PATIENTS if patient_level else {}
    manifest.begin(
        folder,
        config=config(**given),
        task=task,
        data=DataReport(
            root=str(root),
            synthetic=True,
            fingerprint="d" * 64,
            image_px=PX,
            crop_px=None,
            black_background=False,
            patient_level=patient_level,
            found=100,
            used=100,
            duplicates=0,
            quarantined=0,
            excluded=0,
            cells=CELLS,
            patients=known,
            classes={
                part: {
                    name: ({"patients": known[part] // 2} if known else {}) | {"cells": CELLS[part] // 2}
                    for name in (*task.disease, *task.control)
                }
                for part in CELLS
            },
            notes=("drawn",),
        ),
        split=Split(part_of={"AAA": "train", "AAB": "validation", "AAC": "test"}),
        space=space or presets.space("small"),
        command=f"python -m search.run --task runx1 --data {root}",
        starts=(starts or InitialWeights()).stored(),
        prior=prior,
    )
    return folder


def stored(folder: StudyFolder) -> dict[str, Any]:
    """Return what ``study.json`` says, as plain values."""
    values: dict[str, Any] = json.loads(folder.manifest.read_text(encoding="utf-8"))
    return values


@contextmanager
def recording(folder: StudyFolder) -> Iterator[Recorder]:
    """Write on in the study's journal."""
    with Journal(folder.journal) as journal:
        yield Recorder(journal, record(folder))


def record(folder: StudyFolder) -> StudyRecord:
    """Return the fold of the study's journal."""
    return fold(read(folder.journal))


def start(recorder: Recorder, number: int, **params: Any) -> None:
    """Begin a trial with the default configuration but for ``params``."""
    recorder.trial_started(number, {**presets.space("small").default, **params}, "sampled" if number else "default")


def evaluate(
    recorder: Recorder, number: int, epoch: int, recall: float = 0.5, specificity: float = 0.8, **told: float
) -> None:
    """Evaluate an epoch of a trial; ``told`` replaces what is told of it."""
    recorder.epoch(number, epoch, metrics(recall, specificity, log_loss=1 / epoch) | TOLD | told)


def complete(recorder: Recorder, number: int, recall: float = 0.8, specificity: float = 0.8) -> None:
    """End a trial with its restored-best metrics."""
    epochs = len(recorder.record.trials[number].epochs)
    recorder.trial_finished(number, TrialState.COMPLETE, outcome=outcome(metrics(recall, specificity), epochs))


def stop(recorder: Recorder, number: int) -> None:
    """End a trial early."""
    recorder.trial_finished(number, TrialState.STOPPED, reason="the time was up")


def fail(recorder: Recorder, number: int) -> None:
    """End a trial with an error."""
    recorder.trial_finished(number, TrialState.FAILED, reason="the loss is not a number")


def learn(recorder: Recorder, number: int, recall: float, specificity: float, **params: Any) -> None:
    """Write a trial that reached these in its third epoch and goes on."""
    start(recorder, number, **params)
    for epoch in (1, 2, 3):
        evaluate(recorder, number, epoch, recall * epoch / 3, specificity)


def run(recorder: Recorder, number: int, recall: float = 0.8, specificity: float = 0.8, **params: Any) -> None:
    """Write a complete trial of three epochs."""
    learn(recorder, number, recall, specificity, **params)
    complete(recorder, number, recall, specificity)


def of_every_kind(folder: StudyFolder, *, finished: bool = False) -> None:
    """Write trials of every state, four of them complete.

    2 and 1 are the front (highest recall, highest accuracy); 0, its first member, was beaten; 3 is below the floor and
    was overtaken by the failed 4 and the stopped 5. A finished study has no running trial: 6 was stopped.
    """
    with recording(folder) as recorder:
        run(recorder, 0, 0.7, 0.8)
        run(recorder, 1, 0.85, 0.95, filters=32)
        run(recorder, 2, 0.95, 0.7, dropout=0.25)
        learn(recorder, 3, 1.0, 0.0, learning_rate=1e-2)
        start(recorder, 4)
        evaluate(recorder, 4, 1, loss=float("nan"))
        fail(recorder, 4)
        start(recorder, 5)
        evaluate(recorder, 5, 1)
        stop(recorder, 5)
        complete(recorder, 3, 1.0, 0.0)
        start(recorder, 6)
        evaluate(recorder, 6, 1)
        if finished:
            stop(recorder, 6)
            recorder.study_finished("time budget")


def of_points(*points: tuple[float, float, float], **others: float) -> StudyRecord:
    """Return a study whose complete trials have these (recall, accuracy, specificity), and ``others`` for each."""
    trials = {}
    for number, (recall, accuracy, specificity) in enumerate(points):
        trials[number] = TrialRecord(
            number=number,
            params={},
            source="sampled",
            state=TrialState.COMPLETE,
            outcome={"metrics": metrics(recall, specificity) | {"accuracy": accuracy} | others},
            finished=float(number),
        )
    return StudyRecord(trials=trials)


def mixed(path: Path, *, finished: bool = False, **begun: Any) -> StudyFolder:
    """Write a study with trials of every kind."""
    folder = begin(path, **{"trials": 7, **begun})
    of_every_kind(folder, finished=finished)
    return folder


def exportable(storage: Path) -> StudyFolder:
    """Write a finished study with all that an export needs: images, and of its front's members models and scores."""
    import keras

    from leukmodels.training import scoring

    cells = _cells(storage / "cells")
    folder = mixed(storage / "runx1-1", finished=True, root=storage / "cells")
    for number in (1, 2):
        keras.utils.set_random_seed(number)
        model = keras.Sequential(
            [
                keras.Input((PX, PX, 3)),
                keras.layers.Rescaling(1 / 255),
                keras.layers.Conv2D(4, 3, activation="relu"),
                keras.layers.GlobalMaxPooling2D(),
                keras.layers.Dense(1, activation="sigmoid"),
            ]
        )
        kept = folder.trial(number)
        kept.mkdir(parents=True)
        model.save(kept / "model.keras")
        scores = scoring.predict(scoring.scoring(model), cells.pixels)
        scoring.write_scores(kept / "scores.parquet", cells, scores)
    return folder


def _cells(root: Path) -> Cells:
    """Return the validation cells, their images written below ``root``."""
    rng = np.random.default_rng(0)
    root.mkdir()
    count = CELLS["validation"]
    names = [f"cell_{index}.png" for index in range(count)]
    for name in names:
        Image.fromarray(rng.integers(0, 256, (PX, PX, 3), dtype=np.uint8)).save(root / name)
    return Cells(
        pixels=Blocks.of(np.stack([decode((root / name).read_bytes(), image_px=PX, crop_px=None) for name in names])),
        labels=np.arange(count, dtype=np.uint8) % 2,
        patients=np.arange(count, dtype=np.int32) % 2,
        patient_names=("AAA", "BBB"),
        image_ids=np.array(names),
    )
