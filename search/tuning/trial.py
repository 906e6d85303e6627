"""What a Ray worker runs: one configuration, reported epoch by epoch, then its outcome.

Not in a module that is run, where it would be pickled as ``__main__``. Tune flattens nested reports, so metrics and
outcomes travel as JSON strings.
"""

import gc
import hashlib
import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import ray
from ray import tune

from leukmodels.errors import StudyError
from leukmodels.space.hyperparameters import HyperParams
from leukmodels.training.outcome import read_outcome
from search.data.sharing import SharedDataset
from search.study.config import SearchConfig
from search.study.folder import StudyFolder
from search.study.manifest import Manifest
from search.tuning.faults import PAUSE_S, is_fault_of_the_machine
from search.tuning.initial_weights import starts_in

Report = Callable[[int, dict[str, float]], None]


@dataclass(frozen=True, kw_only=True)
class TrialPlan:
    """What every trial of a study shares: its folder, epochs, seed, resources and arithmetic."""

    study: StudyFolder
    epochs: int
    patience: int
    seed: int
    cpus: int
    gpus: float
    precision: Literal["float32", "bfloat16"]
    deterministic: bool

    @classmethod
    def of(cls, study: StudyFolder, config: SearchConfig, *, cpus: int, gpus: float) -> "TrialPlan":
        """Return what the trials of a study with these options share, each with so many CPUs and GPUs."""
        return cls(
            study=study,
            epochs=config.epochs,
            patience=config.patience_in_epochs(),
            seed=config.seed,
            cpus=cpus,
            gpus=gpus,
            precision="float32" if config.precision == "auto" else config.precision,
            deterministic=config.deterministic,
        )


class Experiment(Protocol):
    """One configuration in, its outcome as JSON-able values out."""

    def warm_up(self, plan: TrialPlan) -> None:
        """Make this worker ready for trials, while the images are still being prepared."""

    def train(
        self,
        params: dict[str, Any],
        data: SharedDataset | None,
        *,
        plan: TrialPlan,
        seed: int,
        folder: Path,
        report: Report,
    ) -> dict[str, Any]:
        """Train ``params`` in ``folder``, calling ``report(epoch, metrics)`` after each epoch, from where it stood."""

    def finished(self, params: dict[str, Any], *, plan: TrialPlan, seed: int, folder: Path) -> Mapping[str, Any] | None:
        """Return the outcome that stands in ``folder`` already, None where there is none; called by the driver."""


def run(config: dict[str, Any], *, plan: TrialPlan, experiment: Experiment) -> None:
    """Run the trial or warm-up that ``config`` names; an error of its own is its outcome and is not tried again.

    A fault of the machine is none: it is told and raised, so that Tune begins the trial again, elsewhere perhaps.
    """
    number = config["number"]
    try:
        if number is None:
            experiment.warm_up(plan)
            tune.report({"warm": True})
            return
        tune.report({"began": os.getpid(), "node": _node()})
        outcome = experiment.train(
            config["params"],
            ray.get(config["data"]),
            plan=plan,
            seed=trial_seed(plan.seed, number),
            folder=plan.study.trial(number),
            report=_report_epoch,
        )
    except Exception as error:
        told = f"{type(error).__name__}: {error}\n{traceback.format_exc(limit=-4)}"
        if number is None or not is_fault_of_the_machine(error):
            tune.report({"failure": told})
            return
        tune.report({"fault": told, "node": _node()})
        time.sleep(PAUSE_S)
        raise
    else:
        tune.report({"outcome": json.dumps(outcome)})


class KerasExperiment:
    """Trains Keras models: the experiment of every real study."""

    def warm_up(self, plan: TrialPlan) -> None:
        """Import TensorFlow, unless this worker has; RuntimeError where a GPU was given and it sees none."""
        if "leukmodels.training.experiment" in sys.modules:
            return
        # TensorFlow must come after the threads are set, and never into the driver through this module.
        from leukmodels.process import tensorflow_runtime

        tensorflow_runtime.start(threads=plan.cpus, gpus=plan.gpus, deterministic=plan.deterministic)
        import leukmodels.training.experiment  # noqa: F401

        # What was imported stays: no collection between trials has to walk through it again, .2 s each.
        gc.collect()
        gc.freeze()

    def train(
        self,
        params: dict[str, Any],
        data: SharedDataset | None,
        *,
        plan: TrialPlan,
        seed: int,
        folder: Path,
        report: Report,
    ) -> dict[str, Any]:
        """Train the Keras model of ``params``."""
        self.warm_up(plan)  # this worker may have taken the place of one that was lost
        from leukmodels.training.experiment import run as run_experiment
        from leukmodels.training.training_loop import Budget

        assert data is not None
        cells = data.open()
        manifest = Manifest.read(plan.study)
        if cells.split_fingerprint != manifest.split.fingerprint:
            raise StudyError(
                "The cells at hand were split otherwise than the study says, so cells of the test may be in them."
            )
        budget = Budget(epochs=plan.epochs, patience=plan.patience)
        outcome = run_experiment(
            HyperParams.from_dict(params),
            cells,
            budget=budget,
            seed=seed,
            folder=folder,
            report=report,
            weights=starts_in(manifest, plan.study),
            precision=plan.precision,
        )
        return outcome.to_dict()

    def finished(self, params: dict[str, Any], *, plan: TrialPlan, seed: int, folder: Path) -> Mapping[str, Any] | None:
        """Return what ``outcome.json`` says of a model of ``params``."""
        identity = {
            "hparams": HyperParams.from_dict(params).to_dict(),
            "seed": seed,
            "split": Manifest.read(plan.study).split.fingerprint,
            "precision": plan.precision,
        }
        found = read_outcome(folder, identity)
        return found.to_dict() if found else None


def trial_seed(seed: int, which: int | str) -> int:
    """Return the seed of a trial's number, or of another training: the same however often and wherever it is run."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{which}".encode()).digest()[:4], "big") >> 1


def _report_epoch(epoch: int, metrics: dict[str, float]) -> None:
    tune.report({"epoch": epoch, "metrics": json.dumps(metrics), "node": _node()})


def _node() -> str:
    return str(ray.get_runtime_context().get_node_id())
