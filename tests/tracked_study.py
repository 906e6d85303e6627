"""Writes studies for the tests of the MLflow follower, as a driver leaves them, and reads back what MLflow holds."""

import json
import shutil
import uuid
from pathlib import Path
from typing import Any

from search.folder import StudyFolder
from search.journal import Journal
from search.tracking.ledger import find_runs
from search.tracking.store import connect
from search.tracking.tracker import default_uri

METRICS = ("recall", "accuracy", "specificity", "precision", "f1", "balanced_accuracy", "auroc", "log_loss")


def begin(storage: Path, name: str = "study", **config: Any) -> StudyFolder:
    """Write ``study.json`` of a new study below ``storage``."""
    folder = StudyFolder(storage / name)
    folder.path.mkdir(parents=True)
    manifest = {
        "schema": 1,
        "name": name,
        "study_id": uuid.uuid4().hex,
        "created": "2026-01-02T03:04:05+00:00",
        "task": {"name": "runx1", "question": "?", "reader": "mll", "disease": ["RUNX1"], "control": ["control"]},
        "config": {"trials": 9, "epochs": 3, "tracking_uri": None, **config},
        "objectives": ["recall", "accuracy"],
        "floors": {"specificity": 0.5, "recall": 0.0},
        "space": {"filters": "int"},
        "seed": 0,
        "data": {"synthetic": True, "fingerprint": "d" * 64, "cells": {"train": 10}, "notes": ["drawn"]},
        "split": {"fingerprint": "5" * 64, "seed": 0},
        "versions": {"python": "3.11", "keras": "3.15.1"},
        "command": "python -m search.run --task runx1",
    }
    folder.manifest.write_text(json.dumps(manifest))
    return folder


def metrics(**given: float) -> dict[str, float]:
    """Return a whole set of metrics, one half where not given."""
    return {**dict.fromkeys(METRICS, 0.5), **given}


def start(journal: Journal, trial: int, **params: Any) -> None:
    """Begin a trial."""
    params = {"filters": 32, "learning_rate": 1e-3, "pooling": "max", "dropout": 0.25, **params}
    journal.append("trial_started", trial=trial, params=params, source="sampled" if trial else "default")


def epoch(journal: Journal, trial: int, number: int, **given: Any) -> None:
    """Evaluate an epoch of a trial."""
    journal.append("epoch", trial=trial, epoch=number, metrics=metrics() | {"loss": 1 / number, "seconds": 2.0} | given)


def complete(journal: Journal, trial: int, **given: float) -> None:
    """End a trial with its restored-best metrics."""
    outcome = {"metrics": metrics(**given), "best_epoch": 2, "epochs": 3, "parameters": 4242, "seconds": 6.0}
    journal.append("trial_finished", trial=trial, state="complete", outcome=outcome)


def end(journal: Journal, trial: int, state: str) -> None:
    """End a trial without an outcome."""
    journal.append("trial_finished", trial=trial, state=state, outcome=None, reason=f"{state} on purpose")


def run_trial(journal: Journal, trial: int, epochs: int = 3, **given: float) -> None:
    """Write a complete trial."""
    start(journal, trial)
    for number in range(1, epochs + 1):
        epoch(journal, trial, number)
    complete(journal, trial, **given)


def of_every_kind(folder: StudyFolder) -> None:
    """Write a study with trials of every state, whose first front member is beaten later."""
    with Journal(folder.journal) as log:
        run_trial(log, 0, recall=0.6, accuracy=0.6)
        start(log, 1)
        epoch(log, 1, 1, loss=float("nan"))
        end(log, 1, "failed")
        run_trial(log, 2, recall=0.9, accuracy=0.7)
        start(log, 3)
        epoch(log, 3, 1)
        end(log, 3, "stopped")
        run_trial(log, 4, recall=1.0, accuracy=0.5, specificity=0.1)
        run_trial(log, 5, recall=0.8, accuracy=0.8)
        start(log, 6)
        epoch(log, 6, 1)


def runs_of(folder: StudyFolder, uri: str) -> tuple[Any, dict[int, Any]]:
    client = connect(uri)
    experiment = client.get_experiment_by_name("leukemia-search/runx1").experiment_id
    parents, children = find_runs(client, [experiment], folder.read_manifest()["study_id"])
    assert len(parents) == 1
    assert all(len(runs) == 1 for runs in children.values())
    return parents[0], {number: runs[0] for number, runs in children.items()}


def all_that_mlflow_holds(folder: StudyFolder, uri: str) -> dict[str, Any]:
    """Return everything told of a study, down to the single metric points, without what MLflow makes up itself."""
    client = connect(uri)
    parent, children = runs_of(folder, uri)

    def content(run: Any) -> dict[str, Any]:
        history = {key: client.get_metric_history(run.info.run_id, key) for key in run.data.metrics}
        return {
            "info": (run.info.run_name, run.info.status, run.info.start_time, run.info.end_time),
            "params": run.data.params,
            "tags": {key: tag for key, tag in run.data.tags.items() if not key.startswith("mlflow.")},
            "metrics": {
                key: sorted((point.step, point.timestamp, str(point.value)) for point in points)
                for key, points in history.items()
            },
        }

    return {"parent": content(parent)} | {str(number): content(run) for number, run in children.items()}


def make_store(storage: Path) -> Path:
    """Make the store of ``storage``, and a copy of it that stays empty; return the folder."""
    connect(default_uri(storage))
    shutil.copyfile(storage / "mlflow.db", storage / "empty.db")
    return storage
