"""Reads back what MLflow holds of a study: its runs, and a ledger of its trials to compare with the journal."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from search.tracking.store import connect, sqlite_path


@dataclass(frozen=True, kw_only=True)
class LedgerEntry:
    """What MLflow holds of one trial: restored-best ``metrics``, those of its ``last`` epoch, hyperparameters as text.

    ``runs`` is 1 unless something went wrong.
    """

    run_id: str
    status: str
    epochs: int
    metrics: Mapping[str, float]
    last: Mapping[str, float]
    params: Mapping[str, str]
    runs: int


def ledger(uri: str, study_id: str) -> dict[int, LedgerEntry]:
    """Return what the store at ``uri`` holds of each trial: see ``LedgerEntry``."""
    if (database := sqlite_path(uri)) and not database.exists():
        return {}
    client = connect(uri)
    experiments = [experiment.experiment_id for experiment in pages(client.search_experiments)]
    _, children = find_runs(client, experiments, study_id)
    return {number: _entry(client, runs) for number, runs in sorted(children.items())}


def _entry(client: Any, runs: Sequence[Any]) -> LedgerEntry:
    data, info = runs[0].data, runs[0].info
    per_epoch = next((key for key in sorted(data.metrics) if "." not in key), None)
    return LedgerEntry(
        run_id=info.run_id,
        status=info.status,
        epochs=len(client.get_metric_history(info.run_id, per_epoch)) if per_epoch else 0,
        metrics={key.removeprefix("best."): value for key, value in data.metrics.items() if key.startswith("best.")},
        last={key: value for key, value in data.metrics.items() if "." not in key},
        params=data.params,
        runs=len(runs),
    )


def find_runs(client: Any, experiments: Sequence[str], study_id: str) -> tuple[list[Any], dict[int, list[Any]]]:
    """Return the study's parent runs and the runs of each trial, the fullest first."""
    runs = list(pages(client.search_runs, experiment_ids=experiments, filter_string=f"tags.study_id = '{study_id}'"))
    runs.sort(key=lambda run: (-len(run.data.params) - len(run.data.metrics), run.info.run_id))
    children: dict[int, list[Any]] = defaultdict(list)
    for run in runs:
        if "trial" in run.data.tags:
            children[int(run.data.tags["trial"])].append(run)
    return [run for run in runs if "trial" not in run.data.tags], children


def pages(search: Callable[..., Any], **query: Any) -> Iterator[Any]:
    """Yield all that a paged ``search`` of the client finds."""
    token = None
    while True:
        page = search(max_results=1000, page_token=token, **query)
        yield from page
        token = page.token
        if not token:
            return
