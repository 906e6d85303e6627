"""The models of a page: what validation promised of each, and what the test gave."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from leukmodels.evaluation.interval import Interval
from leukmodels.evaluation.scored import Scored
from leukmodels.process.words import Terms
from leukmodels.training.scoring import read_scores
from search.report.artifacts import Example, examples_in, looking_in
from search.report.facts import Model
from search.report.metrics import gap, judge, minus
from search.study.confirmation_log import TestAccess, TestCandidate, test_scores
from search.study.disclosure import Names
from search.study.folder import StudyFolder
from search.study.integrity import MODEL, model_file, scores_on_test, validation_scores
from search.study.records import DEFAULT, StudyRecord, TrialRecord


@dataclass(frozen=True, kw_only=True)
class Candidates:
    """Models to judge, and on what.

    opening         of the test that they were held against; None: validation alone
    prevalences     for which predictive values are stated
    terms           of the study
    names           what patients and images are called
    """

    folder: StudyFolder
    record: StudyRecord
    chosen: Sequence[TestCandidate]
    opening: TestAccess | None
    prevalences: Sequence[float]
    terms: Terms
    names: Names

    def models(self) -> tuple[Model, ...]:
        """Return the models, judged; StudyError where scores are gone, or a file is another than was measured."""
        return tuple(self._model(each) for each in self.chosen)

    def _model(self, each: TestCandidate) -> Model:
        trial = self.record.trials[each.trial]
        if (self.folder.trial(each.trial) / MODEL).is_file():  # figures are made of scores alone
            model_file(self.folder, trial, self.opening)
        validation, test = self._named(validation_scores(self.folder, trial)), self._test(each)
        judged = partial(
            judge,
            validation=validation,
            threshold=each.threshold,
            prevalences=self.prevalences,
            terms=self.terms,
        )
        promise, reached = judged("validation", validation), judged("test", test) if test else None
        return Model(
            trial=each.trial,
            why=each.why,
            params=self.record.trials[each.trial].params,
            threshold=each.threshold,
            promise=promise,
            promised_recall=each.promised,
            test=reached,
            reference=self._is_reference(each),
            differences=self._differences(each, test or validation),
            gap=gap(promise.cells, reached.cells) if reached else {},
            examples=self._examples(each),
            looking=looking_in(test_scores(self.folder, self.opening), each.trial) if self.opening else None,
        )

    def _examples(self, each: TestCandidate) -> tuple[Example, ...]:
        if not self.opening or not self.names.disclosure.pictures:
            return ()
        return tuple(
            replace(example, image=self.names.image(example.image), patient=self.names.patient(example.patient))
            for example in examples_in(test_scores(self.folder, self.opening), each.trial)
        )

    def _differences(self, each: TestCandidate, judged: Scored) -> Mapping[str, Interval]:
        """Return the figures minus those of the published CNN on the same cells, where that is among the models."""
        reference = next((one for one in self.chosen if self._is_reference(one)), None)
        if reference is None or reference is each:
            return {}
        other = self._test(reference) or self._named(
            validation_scores(self.folder, self.record.trials[reference.trial])
        )
        return minus(judged, each.threshold, other, reference.threshold)

    def _is_reference(self, each: TestCandidate) -> bool:
        return self.record.trials[each.trial].source == DEFAULT

    def _test(self, each: TestCandidate) -> Scored | None:
        if not self.opening:
            return None
        return self._named(scores_on_test(self.folder, self.opening, each.trial))

    def _named(self, scores: Path) -> Scored:
        found = Scored.from_table(read_scores(scores))
        return replace(found, patient_names=tuple(map(self.names.patient, found.patient_names)))


def scored_validation(folder: StudyFolder, trial: TrialRecord) -> Scored:
    """Return a trial's scores of the validation cells; StudyError where they are gone or are not what it ended with."""
    return Scored.from_table(read_scores(validation_scores(folder, trial)))
