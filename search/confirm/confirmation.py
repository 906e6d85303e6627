"""A confirmation from the first retraining to the last test patient; each step that is done is in the journal.

Killed at any point, it goes on there when the same command is given again: no retraining is repeated, and an opening of
the test that was begun is finished as it was begun, not counted twice.
"""

import datetime
from collections.abc import Iterable, Iterator, Sequence
from functools import partial

import numpy as np
import ray

from cluster.session import Session
from leukmodels.dataset.cells import join
from leukmodels.dataset.folds import ALWAYS_TRAINS, CVRound, image_folds, patient_folds, rounds
from leukmodels.errors import Attempts, StudyError
from leukmodels.process.files import digest
from leukmodels.training.scoring import read_scores
from search.cache.store import PixelCache
from search.confirm import shortcuts
from search.confirm.options import ConfirmOptions
from search.confirm.retraining import Answer, KerasModels, Models, Task, Test, run_tasks
from search.confirm.shortcuts import Answers
from search.confirm.summary import tell
from search.confirm.test_set import open_test
from search.data.dataset import Dataset
from search.data.sharing import SharedDataset
from search.display.console import Console
from search.run.planning import Plan
from search.run.resources import StudyResources, refuse_other_data
from search.selection import test_candidates
from search.selection.confirmed_ranking import Ranked, rank
from search.study.config import objectives_of
from search.study.confirmation_log import Confirmation, Retraining, TestAccess, as_event, confirmation_of, test_scores
from search.study.folder import StudyFolder
from search.study.front import pareto_front
from search.study.integrity import MODEL, SCORES, model_file, validation_scores
from search.study.journal import Journal, read
from search.study.manifest import Manifest
from search.study.objectives import Objectives
from search.study.records import StudyRecord, TrialRecord, fold
from search.tuning.signals import interruptible
from search.tuning.trial import TrialPlan, trial_seed


def confirm(
    plan: Plan, options: ConfirmOptions, session: Session, *, models: Models | None = None
) -> tuple[Ranked, ...]:
    """Confirm the study of a plan and say what came out; return the ranking."""
    folder, cache = plan.folder, plan.pixel_cache
    synthetic = plan.config.data is None
    console = Console(
        planned_trials=0, epochs=plan.config.epochs, objectives=objectives_of(plan.config), synthetic=synthetic
    )
    with folder.lock(), cache.in_use(), console:
        found = StudyResources(plan, session, cache, console)
        for note in found.notes:
            console.say(note)
        ranking = Conduct(folder, options, found, cache, console, models=models).carry_out()
    latest = confirmation_of(read(folder.journal)).latest
    tell(ranking, latest, synthetic=synthetic, terms=Manifest.read(folder).terms)
    return ranking


class Conduct:
    """One confirmation of a study whose lock the caller holds; ``models`` stands in for the Keras models."""

    def __init__(
        self,
        folder: StudyFolder,
        options: ConfirmOptions,
        found: StudyResources,
        cache: PixelCache,
        console: Console,
        *,
        models: Models | None = None,
    ) -> None:
        self._folder, self._options, self._found, self._cache = folder, options, found, cache
        self._console, self._models = console, models or KerasModels()
        config, resources = found.config, found.resources
        self._objectives, self._manifest = objectives_of(config), Manifest.read(folder)
        self._plan = TrialPlan.of(folder, config, cpus=resources.cpus, gpus=resources.gpus)

    def carry_out(self) -> tuple[Ranked, ...]:
        """Train again, rank, and open the test patients where that is due; return the ranking."""
        folder, record = self._folder, fold(read(self._folder.journal))
        members = candidates(record, self._objectives, at_most=self._options.members)
        refuse_changed(folder, members)  # before hours are spent on them
        if self._options.min_recall is not None and not self._options.keep_locked:
            test_candidates.refuse_hopeless(
                folder,
                members,
                min_recall=self._options.min_recall,
                min_specificity=self._objectives.min_specificity,
                sure=self._options.recall_guarantee,
            )
        with Journal(folder.journal) as journal:
            dataset = self._found.prepare_dataset()
            refuse_other_data(folder, dataset)
            data = ray.put(self._found.place(dataset))
            if self._manifest.knows_patients:
                self._console.say(
                    "The base model was trained on the training cells, so validation cells alone are scored."
                )
            tasks = list(self._tasks(members, self._rounds(ray.get(data))))
            self._retrain("Training the front again", tasks, data, journal)
            ranking = rank(self._confirmation(), [member.number for member in members], self._objectives)
            if not ranking:
                raise StudyError(f"None of the configurations of {folder.name} could be trained again.")
            best = record.trials[ranking[0].trial]
            if self._manifest.data.patient_level:
                tasks = list(self._tasks([best], self._rounds(ray.get(data), by_image=True)))
                self._retrain("Training the best on a split by image, to see what that adds", tasks, data, journal)
            self._probe(best.number, data)
            if opening := self._due(record, ranking, journal):
                self._test(opening, record, dataset, journal)
        return ranking

    def _confirmation(self) -> Confirmation:
        return confirmation_of(read(self._folder.journal))

    def _retrain(self, what: str, tasks: Sequence[Task], data: "ray.ObjectRef", journal: Journal) -> None:
        confirmation = self._confirmation()
        known = confirmation.retrained.keys() | confirmation.by_image.keys()
        left = [(task, data, self._plan) for task in tasks if task.which not in known]
        if done := len(tasks) - len(left):
            self._console.say(f"{what}: {done} of {len(tasks)} models were trained before; going on.")
        with interruptible() as check:
            for answer in run_tasks(self._models.retrain, left, resources=self._found.resources, check=check):
                self._keep(answer, journal)
                done += 1
                self._console.progress(what, done, len(tasks), "models")

    def _tasks(self, members: Sequence[TrialRecord], dealt: Iterable[tuple[int, int, CVRound]]) -> Iterator[Task]:
        """Yield a task a member for each (seed, fold, round)."""
        for seed, fold_number, each in dealt:
            for member in members:
                which = Retraining(
                    trial=member.number,
                    folds=self._options.folds,
                    seed=seed,
                    fold=fold_number,
                    by_image=each.by_image,
                )
                folder = self._folder.confirmed / "retrained" / which.name
                yield Task(which=which, params=dict(member.params), round=each, folder=folder)

    def _rounds(self, placed: SharedDataset, *, by_image: bool = False) -> Iterator[tuple[int, int, CVRound]]:
        """Yield (seed, fold, who trains, chooses the epoch and is scored) of the patients who are no test's.

        A base model knows the training patients: then those of validation alone are dealt, and the others always train.
        """
        opened, folds = placed.open(), self._options.folds
        cells = join(opened.train, opened.validation)
        class_names = np.concatenate([part.part.class_names for part in (placed.train, placed.validation)])
        rows = np.arange(len(opened.train) if self._manifest.knows_patients else 0, len(cells))
        dealing = image_folds if by_image else patient_folds
        for seed in range(self._options.seeds):
            fold_of = np.full(len(cells), ALWAYS_TRAINS)
            fold_of[rows] = dealing(
                cells.take(rows),
                class_names[rows],
                folds=folds,
                seed=trial_seed(self._plan.seed, f"folds {seed}"),
                terms=self._manifest.terms,
            )
            for fold_number, each in enumerate(rounds(fold_of, folds, by_image=by_image)):
                yield seed, fold_number, each

    def _probe(self, trial: int, data: "ray.ObjectRef") -> None:
        """Have shortcuts probed beside the answers of the best configuration."""
        self._console.say("Probing for shortcuts: colours, background, number of images, split by image ...")
        confirmation, place = self._confirmation(), self._folder.confirmed / "retrained"
        by_patient, by_image = (
            [
                place / which.name / "scores.parquet"
                for which, metrics in trained.items()
                if metrics and which.trial == trial
            ]
            for trained in (confirmation.retrained, confirmation.by_image)
        )
        answers = Answers(by_patient=by_patient, by_image=by_image)
        task = (data, answers, self._folder.confirmed / "probes.json", self._plan.seed, self._manifest.terms)
        with interruptible() as check:
            for _ in run_tasks(shortcuts.probe, [task], resources=self._found.resources, check=check):
                pass

    def _keep(self, answer: Answer, journal: Journal) -> None:
        journal.append(
            "retrained",
            **vars(answer.which),
            metrics=answer.metrics,
            best_epoch=answer.best_epoch,
            reason=answer.reason,
        )
        if answer.reason:
            self._console.say(f"trial {answer.which.trial}, fold {answer.which.fold}: {answer.reason}")

    def _due(self, record: StudyRecord, ranking: Sequence[Ranked], journal: Journal) -> TestAccess | None:
        """Return the opening that is to be carried out: one that was begun, or a new one, now in the journal."""
        openings = self._confirmation().openings
        if self._options.keep_locked:
            self._console.say("The test stays locked (--keep-locked).")
            return None
        if openings and not openings[-1].complete:
            self._console.say(f"Opening {openings[-1].number} of the test was begun before; finishing it.")
            return openings[-1]
        if openings and not self._options.again:
            when = datetime.datetime.fromtimestamp(openings[-1].time, datetime.UTC)
            trials = ", ".join(str(each.trial) for each in openings[-1].chosen)
            self._console.say(
                f"The test was opened on {when:%Y-%m-%d %H:%M} UTC for the trials {trials}, and stays locked now: each "
                "further look makes the figures less honest. --again opens it all the same, and the report counts it."
            )
            return None
        chosen = test_candidates.choose(
            self._folder,
            record,
            ranking,
            count=self._options.choose,
            min_specificity=self._objectives.min_specificity,
            min_recall=self._options.min_recall,
            sure=self._options.recall_guarantee,
        )
        refuse_changed(self._folder, [record.trials[each.trial] for each in chosen])
        journal.append("test_opened", chosen=[as_event(each) for each in chosen])
        trials = ", ".join(str(each.trial) for each in chosen)
        self._console.say(f"The test {self._manifest.terms.units} are opened for the trials {trials}.")
        return self._confirmation().openings[-1]

    def _test(self, opening: TestAccess, record: StudyRecord, dataset: Dataset, journal: Journal) -> None:
        place = test_scores(self._folder, opening)
        left = [each.trial for each in opening.chosen if each.trial not in opening.results]
        models = {trial: model_file(self._folder, record.trials[trial]) for trial in left}
        asked = {trial: digest(model) for trial, model in models.items()}
        part = open_test(self._folder, dataset, self._cache)
        thresholds = {each.trial: each.threshold for each in opening.chosen}
        tasks = [
            (
                models[trial],
                part,
                place,
                Test(trial=trial, threshold=thresholds[trial], black_background=dataset.black_background),
                self._plan,
            )
            for trial in left
        ]
        with interruptible() as check:
            for number, trial in enumerate(
                run_tasks(self._models.test, tasks, resources=self._found.resources, check=check), start=1
            ):
                scores = place / f"{trial}.parquet"
                metrics = test_candidates.measured(read_scores(scores), thresholds[trial])
                sha256 = {MODEL: asked[trial], SCORES: digest(scores)}
                journal.append("tested", opening=opening.number, trial=trial, metrics=dict(metrics), sha256=sha256)
                self._console.progress("Scoring the test cells", number, len(tasks), "models")


def refuse_changed(folder: StudyFolder, trials: Iterable[TrialRecord]) -> None:
    """Raise StudyError with every model that is gone, and every one that is not what the study measured.

    The test is opened once, and what answers then must be what was chosen.
    """
    attempts = Attempts()
    for trial in trials:
        attempts.attempt(partial(_both_files, folder, trial), None)
    attempts.settle("The test cannot be opened for these models:")


def _both_files(folder: StudyFolder, trial: TrialRecord) -> None:
    validation_scores(folder, trial)
    model_file(folder, trial)


def candidates(record: StudyRecord, objectives: Objectives, *, at_most: int) -> tuple[TrialRecord, ...]:
    """Return members of the front, evenly from its highest recall to its highest accuracy, and the default CNN.

    StudyError where there is no front.
    """
    front = pareto_front(record, objectives).trials
    if not front:
        raise StudyError("No trial is on the front, so there is nothing to confirm. Resume the study with more trials.")
    places = np.unique(np.linspace(0, len(front) - 1, min(at_most, len(front))).round().astype(int))
    members = [front[place] for place in places]
    reference = test_candidates.reference_of(record)
    return tuple(members) if reference is None or reference in members else (*members, reference)
