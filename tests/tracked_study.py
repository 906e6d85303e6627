"""Writes studies for the tests of the MLflow follower: a manifest and a journal, as a driver leaves them."""

import json
import uuid
from pathlib import Path
from typing import Any

from search.folder import StudyFolder
from search.journal import Journal

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
