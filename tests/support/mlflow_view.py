"""Reads back what MLflow holds of a study."""

from typing import Any

from search.study.folder import StudyFolder
from search.tracking.ledger import find_runs
from search.tracking.store import connect
from studies import stored


def runs_of(folder: StudyFolder, uri: str) -> tuple[Any, dict[int, Any]]:
    """Return the study's run and the run of each trial, of which there must be one each."""
    client = connect(uri)
    experiment = client.get_experiment_by_name("leukemia-search/runx1").experiment_id
    parents, children = find_runs(client, [experiment], stored(folder)["study_id"])
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
