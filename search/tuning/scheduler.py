"""Whom to stop: the first of Ray Tune's parts to see a report, so the one that puts it into the journal.

Tune asks the scheduler before it tells the searcher or any callback, which makes this the place where "written before
acted upon" can hold. Tune's own schedulers know one metric; who is stopped here follows from ``successive_halving``.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ray.tune.execution.tune_controller import TuneController
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from leukmodels.errors import StudyError
from search.study.recorder import Recorder
from search.study.records import DEFAULT, TrialState
from search.tuning.faults import Faults, Watch
from search.tuning.successive_halving import RungTable

if TYPE_CHECKING:
    from collections.abc import Callable


class JournalingScheduler(FIFOScheduler):
    """Records every report of ``trial.run`` and stops whom the rungs stop; a warm-up has no number, and only fails.

    ``faults`` and ``watch`` hear of all that workers say (None: in a replay, where none of them is a machine's);
    ``on_hopeless`` is told where it is no use to go on.
    """

    def __init__(
        self, recorder: Recorder, rungs: RungTable, faults: Faults | None = None, watch: Watch | None = None
    ) -> None:
        super().__init__()
        self._recorder, self._rungs = recorder, rungs
        self._faults = faults or Faults(nodes=lambda: ())
        self._watch = watch or Watch(kill=lambda node, pid: None)
        self.on_warm_up_failure: Callable[[str], None] = lambda reason: None
        self.on_hopeless: Callable[[Exception], None] = lambda error: None

    def on_trial_add(self, tune_controller: TuneController, trial: Trial) -> None:
        """Keep a new trial off the nodes that are left alone."""
        super().on_trial_add(tune_controller, trial)
        self.keep_off(trial)

    def keep_off(self, trial: Trial) -> None:
        """Have a trial that does not run ask for any node but those that are left alone."""
        if self._faults.avoided and trial.placement_group_factory:
            trial.update_resources(self._faults.resources(trial.placement_group_factory))

    def on_trial_result(self, tune_controller: TuneController, trial: Trial, result: dict[str, Any]) -> str:
        """Record one report: an epoch, an outcome or a failure."""
        number = trial.config["number"]
        if number is None:
            if "failure" in result:
                self.on_warm_up_failure(result["failure"])
        elif "began" in result:
            self._watch.began(number, result["node"], result["began"])
        elif "fault" in result:
            self._fault(trial, result["node"], result["fault"])
        elif "outcome" in result:
            self._watch.ended(number)
            outcome = json.loads(result["outcome"])
            self._rungs.add(self._recorder.trial_finished(number, TrialState.COMPLETE, outcome=outcome))
        elif "failure" in result:
            self._watch.ended(number)
            self._recorder.trial_finished(number, TrialState.FAILED, reason=result["failure"])
        else:
            self._watch.epoch(number)
            self._faults.report(result.get("node", ""))
            self._recorder.epoch(number, result["epoch"], json.loads(result["metrics"]))
            if self._stops(number, result["epoch"]):
                self._watch.ended(number)
                return str(TrialScheduler.STOP)
        return str(TrialScheduler.CONTINUE)

    def _fault(self, trial: Trial, node: str, reason: str) -> None:
        """Let a trial that met a fault of the machine begin again; it is none of the lost workers that it may have."""
        self._watch.ended(trial.config["number"])
        trial.max_failures += 1
        try:
            if self._faults.add(node, reason):
                self._recorder.node_left_alone(node, reason)
        except StudyError as error:
            self.on_hopeless(error)

    def _stops(self, number: int, epoch: int) -> bool:
        """Judge a trial that has come to a rung, once; a resumed one reports epochs again that were judged before."""
        trial = self._recorder.record.trials[number]
        if epoch not in self._rungs.ladder.rungs or trial.state is not TrialState.RUNNING:
            return False
        if trial.source == DEFAULT:  # what others are measured by, and two tasks by one another (see warm_start)
            self._rungs.add(trial)
            return False
        verdict = trial.decision(epoch)
        if verdict is None:
            self._rungs.add(trial)
            verdict = self._rungs.decide(number, epoch)
            self._recorder.rung(number, verdict)
        if verdict.stops:
            self._recorder.trial_finished(number, TrialState.STOPPED, reason=verdict.describe())
        return verdict.stops

    def on_trial_error(self, tune_controller: TuneController, trial: Trial) -> None:
        """Record the failure of a trial that Tune gives up: its workers were lost, or never came to run it.

        Tune calls this also for a trial that it is about to start again on another worker. It calls it before it tells
        the searcher, and gives the error to neither; it is in the trial's error file.
        """
        self._watch.ended(trial.config["number"])
        if trial.should_recover():
            return
        error = Path(trial.error_file).read_text(errors="replace") if trial.error_file else ""
        lines = [line.strip() for line in error.splitlines() if line.strip()]
        cause = lines[-1] if lines else "no reason was given"
        reason = f"its worker was lost, and those that took it over: {cause}\n{error}"
        number = trial.config["number"]
        if number is None:
            self.on_warm_up_failure(reason)
        else:
            self._recorder.trial_finished(number, TrialState.FAILED, reason=reason)
