"""Is anything alarming: each check where it alarms, where it does not, and where it cannot be made."""

from dataclasses import replace

import pytest

import pages
from leukmodels.evaluation.interval import Interval
from search.report.artifacts import Looking
from search.report.build import page_of
from search.report.checks import checks_of
from search.study.confirmation_log import Probe
from search.study.opened import Study


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The facts of a study whose test was opened once."""
    with pages.few_draws():
        return page_of(Study.open(pages.confirmed(tmp_path_factory.mktemp("studies") / "runx1-1")))


@pytest.fixture(scope="module")
def locked(tmp_path_factory):
    with pages.few_draws():
        return page_of(Study.open(pages.searched(tmp_path_factory.mktemp("studies") / "runx1-1")))


def between(estimate, low, high):
    return Interval(estimate=estimate, low=low, high=high)


def changed(page, **first):
    """Return the page with another first model."""
    return replace(page, models=(replace(page.models[0], **first), *page.models[1:]))


def judged(page, **figures):
    """Return the page with other figures of the first model's test."""
    test = page.models[0].test
    cells = replace(test.cells, figures={**test.cells.figures, **figures})
    return changed(page, test=replace(test, cells=cells))


def about(page, what):
    """Return the check that begins like this."""
    (found,) = (check for check in checks_of(page) if check.what.startswith(what))
    return found


def test_every_check_is_listed_those_that_cannot_be_made_with_the_reason(page, locked):
    assert [check.what for check in checks_of(page)] == [
        "whose the cells are",
        "how often the test was opened",
        "the number of patients",
        "promises of validation",
        "bounds of the search on the test",
        "guarantees of recall",
        "the published CNN beside the model",
        "where the models look",
        "shortcuts",
    ]
    assert {check.what: check.left_out for check in checks_of(locked) if check.left_out} == {
        "promises of validation": "the test is locked",
        "bounds of the search on the test": "the test is locked",
        "guarantees of recall": "none was given",
        "where the models look": "pictures are drawn when the test is opened",
        "shortcuts": "python -m search.confirm probes them",
    }


def test_without_a_model_little_can_be_checked(page):
    checks = checks_of(replace(page, models=()))
    assert [check.what for check in checks if check.left_out == "there is no model yet"] == [
        "the number of patients",
        "promises of validation",
        "bounds of the search on the test",
        "the published CNN beside the model",
    ]


@pytest.mark.parametrize(
    ("low", "high", "alarms"),
    [
        (0.75, 0.94, ()),
        (
            0.5,
            0.94,
            (
                "Too few patients to be sure: the recall of cells lies anywhere from 0.50 to 0.94, on 6 leukemic "
                "patients (95 % intervals, wider than 0.2).",
            ),
        ),
    ],
)
def test_too_few_patients_alarm_by_the_width_of_the_intervals(page, low, high, alarms):
    asked = judged(page, recall=between(0.9, low, high), specificity=between(0.9, 0.8, 0.95))
    assert about(asked, "the number of patients").alarms == alarms


def test_of_images_that_stand_for_themselves_images_are_too_few(page):
    terms = replace(page.subject.terms, unit="image", positive="blast", negative="lymphocyte")
    asked = judged(page, recall=between(0.9, 0.8, 0.95), specificity=between(0.7, 0.4, 0.9))
    asked = replace(asked, subject=replace(asked.subject, terms=terms))
    (said,) = about(asked, "the number of images").alarms
    assert "the specificity of cells lies anywhere from 0.40 to 0.90, on 6 lymphocyte images" in said
    (leaky,) = about(asked, "whose the cells are").alarms
    assert leaky.startswith("The collection names no patients")
    assert about(page, "whose the cells are").alarms == ()


def test_a_broken_promise_alarms_with_its_size(page):
    validation = page.models[0].promise.cells.figures["recall"]
    asked = judged(page, recall=between(validation.estimate - 0.25, 0.0, 1.0))
    gap = {**page.models[0].gap, "recall": between(-0.25, -0.3, -0.2)}
    (said,) = about(changed(asked, gap=gap), "promises of validation").alarms
    assert f"the test gave {validation.estimate - 0.25:.3f}, 0.250 less." in said
    assert about(page, "promises of validation").alarms == ()


@pytest.mark.parametrize(("high", "alarmed"), [(0.9, False), (0.8999, True)])
def test_a_bound_alarms_where_the_whole_interval_lies_below(page, high, alarmed):
    bound = replace(page.searched.objectives, min_recall=0.9)
    asked = judged(replace(page, searched=replace(page.searched, objectives=bound)), recall=between(0.8, 0.7, high))
    alarms = [said for said in about(asked, "bounds of the search").alarms if "Trial 2" in said]
    assert bool(alarms) == alarmed
    if alarmed:
        assert alarms == [
            "Trial 2: the search asks for a recall of at least 0.9, the test gave 0.800, and its whole 95 % interval "
            "(0.700 to 0.900) lies below."
        ]


@pytest.mark.parametrize(
    ("reached", "said"),
    [
        (0.9, None),  # what was guaranteed is enough
        (0.871, "the test gave 0.871, 0.029 less, so it was broken."),
        (0.8999, "the test gave 0.900, less than 0.001 below that, so it was broken."),
    ],
)
def test_a_broken_guarantee_alarms_with_its_size(page, reached, said):
    asked = changed(judged(page, recall=between(reached, 0.5, 0.95)), promised_recall=0.9)
    alarms = about(asked, "guarantees of recall").alarms
    if said is None:
        assert alarms == ()
    else:
        (alarm,) = alarms
        assert alarm.startswith("Trial 2: For other patients a recall of cells of 0.900 or more was promised")
        assert alarm.endswith(said)
    assert about(page, "guarantees of recall").left_out == "none was given"
    waiting = changed(
        replace(page, models=tuple(replace(each, test=None) for each in page.models)), promised_recall=0.9
    )
    assert about(waiting, "guarantees of recall").left_out == "the test is locked"


def test_no_better_than_the_default_alarms(page):
    no_better = {name: between(0.01, -0.03, 0.05) for name in ("recall", "accuracy", "auroc")}
    (said,) = about(changed(page, differences=no_better), "the published CNN").alarms
    assert said == (
        "Trial 2 is not surely better than the published CNN, on the same test cells: recall +0.010 (−0.030 to "
        "+0.050), accuracy +0.010 (−0.030 to +0.050), AUROC +0.010 (−0.030 to +0.050) (95 % intervals)."
    )
    for name in no_better:  # surely better in one of them is better
        better = no_better | {name: between(0.04, 0.01, 0.07)}
        assert about(changed(page, differences=better), "the published CNN").alarms == ()
    (itself,) = about(replace(page, models=page.models[1:]), "the published CNN").alarms
    assert "is the published CNN itself" in itself
    alone = changed(replace(page, models=page.models[:1]), differences={})
    assert about(alone, "the published CNN").left_out == "the published CNN has no complete trial"


def test_before_the_test_validation_says_whether_a_model_is_better(locked):
    assert locked.models[0].differences
    (said,) = about(
        changed(locked, differences=dict.fromkeys(("recall", "accuracy", "auroc"), between(-0.1, -0.2, 0.0))),
        "the published CNN",
    ).alarms
    assert "on the same validation cells: recall −0.100 (−0.200 to +0.000)" in said


@pytest.mark.parametrize(
    ("inside", "area", "alarms"),
    [(0.5, 0.2, False), (0.49, 0.2, True), (0.7, 0.6, False), (0.59, 0.6, True)],  # less than by chance, in large cells
)
def test_heat_mostly_outside_the_cells_alarms(page, inside, area, alarms):
    asked = changed(page, looking=Looking(cells=50, heated=45, inside=inside, area=area))
    said = about(asked, "where the models look").alarms
    assert bool(said) == alarms
    if (inside, area) == (0.49, 0.2):
        assert said == (
            "Trial 2: 51 % of the heat lies outside the cells, which take 20 % of a picture (medians), so the model "
            "may look at something else.",
        )


def test_a_model_without_heat_says_nothing(page):
    cold = about(changed(page, looking=Looking(cells=50, heated=0, inside=None, area=None)), "where the models look")
    assert (cold.alarms, cold.left_out) == ((), "no cell had any heat")


def test_probes_alarm_and_are_named(page):
    probe = Probe(
        name="background", level="patient", figure="AUROC", estimate=0.9, low=0.8, high=1.0, alarm=True, says="x."
    )
    check = about(replace(page, probes=(probe, replace(probe, name="colour means", alarm=False))), "shortcuts")
    assert check.what == "shortcuts (background, colour means)"
    assert check.alarms == ("Background: x.",)


@pytest.mark.usefixtures("undrawn")
def test_the_page_lists_what_was_looked_at(tmp_path):
    with pages.few_draws():
        words = " ".join(pages.written(pages.confirmed(tmp_path / "runx1-1")).words.split())
    assert "Looked at: whose the cells are; how often the test was opened; the number of patients; promises" in words
    assert "Not looked at: guarantees of recall (none was given); where the models look" in words


@pytest.fixture
def undrawn(monkeypatch):
    pages.blank(monkeypatch)
