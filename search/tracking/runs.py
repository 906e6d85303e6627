"""A study's runs in MLflow: a parent for the study, a child for each trial, brought up to date from the journal.

Telling is idempotent, so whoever is unsure how far it got tells again: runs are found by their tags, parameters never
change, a metric point of the same time, step and value is kept once, and tags are compared before they are written.

    child    params; each epoch's metrics; best.* (the restored-best metrics) and outcome.* once complete;
             confirmed.* over the retrainings, test.* over the openings of the test
             tags trial, study_id, task, data, source, reason; pareto and feasible once complete
    parent   what was asked, on which data; hypervolume and trials.<state> over the number of finished trials;
             tag test_openings
"""

import json
import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from search.study.front import extended, pareto_front
from search.study.journal import Event
from search.study.manifest import Manifest
from search.study.portable import portable, without_folders, without_paths
from search.study.records import StudyRecord, TrialRecord, TrialState
from search.tracking.ledger import find_runs

METRICS_A_BATCH = 800  # a batch may hold 1000 metrics, params and tags altogether
FRONT_TABLE = "front.json"

# What of study.json the parent shows as its parameters.
_ASKED = {"task", "config", "objectives", "aims", "seed", "data", "split", "starts", "versions"}
TRIAL_STATUS = {TrialState.COMPLETE: "FINISHED", TrialState.STOPPED: "KILLED", TrialState.FAILED: "FAILED"}
_STUDY_STATUS = {"study_finished": "FINISHED", "study_interrupted": "KILLED", "study_resumed": "RUNNING"}


@dataclass(kw_only=True)
class _Run:
    """A run and what it is known to hold."""

    run_id: str
    status: str
    params: dict[str, Any]
    tags: dict[str, str]


class StudyRuns:
    """The runs of one study, and the fold of the journal as far as they were told."""

    def __init__(self, client: Any, manifest: Manifest, artifacts: str | None) -> None:
        """Find the study's runs, or create the parent.

        ``artifacts`` is where a new experiment keeps its files; None leaves that to the server.
        """
        self.client = client
        self.record = StudyRecord()
        self._manifest = manifest
        self._objectives = manifest.aims
        self._status = ("RUNNING", 0.0)
        self._finished: Counter[str] = Counter()
        self._openings = 0
        self._front = pareto_front(StudyRecord(), self._objectives)
        self._shown: list[int] | None = None
        self.experiment_id = _experiment(client, f"leukemia-search/{manifest.task.name}", artifacts)
        parents, children = find_runs(client, [self.experiment_id], manifest.study_id)
        self.parent = _keep_one(client, parents) if parents else self._create_parent()
        self._log(self.parent, params=_flat(_asked(manifest)))
        self.children = {number: _keep_one(client, runs) for number, runs in children.items()}

    def skip(self, events: Sequence[Event]) -> None:
        """Take ``events`` that MLflow knows already."""
        self._fold(events)

    def tell(self, events: Sequence[Event]) -> None:
        """Take ``events`` and write what follows from them."""
        progress = self._fold(events)
        tags = self._tags()
        by_trial: dict[int, list[Event]] = defaultdict(list)
        for event in events:
            if "trial" in event:
                by_trial[event["trial"]].append(event)
        for number, of_trial in sorted(by_trial.items()):
            self._tell_trial(self.record.trials[number], of_trial, tags.get(number, {}))
        for number, wanted in tags.items():
            self._log(self.children[number], tags=wanted)
        openings = {"test_openings": str(self._openings)} if self._openings else {}
        self._log(self.parent, metrics=progress, tags=openings)
        status, changed = self._status
        if status != self.parent.status:
            self._set_status(self.parent, status, changed)

    def front(self) -> tuple[TrialRecord, ...]:
        """Return the front as far as it was told."""
        return pareto_front(self.record, self._objectives).trials

    def show_front(self) -> None:
        """Write the front as a table beside the parent if it changed."""
        members = self.front()
        numbers = [trial.number for trial in members]
        if numbers == self._shown:
            return
        rows = [{"trial": trial.number, **trial.metrics, **trial.params} for trial in members]
        columns = list(dict.fromkeys(key for row in rows for key in row))
        table = {"columns": columns, "data": [[row.get(column) for column in columns] for row in rows]}
        self.client.log_text(self.parent.run_id, json.dumps(table), FRONT_TABLE)
        # The tag makes MLflow's pages show the file as a table.
        self._log(self.parent, tags={"mlflow.loggedArtifacts": json.dumps([{"path": FRONT_TABLE, "type": "table"}])})
        self._shown = numbers

    def _fold(self, events: Sequence[Event]) -> list[Any]:
        """Apply ``events``; return the parent's metric points that they make."""
        points = []
        for event in events:
            self.record.apply(event)
            if event["event"] == "trial_finished":
                state = event["state"]
                self._finished[state] += 1
                values = {f"trials.{state}": self._finished[state], "hypervolume": self._hypervolume(event["trial"])}
                points += _points(values, event["time"], step=self._finished.total())
            elif event["event"] == "test_opened":
                self._openings += 1
            elif event["event"] in _STUDY_STATUS:
                self._status = (_STUDY_STATUS[event["event"]], event["time"])
        return points

    def _hypervolume(self, number: int) -> float:
        """Return the volume once trial ``number`` has ended; kept from trial to trial, so a study costs O(trials)."""
        self._front = extended(self._front, [self.record.trials[number]], self._objectives)
        return self._front.hypervolume

    def _tags(self) -> dict[int, dict[str, str]]:
        """Return the tags of the complete trials as the front stands now."""
        now = pareto_front(self.record, self._objectives)
        return {
            **{trial.number: {"feasible": "true", "pareto": "true"} for trial in now.trials},
            **{trial.number: {"feasible": "true", "pareto": "false"} for trial in now.dominated},
            **{trial.number: {"feasible": "false", "pareto": "false"} for trial in now.infeasible},
        }

    def _tell_trial(self, trial: TrialRecord, events: Sequence[Event], tags: Mapping[str, str]) -> None:
        if trial.reason:
            tags = {**tags, "reason": without_paths(trial.reason)}
        if trial.number not in self.children:
            self.children[trial.number] = self._create_child(trial, tags)
        child = self.children[trial.number]
        metrics = [point for event in events for point in _event_points(event)]
        started = any(event["event"] == "trial_started" for event in events)
        self._log(child, metrics=metrics, params=trial.params if started else {}, tags=tags)
        if trial.finished is not None and child.status != TRIAL_STATUS[trial.state]:
            self._set_status(child, TRIAL_STATUS[trial.state], trial.finished)

    def _create_parent(self) -> _Run:
        created = datetime.fromisoformat(self._manifest.created).timestamp()
        return self._create(self._manifest.name, created, {"mlflow.source.name": portable(self._manifest.command)})

    def _create_child(self, trial: TrialRecord, tags: Mapping[str, str]) -> _Run:
        own = {"mlflow.parentRunId": self.parent.run_id, "trial": str(trial.number), "source": trial.source}
        return self._create(f"trial {trial.number}", trial.started, {**own, **tags})

    def _create(self, name: str, started: float, tags: Mapping[str, str]) -> _Run:
        """Create a run with its tags in one call: a crash leaves it findable or not there."""
        common = {
            "study_id": self._manifest.study_id,
            "task": self._manifest.task.name,
            "data": "synthetic" if self._manifest.data.synthetic else "real",
        }
        run = self.client.create_run(
            self.experiment_id, start_time=_ms(started), run_name=name, tags={**common, **tags}
        )
        return _known(run)

    def _log(
        self,
        run: _Run,
        *,
        metrics: Sequence[Any] = (),
        params: Mapping[str, Any] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Write what ``run`` does not hold yet, in as few calls as the store's limits allow."""
        from mlflow.entities import Param, RunTag

        new_params = {key: value for key, value in (params or {}).items() if key not in run.params}
        new_tags = {key: value for key, value in (tags or {}).items() if run.tags.get(key) != value}
        rest = {
            "params": [Param(key, as_param(value)) for key, value in new_params.items()],
            "tags": [RunTag(key, value) for key, value in new_tags.items()],
        }
        for first in range(0, max(len(metrics), 1), METRICS_A_BATCH):
            batch = metrics[first : first + METRICS_A_BATCH]
            if batch or any(rest.values()):
                self.client.log_batch(run.run_id, metrics=batch, **rest)
            rest = {}
        run.params.update(new_params)
        run.tags.update(new_tags)

    def _set_status(self, run: _Run, status: str, changed: float) -> None:
        if status == "RUNNING":
            self.client.update_run(run.run_id, status=status)
        else:
            self.client.set_terminated(run.run_id, status=status, end_time=_ms(changed))
        run.status = status


def _asked(manifest: Manifest) -> dict[str, Any]:
    """Return what the parent shows of ``study.json``: no folder of a machine, no sentence that may name a patient."""
    asked = manifest.model_dump(mode="json", include=_ASKED, exclude_unset=True)
    asked["data"].pop("notes", None)
    told: dict[str, Any] = without_folders(asked)
    return told


def as_param(value: Any) -> str:
    """Return a parameter as MLflow keeps it: as text."""
    return value if isinstance(value, str) else json.dumps(value)


def _experiment(client: Any, name: str, artifacts: str | None) -> str:
    from mlflow.exceptions import MlflowException

    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        try:
            return str(client.create_experiment(name, artifact_location=artifacts))
        except MlflowException:  # another study's follower was quicker, unless it is still not there
            experiment = client.get_experiment_by_name(name)
            if experiment is None:
                raise
    return str(experiment.experiment_id)


def _keep_one(client: Any, runs: Sequence[Any]) -> _Run:
    """Return the fullest of ``runs`` and delete the others.

    A server that dies after it created a run but before it answered makes the follower create it again.
    """
    for double in runs[1:]:
        client.delete_run(double.info.run_id)
    return _known(runs[0])


def _known(run: Any) -> _Run:
    return _Run(run_id=run.info.run_id, status=run.info.status, tags=dict(run.data.tags), params=dict(run.data.params))


def _flat(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested mappings as one, keys joined by dots."""
    flat: dict[str, Any] = {}
    for key, item in value.items():
        flat |= _flat(item, f"{prefix}{key}.") if isinstance(item, Mapping) else {f"{prefix}{key}": item}
    return flat


def _event_points(event: Event) -> list[Any]:
    """Return the metric points of a trial's event."""
    match event["event"]:
        case "epoch":
            return _points(event["metrics"], event["time"], step=event["epoch"])
        case "trial_finished" if outcome := event.get("outcome"):
            best = {f"best.{key}": value for key, value in outcome.get("metrics", {}).items()}
            rest = {f"outcome.{key}": value for key, value in outcome.items() if key != "metrics"}
            return _points({**best, **rest}, event["time"], step=outcome.get("best_epoch", 0))
        case "retrained":
            split = "split_by_image" if event["by_image"] else "confirmed"
            again = {f"{split}.{key}": value for key, value in event["metrics"].items()}
            return _points(again, event["time"], step=event["seed"] * event["folds"] + event["fold"])
        case "tested":
            reached = {f"test.{key}": value for key, value in event["metrics"].items()}
            return _points(reached, event["time"], step=event["opening"])
    return []


def _points(values: Mapping[str, Any], time_s: float, *, step: int) -> list[Any]:
    """Return metric points; the journal's null is a number that was none, and is drawn as such."""
    from mlflow.entities import Metric

    return [
        Metric(key, math.nan if value is None else float(value), _ms(time_s), step)
        for key, value in values.items()
        if value is None or isinstance(value, int | float)
    ]


def _ms(time_s: float) -> int:
    return round(time_s * 1000)
