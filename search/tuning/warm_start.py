"""What another study found out, for a search on another leukemia to begin with.

Its front is tried first: what is good for one leukemia is rarely bad for the next. Its best trials are given to TPE as
well, once the default has ended here: two tasks are not equally hard, so their values are moved by what the default
differs between them, the one configuration that both have tried. They are few: TPE takes a tenth of all trials for good
ones, theirs among them as long as nothing here is better. (Optuna's genetic samplers count trials of their own
generations only.)
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from leukmodels.dataset.split import Split
from leukmodels.errors import StudyError
from search.selection.front import stand
from search.selection.nondominated import best_first, spread
from search.study import journal
from search.study.folder import StudyFolder
from search.study.objectives import COSTS, Aims
from search.study.records import DEFAULT, TrialState, fold

TRIED = 5  # of the other front, spread over it
LEARNT = 25


@dataclass(frozen=True, kw_only=True)
class Prior:
    """What is taken from the other study, JSON-able.

    study, task   its names
    front         configurations to try first
    params, metrics      of its best trials
    default       metrics of its default configuration, empty where that was not complete
    """

    study: str
    task: str
    front: Sequence[Mapping[str, Any]]
    params: Sequence[Mapping[str, Any]]
    metrics: Sequence[Mapping[str, float]]
    default: Mapping[str, float]

    def to_dict(self) -> dict[str, Any]:
        """Return it as ``study.json`` keeps it."""
        return asdict(self)

    def words(self, sampler: str) -> str:
        """Return what is done with it, in a sentence."""
        learnt = len(self.params) if self.default and sampler == "tpe" else 0
        return (
            f"Warm start from {self.study} ({self.task}): {len(self.front)} of its front are tried first, and the "
            f"sampler learns from {learnt} of its trials."
        )

    def moved(self, default: Mapping[str, float], aims: Aims) -> list[tuple[Mapping[str, Any], dict[str, float]]]:
        """Return params and metrics of each trial as they would be here, where the default has these metrics."""
        if not self.default:
            return []
        names = {*aims.objectives, *aims.violations(default)} - {*COSTS}
        names |= {f"{name}_low" for name in names if f"{name}_low" in default}
        apart = {name: default[name] - self.default[name] for name in names}
        times = {name: default[name] / self.default[name] for name in COSTS}  # other machines, other images
        return [
            (
                params,
                {
                    **metrics,
                    **{name: float(np.clip(metrics[name] + by, 0, 1)) for name, by in apart.items()},
                    **{name: metrics[name] * by for name, by in times.items()},
                },
            )
            for params, metrics in zip(self.params, self.metrics, strict=True)
        ]


def refuse_known_test(folder: StudyFolder, split: Split) -> None:
    """Raise StudyError where patients that a study was developed on are to test one that begins with what it found."""
    other = Split.load(folder.split)
    developed = {*other.patients("train"), *other.patients("validation")}
    if known := sorted(developed & {*split.patients("test")}):
        raise StudyError(
            f"{folder.name} chose its best trials on patients who are to test this study ({len(known)}: "
            f"{', '.join(known[:3])}{', ...' if len(known) > 3 else ''}), so nothing of it may be begun with here. "
            "Split both alike (--split-seed)."
        )


def read_prior(folder: StudyFolder) -> Prior:
    """Return what a study has to give to a search of the same space; StudyError where nothing."""
    manifest = folder.read_manifest()
    record, aims = fold(journal.read(folder.journal)), Aims(**manifest["aims"])
    front = stand(record, aims).front
    if not front:
        raise StudyError(f"{folder.name} has no front to begin with: none of its trials is complete and within bounds.")
    chosen = spread(np.array([aims.losses(trial.metrics) for trial in front]))[:TRIED]
    complete = record.by_state(TrialState.COMPLETE)
    default = next((trial.metrics for trial in complete if trial.source == DEFAULT), {})
    others = [trial for trial in complete if trial.source != DEFAULT]
    losses = np.array([aims.losses(trial.metrics) for trial in others]).reshape(-1, len(aims.objectives))
    best = best_first(losses, [aims.violation(trial.metrics) for trial in others])[:LEARNT]
    return Prior(
        study=folder.name,
        task=manifest["task"]["name"],
        front=[dict(front[row].params) for row in chosen if front[row].source != DEFAULT],
        params=[dict(others[row].params) for row in best],
        metrics=[dict(others[row].metrics) for row in best],
        default=dict(default),
    )
