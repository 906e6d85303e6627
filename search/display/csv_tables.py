"""A study as CSV tables: its front, every trial with how it fared, and what mattered."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from leukmodels.evaluation.costs import COSTS
from leukmodels.process.files import written_aside
from search.display.text import place
from search.study.front import ParetoFront
from search.study.portable import without_paths
from search.study.records import StudyRecord, TrialRecord, TrialState

METRICS = (
    *("recall", "accuracy", "specificity", "precision", "f1", "balanced_accuracy", "auroc", "log_loss"),
    *("recall_low", "specificity_low", *COSTS),
)


def write_front_table(front: ParetoFront, path: Path) -> None:
    """Write the front, a row a trial: number, validation metrics, epochs, then a column a hyperparameter."""
    names = _hyperparameters(front.trials)
    rows = (
        [trial.number, *_metrics(trial.metrics), _epochs(trial), *_values(trial.params, names)]
        for trial in front.trials
    )
    _write(path, ["trial", *METRICS, "epochs", *names], rows)


def write_trials_table(record: StudyRecord, front: ParetoFront, path: Path) -> None:
    """Write every trial: where it comes from, how it ended and why, its rank on each rung, metrics, hyperparameters.

    The metrics are those that it is judged by: of its best epoch.
    """
    trials = [record.trials[number] for number in sorted(record.trials)]
    names = _hyperparameters(trials)
    rungs = sorted({verdict.rung for trial in trials for verdict in trial.decisions})
    rows = (
        [
            trial.number,
            trial.source,
            trial.state,
            place(trial, front)
            if trial.state is TrialState.COMPLETE
            else without_paths(trial.reason.partition("\n")[0]),
            _epochs(trial),
            *(_rank(trial, rung) for rung in rungs),
            *_metrics(trial.metrics or (trial.metrics_at(len(trial.epochs)) if trial.epochs else {})),
            *_values(trial.params, names),
        ]
        for trial in trials
    )
    ranks = [f"rank at epoch {rung}" for rung in rungs]
    _write(path, ["trial", "source", "state", "why", "epochs", *ranks, *METRICS, *names], rows)


def write_importances_table(importances: Mapping[str, Mapping[str, float]], path: Path) -> None:
    """Write a row a hyperparameter and a column an objective; see ``importance.importances``."""
    names = list(dict.fromkeys(name for shares in importances.values() for name in shares))
    rows = ([name, *(shares.get(name, 0.0) for shares in importances.values())] for name in names)
    _write(path, ["hyperparameter", *importances], rows)


def _write(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    with written_aside(path, durable=False) as aside, aside.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(header)
        table.writerows(rows)


def _hyperparameters(trials: Iterable[TrialRecord]) -> list[str]:
    return list(dict.fromkeys(name for trial in trials for name in trial.params))


def _metrics(metrics: Mapping[str, Any]) -> list[Any]:
    return [metrics.get(name, "") for name in METRICS]


def _values(params: Mapping[str, Any], names: Sequence[str]) -> list[Any]:
    return [params.get(name, "") for name in names]


def _epochs(trial: TrialRecord) -> int:
    return int(trial.outcome.get("epochs", len(trial.epochs)))


def _rank(trial: TrialRecord, rung: int) -> str:
    verdict = trial.decision(rung)
    return f"{verdict.rank} of {verdict.size}" if verdict else ""
