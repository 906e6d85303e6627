"""Confirmations of studies on real folders of images, with models that take no training."""

import hashlib
import sys
from pathlib import Path

import numpy as np
from ray import cloudpickle

import studies
from folders import draw_folder
from leukmodels.collections.source import open_source
from leukmodels.collections.tasks import find_task
from leukmodels.dataset.cells import join
from leukmodels.evaluation.metrics import score
from leukmodels.training.scoring import write_scores
from search.cache.store import PixelCache
from search.confirm.confirmation import confirm
from search.confirm.options import ConfirmOptions
from search.confirm.retraining import Answer
from search.data.dataset import prepare_dataset
from search.data.sharing import share
from search.run.planning import plan_again
from search.study import journal, manifest
from search.study.folder import StudyFolder
from search.tuning.initial_weights import InitialWeights

cloudpickle.register_pickle_by_value(sys.modules[__name__])

PX = 16
ASKED = ConfirmOptions(study="study", members=2, folds=3, seeds=2, choose=1)


class Toys:
    """Models that answer by a hash of the image's name; they write down what they are shown, and die when told to."""

    def __init__(self, log: Path, *, die_after: int = 10**6, die_at_test: int = -1, diverge: int = -1):
        self.log, self.die_after, self.die_at_test, self.diverge = log, die_after, die_at_test, diverge

    def retrain(self, task, data, plan):
        if len([*self.log.glob("trained-*")]) >= self.die_after:
            raise RuntimeError("the power went")
        opened = data.open()
        cells = join(opened.train, opened.validation)
        rows = {name: getattr(task.round, name) for name in ("train", "validation", "held_out")}
        shown = "\n".join(f"{part}\t{name}" for part, own in rows.items() for name in cells.image_ids[own])
        kind = "by-image" if task.round.by_image else "trained"
        (self.log / f"{kind}-{task.which.name.replace('/', '-').replace('by-image-', '')}").write_text(shown)
        if task.which.trial == self.diverge:
            return Answer(which=task.which, metrics={}, reason="Training diverged in epoch 1.")
        about = cells.take(task.round.held_out)
        hint = 0.5 if task.round.by_image else 0.3 + 0.05 * task.which.trial
        scores = answers(about.image_ids, about.labels, hint=hint)
        write_scores(task.folder / "scores.parquet", about, scores)
        return Answer(which=task.which, metrics=score(about.labels, scores).to_dict(), best_epoch=1)

    def test(self, model, cells, place, test, plan):
        if self.die_at_test == test.trial:
            raise RuntimeError("the power went")
        with (self.log / "held_out").open("a") as log:
            log.write(f"{test.trial}\n")
        opened = cells.open()
        write_scores(place / f"{test.trial}.parquet", opened, answers(opened.image_ids, opened.labels))
        return test.trial


def answers(names, labels, *, hint=0.3):
    """Return scores that are mostly right."""
    noise = np.array([int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) / 2**32 for name in names])
    return (1 - hint) * noise + hint * labels


def events(folder, kind, *, by_image=False):
    """Return a journal's events of a kind; of retrainings those by patient, or those by image."""
    every = [event for event in journal.read(folder.journal) if event["event"] == kind]
    return [event for event in every if event.get("by_image", by_image) is by_image]


def patients(names):
    """Return whose images these are."""
    return {name.split("/")[2] for name in names}


def searched(tmp_path, *, patients=12, **params):
    """Return a study of twice so many patients with three complete trials of some ``params``, as a search leaves it."""
    root = draw_folder(tmp_path / "mll", patients=patients, cells=4, classes=("control", "RUNX1_RUNX1T1"))
    return searched_in(root, tmp_path, task="runx1", **params)


def searched_in(root, tmp_path, *, task, **params):
    """Return such a study of a task, by name or file, on a folder of images."""
    config = studies.config(task=task, data=str(root), concurrency=2)
    cache = PixelCache(tmp_path / "cache")
    task = find_task(task)
    dataset = prepare_dataset(open_source(root), task, config, cache, synthetic=False, cores=2)
    folder = StudyFolder(tmp_path / f"{task.name}-1")
    manifest.begin(
        folder,
        config=config,
        task=task,
        data=dataset.report,
        split=dataset.split,
        space=studies.presets.space("small"),
        command=f"python -m search.run --task {task.name}",
        starts=InitialWeights().stored(),
    )
    with studies.recording(folder) as recorder:
        for number, (recall, specificity) in enumerate([(0.7, 0.8), (0.85, 0.95), (0.95, 0.7)]):
            studies.run(recorder, number, recall, specificity, **params)
    validation = share(dataset, cache).open().validation
    for number in range(3):
        write_scores(
            folder.trial(number) / "scores.parquet", validation, answers(validation.image_ids, validation.labels)
        )
        (folder.trial(number) / "model.keras").write_bytes(b"a toy")
    return folder


def confirmer(folder, session, tmp_path):
    """Return what confirms a study; the log of its models stays in one folder."""
    log = tmp_path / "log"
    log.mkdir()

    def call(asked=ASKED, **toys):
        plan = plan_again(folder, given={}, cache=tmp_path / "cache", command="confirm")
        return confirm(plan, asked, session, models=Toys(log, **toys))

    call.log = log
    return call
