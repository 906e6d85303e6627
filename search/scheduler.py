"""Whom to stop: the first of Ray Tune's parts to see a report, so the one that puts it into the journal.

Tune asks the scheduler before it tells the searcher or any callback, which makes this the place where "written before
acted upon" can hold. Trials run to their own end here (patience inside the trial); nobody is stopped against another.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ray.tune.execution.tune_controller import TuneController
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from search.recorder import Recorder
from search.records import TrialState

if TYPE_CHECKING:
    from collections.abc import Callable


class JournalingScheduler(FIFOScheduler):
    """Runs trials in order and records every report of ``trial.run``; a warm-up has no number, and only fails."""

    def __init__(self, recorder: Recorder) -> None:
        super().__init__()
        self._recorder = recorder
        self.on_warm_up_failure: Callable[[str], None] = lambda reason: None

    def on_trial_result(self, tune_controller: TuneController, trial: Trial, result: dict[str, Any]) -> str:
        """Record one report: an epoch, an outcome or a failure."""
        number = trial.config["number"]
        if number is None:
            if "failure" in result:
                self.on_warm_up_failure(result["failure"])
        elif "outcome" in result:
            self._recorder.trial_finished(number, TrialState.COMPLETE, outcome=json.loads(result["outcome"]))
        elif "failure" in result:
            self._recorder.trial_finished(number, TrialState.FAILED, reason=result["failure"])
        else:
            self._recorder.epoch(number, result["epoch"], json.loads(result["metrics"]))
        return str(TrialScheduler.CONTINUE)

    def on_trial_error(self, tune_controller: TuneController, trial: Trial) -> None:
        """Record the failure of a trial that Tune gives up: its workers were lost, or never came to run it.

        Tune calls this before it tells the searcher, and gives the error to neither; it is in the trial's error file.
        """
        error = Path(trial.error_file).read_text(errors="replace") if trial.error_file else ""
        lines = [line.strip() for line in error.splitlines() if line.strip()]
        cause = lines[-1] if lines else "no reason was given"
        reason = f"its worker was lost, and those that took it over: {cause}\n{error}"
        number = trial.config["number"]
        if number is None:
            self.on_warm_up_failure(reason)
        else:
            self._recorder.trial_finished(number, TrialState.FAILED, reason=reason)
