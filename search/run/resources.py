"""What a study runs on: the nodes as they say themselves, room on them, its images where its workers see them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from cluster.session import Session, gpus_per_trial, probe
from leukmodels.collections.source import Source, open_source
from leukmodels.dataset.shards import image_bytes
from leukmodels.errors import StudyError
from leukmodels.synthetic import cohort_bytes, draw_cohort
from leukmodels.training.precision import choose_precision
from search.data import admission, sharing
from search.data.dataset import Dataset, cohort_place, prepare_dataset
from search.data.requirements import ResourceRequirements
from search.study.manifest import Manifest
from search.tuning.tuner import Resources

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cluster.nodes import NodeState
    from search.cache.store import PixelCache
    from search.data.dataset import Dataset
    from search.display.console import Console
    from search.run.planning import Plan
    from search.study.config import SearchConfig
    from search.study.folder import StudyFolder


class StudyResources:
    """What was found to be there for a study; its images are prepared and placed when asked for, once.

    config      the plan's, its arithmetic settled
    resources   of its workers
    """

    def __init__(self, plan: Plan, session: Session, cache: PixelCache, console: Console) -> None:
        """Ask every node what it has; ProblemsError with all that keeps the study from running there."""
        config = plan.config
        self._plan, self._cache, self._console = plan, cache, console
        self._source = open_source(config.data) if config.data else None
        self._cohort = cohort_place(plan.folder.path.parent, config.cells_per_patient)
        gpus = gpus_per_trial(session, config.gpus_per_trial)
        self._demand = demand = ResourceRequirements.of(
            config,
            gpus=gpus,
            storage=plan.folder.path.parent,
            cache=plan.cache,
            networks=plan.networks,
            data=Path(self._source.root) if self._source and self._source.local else None,
            drawn_bytes=0 if self._source or self._cohort.exists() else cohort_bytes(config.cells_per_patient),
        )
        self._states: Sequence[NodeState] = probe(
            session, written=[demand.storage, demand.cache], read=[demand.data] if demand.data else []
        )
        without = [state.name for state in self._states if not state.bfloat16]
        settled = choose_precision(config.precision, without=without, gpus=gpus)
        self.config: SearchConfig = config.model_copy(update={"precision": settled.precision})
        admitted = admission.admit(self._states, demand)
        self.notes = (*admitted.notes, settled.description)
        self.resources = Resources(
            concurrency=admitted.concurrency, cpus=config.cpus_per_trial, gpus=gpus, memory=admitted.trial_bytes
        )

    def prepare_dataset(self) -> Dataset:
        """Return the images accounted for, each of them prepared in the cache; those of a drawn cohort drawn first."""
        config, console = self.config, self._console
        read = False

        def admit(images: int) -> None:
            self._demand = replace(self._demand, prepare_bytes=images * image_bytes(config.image_px))
            admission.admit(self._states, self._demand)

        def progress(done: int, total: int) -> None:
            nonlocal read
            read = True
            console.progress("Reading images", done, total)

        dataset = prepare_dataset(
            self._source or self._drawn_cohort(),
            self._plan.task,
            config,
            self._cache,
            synthetic=config.data is None,
            cores=sum(state.cores for state in self._states),
            admit=admit,
            progress=progress,
        )
        if not read:
            console.say("No image had to be read: all of them are in the cache.")
        for note in dataset.report.notes:
            console.say(note)
        console.say(dataset.report.describe(dataset.terms))
        return dataset

    def place(self, prepared: Dataset) -> sharing.SharedDataset:
        """Return the prepared images where workers read them: in shared memory, or in shards where they do not fit."""
        demand, cache = self._demand, self._cache
        placement = admission.place(
            self._states,
            demand,
            concurrency=self.resources.concurrency,
            pixel_bytes=prepared.pixel_bytes,
            stream_bytes=sharing.missing_stream_bytes(prepared, cache, window=demand.shuffle_window),
        )
        self._console.say(placement.description)
        if placement.streamed:
            return sharing.stream(
                prepared,
                cache,
                window=demand.shuffle_window,
                progress=lambda done, total: self._console.progress("Writing shards", done, total),
            )
        return sharing.share(prepared, cache)

    def _drawn_cohort(self) -> Source:
        console, cells = self._console, self.config.cells_per_patient
        console.say(
            "No --data given: searching on a DRAWN cohort. Its cells are pictures of nobody; no result is medical."
        )
        return open_source(
            draw_cohort(
                self._cohort,
                cells_per_patient=cells,
                progress=lambda done, total: console.progress("Drawing cells", done, total),
            )
        )


def refuse_other_data(folder: StudyFolder, dataset: Dataset) -> None:
    """Raise StudyError where the images are not those that the study was begun with."""
    manifest = Manifest.read(folder)
    before = {"data": manifest.data.fingerprint, "split": manifest.split.fingerprint}
    now = {"data": dataset.fingerprint_like(before["data"]), "split": dataset.split.fingerprint}
    if now != before:
        raise StudyError(
            f"The images in {dataset.report.root} are not those that {folder.name} was begun with "
            f"(fingerprint {now['data'][-12:]}, then {before['data'][-12:]}). Restore them, say where they are "
            "(--data), or start a new study."
        )
