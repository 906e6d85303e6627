"""Numbers and trials in words, the same in every command, log line and table."""

from collections.abc import Mapping
from typing import Any

from leukmodels.evaluation.costs import COSTS
from leukmodels.process.progress import duration
from leukmodels.process.words import plural
from leukmodels.space.hyperparameters import defaults
from search.study.front import ParetoFront
from search.study.records import TrialRecord, TrialState

# Beside every result of a drawn cohort.
SYNTHETIC = "SYNTHETIC DATA: the cells were drawn by a program; nothing here says anything about leukemia."
# What is shown of a trial besides its number: never recall and accuracy alone, which "everything is leukemia" wins.
SHOWN_METRICS = ("recall", "accuracy", "specificity", "f1")
METRIC_NAMES = {
    "f1": "F1",
    "auroc": "AUROC",
    **{name: cost.label for name, cost in COSTS.items()},
    "recall_low": "recall, lower bound",
    "specificity_low": "specificity, lower bound",
}
_DIGITS = {name: cost.digits for name, cost in COSTS.items()}


def metric_name(metric: str) -> str:
    """Return what a reader calls ``metric``."""
    return METRIC_NAMES.get(metric, metric.replace("_", " "))


def number(value: object, digits: int = 3) -> str:
    """Return ``value`` with ``digits`` decimals, or a dash where there is no number."""
    return f"{value:.{digits}f}" if isinstance(value, int | float) else "-"


def measured(metrics: Mapping[str, Any], name: str) -> str:
    """Return a metric with the decimals that suit it, or a dash."""
    value = metrics.get(name)
    return f"{value:,.{_DIGITS.get(name, 3)}f}" if isinstance(value, int | float) else "-"


def differences(params: Mapping[str, Any]) -> str:
    """Return in what ``params`` differ from the default configuration, in order of declaration."""
    usual = defaults()
    differing = [f"{name} {_short(value)}" for name, value in params.items() if usual.get(name) != value]
    return ", ".join(differing) or "the default"


def metric_words(metrics: Mapping[str, Any], *, digits: int = 2) -> str:
    """Return what must be known together: recall, accuracy and specificity."""
    return ", ".join(f"{name} {number(metrics.get(name), digits)}" for name in ("recall", "accuracy", "specificity"))


def trial_words(trial: TrialRecord, front: ParetoFront) -> str:
    """Return in one clause how a trial ended."""
    if trial.state is not TrialState.COMPLETE:
        cause = trial.reason.partition("\n")[0]  # the traceback below it is for the journal
        reason = f": {cause}" if cause else ""
        return f"trial {trial.number} {trial.state} after {plural(len(trial.epochs), 'epoch')}{reason}"
    epochs = trial.outcome.get("epochs", len(trial.epochs))
    best = trial.outcome.get("best_epoch")
    when = f"epoch {best} of {epochs}" if best else plural(epochs, "epoch")
    took = trial.outcome.get("seconds")
    if took is None and trial.finished is not None:
        took = trial.finished - trial.started
    effort = f"{when}, {duration(took)}" if took is not None else when
    return f"trial {trial.number} complete: {metric_words(trial.metrics)} ({effort}), {place(trial, front)}"


def place(trial: TrialRecord, front: ParetoFront) -> str:
    """Return where a complete trial stands."""
    if any(member.number == trial.number for member in front.trials):
        return "on the front"
    if any(other.number == trial.number for other in front.infeasible):
        return "beyond a bound"
    return "behind the front"


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
