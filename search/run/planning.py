"""What a command line asks for, as studies to carry out: everything checked that can be before Ray is started."""

import datetime
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from leukmodels import collections
from leukmodels.collections import READERS
from leukmodels.collections.source import open_source
from leukmodels.collections.tasks import TASKS, Task, find_task
from leukmodels.errors import Attempts, ConfigError, DataError, StudyError
from leukmodels.label_issues.listing import read_list
from leukmodels.space import presets
from leukmodels.space.dimensions import Space
from search.cache.store import PixelCache
from search.export.destination import check_out, default_out, refuse_confirmed
from search.run.options import RunOptions
from search.study.config import SearchConfig
from search.study.folder import StudyFolder
from search.study.manifest import Manifest, WarmStart, refuse_existing
from search.study.opened import Study
from search.study.options import find_cache, find_study
from search.study.presets import DEFAULT_PRESET, configure, reconfigure
from search.tracking.tracker import default_uri
from search.tuning.initial_weights import InitialWeights, networks_in, starts_in, starts_of
from search.tuning.warm_start import read_prior

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_TAKEN = frozenset({"synthetic", "mlflow-artifacts", "cache"})  # the storage folder's own


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One study to carry out.

    ``changes`` is what a resumed one was told anew, None for a new study; ``networks`` whether trials may take
    pre-trained networks; ``verify`` whether images that the cache knows are read again.
    """

    folder: StudyFolder
    task: Task
    config: SearchConfig
    changes: Mapping[str, Any] | None
    command: str
    out: Path
    cache: Path
    space: Space
    networks: bool = False
    verify: bool = False
    starts: InitialWeights = field(default_factory=InitialWeights)
    prior: WarmStart | None = None

    @property
    def pixel_cache(self) -> PixelCache:
        """The cache of prepared images."""
        return PixelCache(self.cache, verify=self.verify)

    @property
    def uri(self) -> str:
        """Where MLflow is."""
        return self.config.tracking_uri or default_uri(self.folder.path.parent)


def plans_of(asked: RunOptions, *, command: str) -> list[Plan]:
    """Return the plans of the studies that are asked for; ConfigError where two would have one name or place."""
    storage = asked.storage.expanduser().resolve()
    out = asked.out and asked.out.expanduser().resolve()
    cache = find_cache(asked.cache, storage)
    if asked.resume:
        folder = find_study(asked.resume, storage)
        plan = plan_resume(folder, given=asked.given, out=out, cache=cache, command=command)
        return [replace(plan, verify=asked.verify)]
    tasks = asked.task or tasks_of(asked.given.get("data"))
    several = len(tasks) > 1
    plans = [
        plan_new(
            task,
            storage,
            preset=asked.preset or DEFAULT_PRESET,
            given=asked.given,
            name=f"{asked.name}-{Path(task).stem}" if several and asked.name else asked.name,
            out=out / Path(task).stem if several and out else out,
            cache=cache,
            command=command,
        )
        for task in tasks
    ]
    refuse_collisions(plans)
    return [replace(plan, verify=asked.verify) for plan in plans]


def plan_new(
    task_name: str,
    storage: Path,
    *,
    preset: str,
    given: Mapping[str, Any],
    name: str | None,
    out: Path | None,
    cache: Path,
    command: str,
) -> Plan:
    """Return the plan of a new study."""
    task = find_task(task_name)
    config = configure(preset, {**given, "task": task_name})
    folder = StudyFolder(storage / _checked_name(name, task))
    refuse_existing(folder)
    out = out or default_out(folder, task=task.name, synthetic=config.data is None)
    attempts = Attempts()
    attempts.attempt(lambda: _check_classes(task, config), None)
    attempts.attempt(lambda: refuse_confirmed(out, check_out(out)), None)
    if config.exclude:
        attempts.attempt(partial(read_list, Path(config.exclude)), None)  # before Ray is started
    starts = attempts.attempt(lambda: starts_of(config, storage), InitialWeights())
    space = attempts.attempt(
        lambda: presets.space(config.space, backbones=tuple(starts.weights), base_blocks=starts.blocks),
        Space(dimensions={}, default={}),
    )
    attempts.settle("This study cannot be begun:")
    return Plan(
        folder=folder,
        task=task,
        config=config,
        changes=None,
        command=command,
        out=out,
        cache=cache,
        space=space,
        networks=networks_in(starts.weights),
        starts=starts,
        prior=_prior(config.warm_start, storage, space) if config.warm_start else None,
    )


def plan_resume(folder: StudyFolder, *, given: Mapping[str, Any], out: Path | None, cache: Path, command: str) -> Plan:
    """Return the plan of going on with a study; StudyError where this version would search something else."""
    plan = plan_again(folder, given=given, out=out, cache=cache, command=command)
    check_out(plan.out)
    return plan


def plan_again(
    folder: StudyFolder, *, given: Mapping[str, Any], cache: Path, command: str, out: Path | None = None
) -> Plan:
    """Return the plan of a study that there is, to go on with it or to train its configurations again."""
    study = Study.open(folder)
    manifest = study.manifest
    config, changes = reconfigure(study.config, given)
    if config.exclude:  # what was left out then, wherever the list is now
        config = config.model_copy(update={"exclude": str(folder.excluded)})
    task, space = manifest.task, manifest.space
    if problems := presets.outdated(space):
        raise StudyError(
            f"{folder.name} was begun with a search space that this version does not have; resume it with the version "
            f"that began it, or start a new study. {' '.join(problems)}"
        )
    return Plan(
        folder=folder,
        task=task,
        config=config,
        changes=changes,
        command=command,
        out=out or default_out(folder, task=task.name, synthetic=config.data is None),
        cache=cache,
        space=space,
        networks=networks_in(starts_in(manifest, folder)),
        prior=manifest.prior,
    )


def refuse_collisions(plans: Sequence[Plan]) -> None:
    """Raise ConfigError where two of several studies would have one name or one place to export to."""
    for what, places in (("name", [plan.folder.path for plan in plans]), ("--out", [plan.out for plan in plans])):
        if twice := sorted({str(place) for place in places if places.count(place) > 1}):
            raise ConfigError(
                f"Two of these studies have the same {what}:",
                [f"{place}: name each task once, and give task files different names." for place in twice],
            )


def tasks_of(data: str | None) -> list[str]:
    """Return every built-in task that the given data can answer, in order; DataError where there is none."""
    if data is None:
        return [name for name, task in TASKS.items() if READERS[task.reader].can_be_drawn]
    reasons = []
    source = open_source(data)  # listed once for all readers
    for reader in dict.fromkeys(task.reader for task in TASKS.values()):
        try:
            present = set(collections.read(reader, source).cells["class_name"].to_pylist())
        except DataError as error:
            reasons.append(f"{reader}: {error}")
            continue
        if answered := [name for name, task in TASKS.items() if {*task.disease, *task.control} <= present]:
            return answered
        reasons.append(f"{reader}: only the classes {', '.join(sorted(present))} are here, and no task has just those.")
    raise DataError(f"No built-in task can be answered from {source.root}:", reasons)


def _prior(study: str, storage: Path, space: Space) -> WarmStart:
    """Return what the study named gives; StudyError where it gives nothing, or searched another space."""
    folder = find_study(study, storage)
    if Manifest.read(folder).space != space:
        raise StudyError(
            f"{folder.name} searched another space than this study is to (--space, --base-model, --backbones), so "
            "nothing can be begun with from it."
        )
    return read_prior(folder)


def _checked_name(name: str | None, task: Task) -> str:
    if name is None:
        return f"{task.name}-{datetime.datetime.now():%Y%m%d-%H%M%S}"
    if not _NAME.fullmatch(name) or name in _TAKEN:
        raise ConfigError(
            "This study cannot be named so:",
            [
                f"--name is {name!r}; give letters, digits, '.', '_' and '-', a letter or digit first "
                f"(and none of {', '.join(sorted(_TAKEN))})."
            ],
        )
    return name


def _check_classes(task: Task, config: SearchConfig) -> None:
    """Raise DataError or ConfigError where the data cannot hold the task's classes; opens no image."""
    if config.data:
        task.select(collections.read(task.reader, config.data, task.read_options).cells)
    elif not READERS[task.reader].can_be_drawn:
        raise ConfigError(
            f"Task {task.name} needs images of its own (--data):",
            [f"A cohort is not drawn in the layout of the reader {task.reader!r}."],
        )
