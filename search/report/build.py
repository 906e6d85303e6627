"""From a study's files to the facts of its page: opens no image, and asks neither Ray nor TensorFlow."""

from collections.abc import Sequence

from leukmodels.collections import READERS
from leukmodels.evaluation.bands import bands
from leukmodels.evaluation.curves import curve_of
from leukmodels.evaluation.operating import Front, operating_front
from search.report.artifacts import probes_in
from search.report.checks import broken_promises
from search.report.data_summary import summarise_data
from search.report.facts import Exported, Model, Page, Repeat, Searched, Subject
from search.report.models import Candidates, scored_validation
from search.selection import head_start
from search.selection.confirmed_ranking import Ranked, rank
from search.selection.preference import By, Preference
from search.selection.test_candidates import REFERENCE, choose, reference_of
from search.study.confirmation_log import TestAccess, TestCandidate
from search.study.disclosure import DISCRETE, Disclosure, Names
from search.study.folder import StudyFolder
from search.study.front import ParetoFront, complete, effort
from search.study.manifest import Manifest
from search.study.objectives import THRESHOLD, Objectives
from search.study.opened import Study
from search.study.portable import portable
from search.tuning.importance import importances

PREVALENCES = (0.01, 0.10, 0.50)  # shares of the disease among the patients, where the reader states none
_SHOWN = 3  # models, besides the published CNN
_WAYS: tuple[tuple[By, str], ...] = (
    ("recall", "highest recall"),
    ("balanced", "most balanced"),
    ("accuracy", "highest accuracy"),
)


def page_of(study: Study, *, prevalence: float | None = None, disclosure: Disclosure = DISCRETE) -> Page:
    """Return the facts of a study's page, in whatever state it is; StudyError where scores that it needs are gone.

    ``prevalence`` is the share of the disease for which predictive values are stated, in (0, 1); None: several.
    """
    names = Names(study.folder, disclosure, unit=study.manifest.terms.unit)
    folder, manifest, record, confirmation = study.folder, study.manifest, study.record, study.confirmation
    objectives, front = study.objectives, study.front
    ranking = rank(confirmation, sorted({each.trial for each in confirmation.retrained}), objectives)
    opening = confirmation.latest
    chosen = opening.chosen if opening else _chosen(study, ranking)
    models = Candidates(
        folder=folder,
        record=record,
        chosen=chosen,
        opening=opening,
        prevalences=PREVALENCES if prevalence is None else (prevalence,),
        terms=manifest.terms,
        names=names,
    ).models()
    return Page(
        subject=_subject(manifest),
        data_summary=summarise_data(folder, manifest.data, names),
        searched=Searched(
            record=record,
            objectives=objectives,
            front=front,
            importances=importances(record, manifest.space, objectives),
            head_start=_head_start(study),
            from_base=manifest.knows_patients,
        ),
        ranking=ranking,
        openings=tuple(confirmation.openings),
        opening=opening,
        models=models,
        bands=bands(models[0].judged.scored) if models else None,
        operating=_operating(folder, front, objectives),
        probes=probes_in(folder.confirmed),
        repeat=_repeat(study),
        disclosure=disclosure,
    )


def exported(study: Study, trial: int, *, threshold: float, promised: float | None, names: Names) -> Exported:
    """Return the facts of one model at a threshold: on validation, and on the test if it was held to that one there.

    Figures of the test at any other threshold would be a look at it that nobody counts. ``promised`` is what the recall
    was promised to reach, None where nothing was; ``names`` is what patients are called.
    """
    folder, manifest, confirmation = study.folder, study.manifest, study.confirmation
    held = {each.threshold: opening for opening, each in confirmation.of(trial)}
    candidate = TestCandidate(trial=trial, threshold=threshold, why="exported", promise={}, promised=promised)
    return Exported(
        subject=_subject(manifest),
        data_summary=summarise_data(folder, manifest.data, names),
        openings=tuple(confirmation.openings),
        opening=held.get(threshold),
        held_at=tuple(held),
        model=_judged(study, candidate, held.get(threshold), names),
        probes=probes_in(folder.confirmed),
    )


def broken_in_test(study: Study, trial: int) -> tuple[str, ...]:
    """Return each promise that the last test of a trial's model broke, in a sentence, as the page of it says.

    At the threshold that it was held to there; empty where all were kept, or where it was never tested.
    """
    tests = study.confirmation.of(trial)
    if not tests:
        return ()
    opening, candidate = tests[-1]
    model = _judged(study, candidate, opening, Names(study.folder, Disclosure(identifiers=True)))  # no name is told
    return tuple(broken_promises(model, study.objectives, study.manifest.terms, models=len(opening.chosen)))


def _judged(study: Study, candidate: TestCandidate, opening: TestAccess | None, names: Names) -> Model:
    """Return one model by itself: on validation, and on the test of an opening that it was held to."""
    (model,) = Candidates(
        folder=study.folder,
        record=study.record,
        chosen=[candidate],
        opening=opening,
        prevalences=PREVALENCES,
        terms=study.manifest.terms,
        names=names,
    ).models()
    return model


def _chosen(study: Study, ranking: Sequence[Ranked]) -> tuple[TestCandidate, ...]:
    """Return whom the page shows while the test is locked: whom it would be opened for now."""
    objectives, front = study.objectives, study.front
    if ranking:
        return choose(study.folder, study.record, ranking, count=_SHOWN, min_specificity=objectives.min_specificity)
    if not front.trials:
        return ()
    wanted: dict[int, str] = {}
    for by, why in _WAYS:
        wanted.setdefault(Preference(by=by).choose(front, objectives).number, f"{why} of the front")
    if reference := reference_of(study.record):
        wanted.setdefault(reference.number, REFERENCE)
    return tuple(_as_it_is(trial, why) for trial, why in wanted.items())


def _as_it_is(trial: int, why: str) -> TestCandidate:
    """Return a model that nothing was settled for yet."""
    return TestCandidate(trial=trial, threshold=THRESHOLD, why=why, promise={})


def _head_start(study: Study) -> str:
    """Return in sentences what the study began with, and whether that helped; "" where with nothing."""
    if not (head := head_start.head_start(study.manifest)):
        return ""
    base, prior = study.manifest.starts.base, study.manifest.prior
    began = [f"Models may start from {base.origin}, which was trained for {base.task}."] if base else []
    began += [f"The search began with what {prior.study} ({prior.task}) had found."] if prior else []
    reached = effort(study.record, study.objectives)
    return " ".join([*began, head_start.describe(head, reached, head_start.cold_start(study))])


def _operating(folder: StudyFolder, front: ParetoFront, objectives: Objectives) -> Front | None:
    kept = [trial for trial in complete(front) if folder.scores(trial.number).is_file()]
    curves = {trial.number: curve_of(scored_validation(folder, trial)) for trial in kept}
    return operating_front(curves, min_specificity=objectives.min_specificity) if curves else None


def _subject(manifest: Manifest) -> Subject:
    task, data = manifest.task, manifest.data
    reader = READERS[task.reader]
    return Subject(
        study=manifest.name,
        task=task.name,
        question=task.question,
        collection="drawn by a program" if data.synthetic else reader.title,
        limits=reader.limits,
        reference_standard=reader.reference_standard,
        shares_controls=reader.shares_controls,
        disease=task.disease,
        control=task.control,
        terms=manifest.terms,
        synthetic=data.synthetic,
        created=manifest.created,
    )


def _repeat(study: Study) -> Repeat:
    manifest = study.manifest
    return Repeat(
        command=portable(manifest.command),
        seed=manifest.seed,
        split_seed=manifest.split.seed,
        study_id=manifest.study_id,
        data_fingerprint=manifest.data.fingerprint,
        split_fingerprint=manifest.split.fingerprint,
        precision=study.config.precision,
        versions=manifest.versions,
    )
