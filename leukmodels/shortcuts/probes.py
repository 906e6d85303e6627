"""Shortcut probes: what else than the cells could tell the classes apart, and what a split by image would add.

A probe is a logistic regression on a few plain numbers of an image. A shortcut is a property of slides, of which a
patient has one: so patients are what is left out in turn, what is resampled for intervals, and what labels are
permuted among to see what chance does. How often alarms are false, and what they miss: results/benchmarks/probes.md.
"""

from dataclasses import dataclass
from math import comb

import numpy as np

from leukmodels.dataset.cells import Cells
from leukmodels.evaluation.curves import auroc, ranking_metrics
from leukmodels.evaluation.interval import Interval
from leukmodels.evaluation.resampling import differences, intervals
from leukmodels.evaluation.scored import by_patient
from leukmodels.process.words import USUAL, Terms
from leukmodels.shortcuts.classifiers import (
    Numbers,
    Patients,
    cross_validated_scores,
    deal,
    knn_scores,
    permutation_aurocs,
)
from leukmodels.shortcuts.colours import Colours, Progress, read_colours

ALARMING_P = 0.01
ALIKE = 0.05  # in AUROC


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a probe reaches.

    cells, patients   AUROC of cells, and of patients by the mean of their cells
    chance            AUROC of patients when labels are permuted among them: the mean, and 2.5 and 97.5 percentiles
    p_value           how often permuted labels come out as well as the real ones, or better
    smallest_p        below which it cannot be, of so many permutations and patients
    """

    cells: Interval
    patients: Interval
    chance: Interval
    p_value: float
    smallest_p: float


@dataclass(frozen=True, kw_only=True)
class Probe:
    """One probe: what it found (None where it does not apply), and a sentence on what that means.

    alarm   a model may have learned this in the place of the cells
    """

    name: str
    found: Found | None
    alarm: bool
    meaning: str


@dataclass(frozen=True, kw_only=True)
class Gap:
    """AUROC of the same cells when images are split, when patients are, and by how much the first is above."""

    by_image: Interval
    by_patient: Interval
    gap: Interval


@dataclass(frozen=True, kw_only=True)
class Leak:
    """What a split by image would add (None where that cannot be known), and a sentence on what that means."""

    gap: Gap | None
    alarm: bool
    meaning: str


@dataclass(frozen=True, kw_only=True)
class Shortcuts:
    """What all probes say of one set of cells."""

    colour: Probe
    background: Probe
    count: Probe
    leak: Leak

    @property
    def alarm(self) -> bool:
        """Whether any of them gives the alarm."""
        return any(each.alarm for each in (self.colour, self.background, self.count, self.leak))


def probe_shortcuts(
    cells: Cells,
    *,
    black_background: bool,
    scores: Numbers | None = None,
    permutations: int = 200,
    seed: int = 0,
    progress: Progress | None = None,
    terms: Terms = USUAL,
) -> Shortcuts:
    """Return what probes find in these cells: of all patients that may be looked at, the more the surer.

    ``scores`` (n,) are a model's probabilities, NaN for cells that it did not score; without them colour means
    cannot give the alarm, and with them only where the background does not say that slides are alike. ``progress`` is
    told (images read, images in all); ``terms`` are what sentences say. DataError where a
    patient has cells of both classes, or a class has one patient alone.
    """
    patients = Patients.of(cells, terms)
    colours = read_colours(cells, black_background=black_background, progress=progress)

    def probed(features: Numbers) -> tuple[Found, Numbers]:
        scaled = _standardised(features)
        answers = cross_validated_scores(patients, scaled, seed)
        return _found(cells, patients, answers, permutation_aurocs(patients, scaled, permutations, seed)), answers

    colour, answers = probed(colours.whole)
    background = _background(None if colours.background is None else probed(colours.background)[0], terms)
    count = None if terms.are_images else probed(np.log(patients.counts)[patients.of_cell, None])[0]
    return Shortcuts(
        colour=_colour(colour, None if scores is None else _above(cells, answers, scores), background),
        background=background,
        count=_count(count, terms),
        leak=_leak(cells, patients, colours, seed, terms),
    )


def measure_gap(cells: Cells, *, by_image: Numbers, by_patient: Numbers) -> Gap:
    """Return what a split by image adds to scores (n,) of the same cells: of a probe, or of a model trained both ways.

    In either case a cell's score is of a model that did not train on that cell, or on that patient.
    """
    first, second = (ranking_metrics(cells.scored(scores)) for scores in (by_patient, by_image))
    return Gap(
        by_image=intervals(second)["auroc"],
        by_patient=intervals(first)["auroc"],
        gap=differences(first, second)["auroc"],
    )


def _found(cells: Cells, patients: Patients, answers: Numbers, by_chance: Numbers) -> Found:
    scored = cells.scored(answers)
    low, high = np.quantile(by_chance, (0.025, 0.975)).tolist()
    reached = int(np.count_nonzero(by_chance >= auroc(patients.labels, patients.means(answers))))
    return Found(
        cells=intervals(ranking_metrics(scored))["auroc"],
        patients=intervals(ranking_metrics(by_patient(scored)))["auroc"],
        chance=Interval(estimate=float(by_chance.mean()), low=low, high=high),
        p_value=(1 + reached) / (1 + len(by_chance)),  # the real labels are one of the permutations
        smallest_p=max(1 / (1 + len(by_chance)), 1 / comb(len(patients.labels), int(patients.labels.sum()))),
    )


def _standardised(features: Numbers) -> Numbers:
    """Return features (n, k) with mean 0 and standard deviation 1; what is the same everywhere is 0."""
    spread = features.std(axis=0)
    scaled: Numbers = (features - features.mean(axis=0)) / np.where(spread > 0, spread, 1)
    return scaled


def _above(cells: Cells, answers: Numbers, scores: Numbers) -> Interval:
    """Return how far a model is above colour means in AUROC of the cells that it scored."""
    asked = np.flatnonzero(~np.isnan(scores))
    some = cells.take(asked)
    probe, model = (ranking_metrics(some.scored(each[asked])) for each in (answers, scores))
    return differences(probe, model)["auroc"]


def _colour(found: Found, above: Interval | None, background: Probe) -> Probe:
    """The cells' own colours differ too: what colour means reach is only held against what a model reaches.

    And only where slides may differ: around the cells they do, or there all is black.
    """
    alike = above is not None and above.high <= ALIKE
    own = background.found is not None and not background.alarm
    alarm = alike and not own
    meaning = f"The mean colours of an image alone reach AUROC {_text(found.cells)} of cells. "
    if above is None:
        meaning += "Some of that is the colour of the cells themselves; a model must do better."
    elif alike:
        meaning += f"The model is above that by {_text(above)}, surely by no more than {ALIKE}: "
        meaning += (
            "it may do no more than read colours, but they are the cells' own, as what lies around the cells does not "
            "tell the classes apart."
            if own
            else "it may do nothing but read colours, of the stain or of the cells."
        )
    else:
        meaning += f"Some of that is the colour of the cells themselves; the model is above it by {_text(above)}."
    return Probe(name="colour means", found=found, alarm=alarm, meaning=meaning)


def _background(found: Found | None, terms: Terms) -> Probe:
    name = "background"
    if found is None:
        return Probe(name=name, found=None, alarm=False, meaning="Not applicable: around the cells all is black.")
    reached = f"What lies around the cells reaches AUROC {_text(found.patients)} of {terms.units} "
    reached += _beside(found, f"alarming at {ALARMING_P:g} or less")
    if alarm := found.p_value <= ALARMING_P:
        meaning = (
            f"{reached}: the slides of the classes differ in stain, light or red cells (anaemia makes them fewer), and "
            "a model can learn that in the place of the cells."
        )
    elif found.smallest_p > ALARMING_P:
        meaning = f"{reached}: here p cannot be below {found.smallest_p:.3f}, so no alarm can be given."
    else:
        meaning = f"{reached}: no sign that slides tell the classes apart."
    return Probe(name=name, found=found, alarm=alarm, meaning=meaning)


def _count(found: Found | None, terms: Terms) -> Probe:
    """No alarm: a model sees one image, and the score of a patient is a mean."""
    name = "image count"
    if found is None:
        return Probe(name=name, found=None, alarm=False, meaning="Not applicable: every image stands for itself.")
    meaning = (
        f"The number of a {terms.unit}'s images alone reaches AUROC {_text(found.patients)} of {terms.units} "
        f"{_beside(found, 'never alarming')}. A mean over cells cannot profit from that; a sum or a count of cells "
        "would."
    )
    return Probe(name=name, found=found, alarm=False, meaning=meaning)


def _leak(cells: Cells, patients: Patients, colours: Colours, seed: int, terms: Terms) -> Leak:
    """Cells alike in colour are often of one slide: remembering them shows best what it is worth to know a slide."""
    if terms.are_images:
        meaning = "Not applicable: nobody is named, so that images are all that can be split."
        return Leak(gap=None, alarm=False, meaning=meaning)
    if patients.counts.max() == 1:
        meaning = (
            f"Every image is of a {terms.unit} of its own. If that is only because the {terms.units} are not known, "
            "cells of one are on both sides of the split, and every score is better than it will be for a new "
            f"{terms.unit}."
        )
        return Leak(gap=None, alarm=True, meaning=meaning)
    slides = _standardised(colours.whole if colours.background is None else colours.background)
    rng = np.random.default_rng(seed)
    gap = measure_gap(
        cells,
        by_image=knn_scores(cells.labels, slides, deal(cells.labels, rng)),
        by_patient=knn_scores(cells.labels, slides, deal(patients.labels, rng)[patients.of_cell]),
    )
    meaning = (
        f"Remembering slides by their colours reaches AUROC {_text(gap.by_image)} of cells where images are split, "
        f"{_text(gap.by_patient)} where {terms.units} are: a leak of {_text(gap.gap)}. Compare no score of "
        f"{terms.units} split with one of images split."
    )
    return Leak(gap=gap, alarm=False, meaning=meaning)


def _beside(found: Found, limit: str) -> str:
    """Return what chance gives, with p and the limit that it is held to."""
    return f"(by chance {_text(found.chance)}, p {found.p_value:.3f}, {limit})"


def _text(interval: Interval) -> str:
    return f"{interval.estimate:.2f} [{interval.low:.2f}, {interval.high:.2f}]"
