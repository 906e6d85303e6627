"""What a Ray worker runs: one configuration, reported epoch by epoch, then its outcome.

Not in run.py, where it would be pickled as ``__main__``. Tune flattens nested reports, so metrics and outcomes travel
as JSON strings.
"""

import hashlib
import json
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ray import tune

from leukmodels.cells import TrainingData
from leukmodels.errors import StudyError
from search.folder import StudyFolder


@dataclass(frozen=True, kw_only=True)
class TrialPlan:
    """What every trial of a study shares: its folder, epochs, seed, split and resources."""

    study: StudyFolder
    epochs: int
    patience: int
    seed: int
    split_fingerprint: str
    cpus: int
    gpus: float


class Experiment(Protocol):
    """One configuration in, its outcome as JSON-able values out."""

    def __call__(
        self,
        params: dict[str, Any],
        data: TrainingData,
        *,
        plan: TrialPlan,
        seed: int,
        folder: Path,
        report: Callable[[int, dict[str, float]], None],
    ) -> dict[str, Any]:
        """Train ``params`` in ``folder``, calling ``report(epoch, metrics)`` after each epoch, from where it stood."""


def run_trial(config: dict[str, Any], *, data: TrainingData, plan: TrialPlan, experiment: Experiment) -> None:
    """Run the trial that ``config`` names; an error of its own is its outcome and is not tried again."""
    number = config["number"]
    folder = plan.study.trial(number)
    try:
        outcome = experiment(
            config["params"], data, plan=plan, seed=trial_seed(plan.seed, number), folder=folder, report=_report_epoch
        )
    except Exception as error:
        tune.report({"failure": f"{type(error).__name__}: {error}\n{traceback.format_exc(limit=-4)}"})
    else:
        tune.report({"outcome": json.dumps(outcome)})


def train_keras(
    params: dict[str, Any],
    data: TrainingData,
    *,
    plan: TrialPlan,
    seed: int,
    folder: Path,
    report: Callable[[int, dict[str, float]], None],
) -> dict[str, Any]:
    """Train the Keras model of ``params``: the experiment of every real study."""
    if data.split_fingerprint != plan.split_fingerprint:
        raise StudyError("The cells at hand were split otherwise than the study says, so test patients may be in them.")
    # TensorFlow must come after the threads are set, and never into the driver through this module.
    from leukmodels import runtime

    runtime.start(threads=plan.cpus, gpus=plan.gpus)
    from leukmodels.experiment import run
    from leukmodels.hparams import HyperParams
    from leukmodels.training import Budget

    budget = Budget(epochs=plan.epochs, patience=plan.patience)
    outcome = run(HyperParams.from_dict(params), data, budget=budget, seed=seed, folder=folder, report=report)
    return outcome.to_dict()


def trial_seed(seed: int, number: int) -> int:
    """Return the seed of trial ``number``: the same however often and wherever the trial is run."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{number}".encode()).digest()[:4], "big") >> 1


def _report_epoch(epoch: int, metrics: dict[str, float]) -> None:
    tune.report({"epoch": epoch, "metrics": json.dumps(metrics)})
