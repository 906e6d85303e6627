"""Writes studies as a driver leaves them on disk (manifest and journal), for the tests of whatever only reads them."""

import json
from pathlib import Path

from leukmodels.hparams import defaults
from search.folder import StudyFolder
from search.journal import Journal, read
from search.records import StudyRecord, fold

SHARE = 0.4  # of leukemic cells among the validation cells


def metrics(recall, specificity, log_loss=0.4):
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
    }


def manifest(name="runx1-1", root="/data/cells", *, synthetic=True, trials=6, **data):
    """Return a study.json."""
    return {
        "schema": 1,
        "name": name,
        "study_id": "f00d",
        "created": "2026-01-02T03:04:05+00:00",
        "task": {
            "name": "runx1",
            "question": "RUNX1::RUNX1T1 leukemia or control",
            "reader": "mll",
            "disease": ["RUNX1_RUNX1T1"],
            "control": ["control"],
        },
        "config": {"trials": trials, "epochs": 3, "time_budget": None},
        "objectives": ["recall", "accuracy"],
        "floors": {"specificity": 0.5, "recall": 0.0},
        "space": {},
        "seed": 0,
        "data": {
            "root": str(root),
            "synthetic": synthetic,
            "fingerprint": "d" * 64,
            "image_px": 16,
            "crop_px": None,
            "black_background": False,
            "patient_level": True,
            "cells": {"train": 60, "validation": 20, "test": 20},
            "patients": {"train": 6, "validation": 2, "test": 2},
            "notes": [],
            **data,
        },
        "split": {"fingerprint": "5" * 64, "seed": 0},
        "versions": {"python": "3.11", "keras": "3.15.1"},
        "command": f"python -m search.run --task runx1 --data {root}",
    }


def trial(journal, number, recall=None, specificity=None, *, state="complete", epochs=3, reason="", **params):
    """Append a whole trial; without a recall it is left running."""
    source = "sampled" if number else "default"
    journal.append("trial_started", trial=number, params={**defaults(), **params}, source=source)
    for epoch in range(1, epochs + 1):
        seen = metrics((recall or 0.5) * epoch / epochs, specificity or 0.5, log_loss=1 / epoch)
        seen |= {"loss": 1 / epoch, "seconds": 2.0, "images_per_s": 100.0}
        journal.append("epoch", trial=number, epoch=epoch, metrics=seen)
    if recall is not None:
        outcome = {
            "metrics": metrics(recall, specificity),
            "best_epoch": epochs,
            "epochs": epochs,
            "parameters": 4242,
            "seconds": 34.0,
            "images_per_s": 100.0,
        }
        journal.append(
            "trial_finished", trial=number, state=state, outcome=outcome if state == "complete" else None, reason=reason
        )


def write(storage: Path, name="runx1-1", *, finished="all trials done", **manifested) -> StudyFolder:
    """Write a study with a front (2: highest recall, 1: highest accuracy), one behind it, one below the floor."""
    folder = StudyFolder(storage / name)
    folder.path.mkdir(parents=True)
    folder.manifest.write_text(json.dumps(manifest(name, **manifested)))
    with Journal(folder.journal) as journal:
        trial(journal, 0, 0.7, 0.8)
        trial(journal, 1, 0.85, 0.95, filters=32)
        trial(journal, 2, 0.95, 0.7, dropout=0.25)
        trial(journal, 3, 1.0, 0.0, learning_rate=1e-2)
        trial(journal, 4, 0.0, 0.0, state="failed", epochs=1, reason="the loss is not a number")
        trial(journal, 5, epochs=1)
        if finished:
            journal.append("study_finished", reason=finished)
    return folder


def record(folder: StudyFolder) -> StudyRecord:
    """Return the fold of the study's journal."""
    return fold(read(folder.journal))
