"""What a page says, as values: computed from a study's files, nothing of it formatted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from leukmodels.evaluation.bands import Bands
from leukmodels.evaluation.calibration import Bin
from leukmodels.evaluation.interval import Interval
from leukmodels.evaluation.operating import Front
from leukmodels.evaluation.scored import Scored
from leukmodels.evaluation.tables import Table
from leukmodels.process.words import Terms
from search.report.artifacts import Example, Looking
from search.report.data_summary import DataSummary
from search.selection.confirmed_ranking import Ranked
from search.study.confirmation_log import Probe, TestAccess
from search.study.disclosure import Disclosure
from search.study.front import ParetoFront
from search.study.objectives import Objectives
from search.study.records import StudyRecord


@dataclass(frozen=True, kw_only=True)
class AtSpecificity:
    """The recall at a specificity: the threshold is the validation patients', recall and specificity those reached."""

    wanted: float
    threshold: float
    recall: Interval
    specificity: Interval


@dataclass(frozen=True, kw_only=True)
class Level:
    """How good a model is, counted in cells or in patients (a patient's score is the mean of its cells').

    unit             what is counted: "cell", or the unit of the study's terms
    table            precision, recall, F1 and support by class, accuracy and averages
    confusion        of shape (2, 2): truth (negative, positive) by answer
    figures          recall, specificity, accuracy, ... by name, with intervals by the unit of the study's terms
    at_specificity   the recall at some specificities, their thresholds settled at this level
    """

    unit: str
    count: int
    table: Table
    confusion: npt.NDArray[np.int64]
    figures: Mapping[str, Interval]
    at_specificity: tuple[AtSpecificity, ...]


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """How far probabilities are from shares (ECE), before and after division of the logits by ``temperature``.

    temperature   None where the validation scores do not tell one; after is then as before
    bins          of probability that hold a cell, before and after
    """

    temperature: float | None
    before: Interval
    after: Interval
    bins_before: tuple[Bin, ...]
    bins_after: tuple[Bin, ...]


@dataclass(frozen=True, kw_only=True)
class Predictive:
    """How often a patient's answer is right at a prevalence of leukemia among those who are classified."""

    prevalence: float
    positive: Interval
    negative: Interval


@dataclass(frozen=True, kw_only=True)
class OfPatient:
    """A patient as a model sees it: mean score, and the share of cells at or above the threshold."""

    name: str
    label: int
    cells: int
    score: float
    share: float
    right: bool


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A model held against the cells of one part of the split.

    scored                             cell by cell, what all of it is made of
    independent                        patients, or images where patients are not known
    positives, negatives               how many of these have cells of each class: what recall and specificity rest on
    patients, by_patient, predictive   None and empty where patients are not known, or have cells of both classes
    """

    part: str
    scored: Scored
    independent: int
    positives: int
    negatives: int
    cells: Level
    patients: Level | None
    calibration: Calibration
    predictive: tuple[Predictive, ...]
    by_patient: tuple[OfPatient, ...]

    @property
    def levels(self) -> tuple[Level, ...]:
        """Cells, and patients where they are known."""
        return (self.cells, self.patients) if self.patients else (self.cells,)


@dataclass(frozen=True, kw_only=True)
class Model:
    """A model of the page: what validation promised, what test gave (None: locked), how it differs from the reference.

    promised_recall   what the recall was promised to reach for sure, None where nothing was
    reference     whether it is the published CNN, trained here
    differences   the figures to believe minus those of the published CNN on the same cells; empty where it has none
    gap           figures of the test minus those of validation, of cells; empty while the test is locked
    """

    trial: int
    why: str
    params: Mapping[str, Any]
    threshold: float
    promise: Judged
    promised_recall: float | None
    test: Judged | None
    reference: bool
    differences: Mapping[str, Interval]
    gap: Mapping[str, Interval]
    examples: tuple[Example, ...]
    looking: Looking | None

    @property
    def judged(self) -> Judged:
        """The figures to believe: of the test where it was opened, of validation before."""
        return self.test or self.promise


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What a study is about; see ``Reader`` for what is said of its collection."""

    study: str
    task: str
    question: str
    collection: str
    limits: tuple[str, ...]
    reference_standard: str
    shares_controls: bool
    disease: tuple[str, ...]
    control: tuple[str, ...]
    terms: Terms
    synthetic: bool
    created: str


@dataclass(frozen=True, kw_only=True)
class Searched:
    """The search: every trial, where they stand, what mattered.

    head_start   what it began with, and whether that helped, in sentences; "" where with nothing
    from_base    models may start from one that was trained on this study's training patients
    """

    record: StudyRecord
    objectives: Objectives
    front: ParetoFront
    importances: Mapping[str, Mapping[str, float]]
    head_start: str
    from_base: bool


@dataclass(frozen=True, kw_only=True)
class Repeat:
    """What is needed to do it again."""

    command: str
    seed: int
    split_seed: int
    study_id: str
    data_fingerprint: str
    split_fingerprint: str
    precision: str
    versions: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Exported:
    """One model, for the card beside its export; ``openings`` of the test and ``probes``, whoever they were for.

    opening   of the test at this threshold, None where there was none
    held_at   the thresholds that this model was held to on the test; figures of the test are of one of them
    """

    subject: Subject
    data_summary: DataSummary
    openings: Sequence[TestAccess]
    opening: TestAccess | None
    held_at: tuple[float, ...]
    model: Model
    probes: tuple[Probe, ...]


@dataclass(frozen=True, kw_only=True)
class Page:
    """All that a page says of a study. ``models`` has the one to look at first, first; none before a trial is complete.

    ranking    of the configurations that were trained again, empty before
    bands      of the first model's ROC and precision-recall curves
    operating  the front over all models and thresholds, on validation cells; None before a trial is complete
    openings   of the test, in order; ``opening`` is the one that the figures are of, None while there is none
    """

    subject: Subject
    data_summary: DataSummary
    searched: Searched
    ranking: Sequence[Ranked]
    openings: Sequence[TestAccess]
    opening: TestAccess | None
    models: tuple[Model, ...]
    bands: Bands | None
    operating: Front | None
    probes: tuple[Probe, ...]
    repeat: Repeat
    disclosure: Disclosure
