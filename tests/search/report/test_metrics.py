"""Every number of a study's page is that of the scores in its files, computed here by other means."""

import json
import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.stats import norm
from sklearn import metrics

import pages
import studies
from leukmodels.evaluation.interval import Interval
from leukmodels.training.scoring import read_scores
from pages import Read, written
from search.report import render
from search.report.build import page_of
from search.report.figures import figures_of
from search.report.metrics import beyond_luck
from search.report.write import write_comparison, write_page
from search.study.disclosure import Disclosure, Names
from search.study.opened import Study
from studies import stored


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    folder = pages.confirmed(tmp_path_factory.mktemp("studies") / "runx1-1")
    with pages.few_draws():
        yield folder, write_page(folder).read_text(encoding="utf-8")


@pytest.fixture
def study(original, tmp_path):
    return pages.copied(original[0], tmp_path)


@pytest.fixture
def undrawn(monkeypatch):
    pages.blank(monkeypatch)


def scores(folder, file):
    """Return labels, scores and patients of a file of scores."""
    table = read_scores(folder.path / file)
    return tuple(table[name].to_numpy(zero_copy_only=False) for name in ("label", "score", "patient"))


def of_patients(labels, values, patients):
    names = np.unique(patients)
    return (
        np.array([labels[patients == name][0] for name in names]),
        np.array([values[patients == name].mean() for name in names]),
    )


def numbers(cells):
    """Return the numbers that cells begin with."""
    return [float(re.match(r"[−\d.,+]+", cell).group().replace(",", "").replace("−", "-")) for cell in cells]


@pytest.mark.parametrize(("unit", "place"), [("cells", 0), ("patients", 1)])
def test_the_table_of_classes_is_that_of_the_scores(original, unit, place):
    folder, text = original
    labels, values, patients = scores(folder, f"{pages.TEST}/2.parquet")
    if unit == "patients":
        labels, values = of_patients(labels, values, patients)
    expected = metrics.classification_report(labels, values >= 0.4, output_dict=True, zero_division=0)
    tables = [table for table in Read(text).tables if table[0][:2] == ["class", "precision"]]
    rows = {row[0]: row[1:] for row in tables[place]}
    for name, key in [
        ("healthy", "0"),
        ("leukemic", "1"),
        ("macro average", "macro avg"),
        ("weighted average", "weighted avg"),
    ]:
        wanted = [expected[key][figure] for figure in ("precision", "recall", "f1-score", "support")]
        assert numbers(rows[name]) == pytest.approx(wanted, abs=5.1e-4), name
    assert numbers(rows["accuracy"]) == pytest.approx([expected["accuracy"], len(labels)], abs=5.1e-4)


def test_the_figures_are_those_of_the_scores(original):
    folder, text = original
    labels, values, patients = scores(folder, f"{pages.TEST}/2.parquet")
    rows = Read(text).table("Brier score")
    for column, (truth, score) in enumerate([(labels, values), of_patients(labels, values, patients)]):
        called = score >= 0.4
        for name, wanted in {
            "recall (sensitivity)": metrics.recall_score(truth, called),
            "specificity": metrics.recall_score(truth, called, pos_label=0),
            "accuracy": metrics.accuracy_score(truth, called),
            "balanced accuracy": metrics.balanced_accuracy_score(truth, called),
            "precision": metrics.precision_score(truth, called),
            "F1": metrics.f1_score(truth, called),
            "AUROC": metrics.roc_auc_score(truth, score),
            "area under precision-recall": metrics.average_precision_score(truth, score),
            "Brier score (lower is better)": metrics.brier_score_loss(truth, score),
        }.items():
            estimate, low, high = (float(word) for word in rows[name][column].replace("to ", "").split())
            assert estimate == pytest.approx(wanted, abs=5.1e-4), name
            assert low <= estimate <= high, name


def test_promise_and_test_stand_side_by_side(original):
    folder, text = original
    rows = next(table for table in Read(text).tables if table[0][:2] == ["part", "recall"])
    for before, (trial, threshold) in {1: (2, 0.4), 5: (0, 0.5)}.items():
        said = {}
        for row, file in (
            (before + 1, f"trials/{trial:05d}/scores.parquet"),
            (before + 2, f"{pages.TEST}/{trial}.parquet"),
        ):
            labels, values, _ = scores(folder, file)
            said[rows[row][0]] = metrics.recall_score(labels, values >= threshold)
            assert numbers(rows[row][1:2]) == pytest.approx([said[rows[row][0]]], abs=5.1e-4)
        assert numbers(rows[before + 3][1:2]) == pytest.approx([said["test"] - said["validation"]], abs=5.1e-4)


@pytest.mark.parametrize("unit", ["cells", "patients"])
@pytest.mark.parametrize("wanted", [0.90, 0.95])
def test_recall_at_a_specificity_takes_its_threshold_from_validation(original, unit, wanted):
    folder, text = original
    promised, tested = scores(folder, "trials/00002/scores.parquet"), scores(folder, f"{pages.TEST}/2.parquet")
    (own_labels, own), (labels, values) = (
        of_patients(*each) if unit == "patients" else each[:2] for each in (promised, tested)
    )
    alarms, found, thresholds = metrics.roc_curve(own_labels, own, drop_intermediate=False)
    best = found[alarms <= 1 - wanted + 1e-9].max()
    at = int(np.argmax(found == best))  # the most specific of those with this recall
    lower = np.max(own[own < thresholds[at]])
    threshold = (min(thresholds[at], 1.0) + lower) / 2  # between two scores
    called = values >= threshold
    said = numbers(Read(text).table("specificity wanted")[f"{100 * wanted:.0f} % of {unit}"])
    reached = [np.mean(~called[labels == 0]), np.mean(called[labels == 1])]
    assert said == pytest.approx([threshold, *reached], abs=5.1e-4)


def test_curves_begin_and_trials_are_told_apart_as_their_legends_say(original):
    folder, _ = original
    drawn = figures_of(page_of(Study.open(folder)))
    labels, values, _ = scores(folder, f"{pages.TEST}/2.parquet")
    (axes,) = drawn["precision_recall"].axes
    first = next(line for line in axes.lines if str(line.get_label()).startswith("trial 2"))
    before = np.sum((labels == 0) & (values > values[labels == 1].max()))  # without a found cell there is no precision
    assert (first.get_xdata()[0], first.get_ydata()[0]) == pytest.approx((1 / labels.sum(), 1 / (1 + before)))
    for name in ("precision_recall", "operating"):  # where no curve can lie
        assert drawn[name].axes[0].get_legend() is None
        assert len(drawn[name].legends) == 1
    marks = {str(each.get_label()): len(each.get_offsets()) for each in drawn["operating"].axes[0].collections}
    kinds = {"on the front": 2, "behind it": 1, "beyond a bound": 1}
    assert marks == {f"threshold 0.5, {kind}": count for kind, count in kinds.items()}


@pytest.mark.usefixtures("undrawn")
def test_predictive_values_follow_bayes(study):
    page = Read(write_page(study, prevalence=0.05).read_text(encoding="utf-8"))
    labels, values, patients = scores(study, f"{pages.TEST}/2.parquet")
    truth, score = of_patients(labels, values, patients)
    recall, specificity = np.mean(score[truth == 1] >= 0.4), np.mean(score[truth == 0] < 0.4)
    rows = page.table("healthy if called so (NPV)")
    assert [*rows][1:] == ["5 %, as asked for"]
    positive = 0.05 * recall / (0.05 * recall + 0.95 * (1 - specificity))
    negative = 0.95 * specificity / (0.95 * specificity + 0.05 * (1 - recall))
    assert numbers(rows["5 %, as asked for"]) == pytest.approx([positive, negative], abs=5.1e-4)
    assert "the cells' threshold, never settled" in " ".join(page.words.split())


@pytest.mark.usefixtures("undrawn")
def test_a_rare_disease_has_a_prevalence_above_none(study):
    assert "0.004 %, as asked for" in Read(write_page(study, prevalence=4e-5).read_text(encoding="utf-8")).words


def test_every_patient_called_wrongly_is_named(original):
    folder, text = original
    labels, values, patients = scores(folder, f"{pages.TEST}/0.parquet")
    truth, score = of_patients(labels, values, patients)
    wrong = np.unique(patients)[(score >= 0.5) != (truth == 1)]
    assert len(wrong)
    tables = [table for table in Read(text).tables if table[0][0] == "patient"]
    names = Names(folder, Disclosure())
    assert [row[0] for row in tables[-1][1:]] == [names.patient(name) for name in wrong.tolist()]


@pytest.mark.usefixtures("undrawn")
def test_studies_stand_side_by_side_with_what_was_published(original, tmp_path):
    folders = [original[0], pages.searched(tmp_path / "searched"), studies.begin(tmp_path / "begun")]
    page = Read(write_comparison(folders, tmp_path / "c.html").read_text(encoding="utf-8"))
    rows = page.tables[0]
    labels, values, _ = scores(folders[0], f"{pages.TEST}/2.parquet")
    ours = next(row for row in rows if row[0] == "trial 2")
    assert ours[1:3] == [f"{len(labels)} cells", "by patient, locked test"]
    assert numbers(ours[3:4]) == pytest.approx([metrics.recall_score(labels, values >= 0.4)], abs=5.1e-4)
    assert {row[2] for row in rows if row[0] == "trial 2"} == {"by patient, locked test", "by patient, validation only"}
    published = [row for row in rows if row[0] == "published CNN (slides)"]
    assert [row[2:5] for row in published] == 3 * [["not stated; by image is likely", "0.940", "0.910"]]
    assert "the published CNN, trained here" in {row[0] for row in rows}
    assert "No trial is complete" in page.words
    assert page.words.count("SYNTHETIC DATA") == 1
    assert not page.of("script")
    assert "share one set of controls" not in page.words  # all are of one task


@pytest.mark.usefixtures("undrawn")
def test_rows_of_tasks_that_share_their_controls_are_said_to_depend(original, tmp_path):
    other = studies.begin(tmp_path / "pml")
    manifest = stored(other)
    manifest["task"]["name"] = "pml_rara"
    other.manifest.write_text(json.dumps(manifest), encoding="utf-8")
    page = Read(write_comparison([original[0], other], tmp_path / "c.html").read_text(encoding="utf-8"))
    assert "share one set of controls, so their rows are not independent" in " ".join(page.words.split())
    assert any(row[0] == "SCEMILA, Hehr 2023" and "F1 0.86" in row[2] for row in page.tables[0])


@pytest.mark.parametrize("figure", ["recall", "auroc", "brier"])
def test_the_gap_is_less_sure_than_either_end_and_surer_than_both_together(original, figure):
    model = page_of(Study.open(original[0])).models[0]
    before, after, gap = (of[figure] for of in (model.promise.cells.figures, model.test.cells.figures, model.gap))
    assert gap.estimate == pytest.approx(after.estimate - before.estimate)
    widths = [each.high - each.low for each in (before, after, gap)]
    assert max(widths[:2]) < widths[2] < sum(widths[:2])


@pytest.mark.usefixtures("undrawn")
def test_a_promise_that_is_broken_by_more_than_luck_alarms(study):
    assert "more than these patients explain" not in written(study).words
    pages.write_scores(study.path / pages.TEST / "2.parquet", 50, prefix="T", lean=-2.0)
    words = written(study).words
    assert "That is more than these patients explain" in words
    assert "the best of many trials is partly lucky, too" in " ".join(words.split())


@pytest.mark.parametrize("figures", [1, 8, 16])
def test_of_many_gaps_each_has_a_share_of_the_level(figures):
    for far, alarms in ((norm.isf(0.025 / figures) + 0.01, True), (norm.isf(0.025 / figures) - 0.01, False)):
        reach = norm.isf(0.025)
        assert beyond_luck(Interval(estimate=-far, low=-far - reach, high=-far + reach), figures) == alarms


@pytest.mark.usefixtures("undrawn")
def test_a_recall_rests_on_the_leukemic_patients(tmp_path):
    folder = pages.searched(tmp_path / "runx1-1")
    for trial in range(4):
        pages.write_scores(folder.trial(trial) / "scores.parquet", trial, patients=11)  # every second is leukemic
    words = " ".join(written(folder).words.split())
    assert "it rests on 5 leukemic patients, however many cells" in words


@pytest.mark.parametrize(("value", "shown"), [(-4e-4, "0.000"), (4e-4, "0.000"), (-6e-4, "−0.001")])
def test_no_zero_has_a_sign_of_its_own(value, shown):
    assert render._between(Interval(estimate=value, low=-1.0, high=1.0)).startswith(f"{shown} (−1.000 to")
    assert "−0.000" not in render._between(Interval(estimate=value, low=value, high=value), signed=True)


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize(("promised", "became"), [(0.2, "kept"), (0.99, "broken")])
def test_what_became_of_a_promise_is_told(tmp_path, promised, became):
    folder = pages.searched(tmp_path / "runx1-1")
    pages.open_test(folder, 1, promised=promised)
    words = " ".join(written(folder).words.split())
    assert f"a recall of cells of {promised:.3f} or more was promised with 95 % confidence" in words
    assert f"so it was {became}." in words
    assert words.count("so it was broken.") == (2 if became == "broken" else 0)  # on the first screen, too


@pytest.mark.usefixtures("undrawn")
def test_patients_with_cells_of_both_classes_are_not_judged(tmp_path):
    folder = pages.searched(tmp_path / "runx1-1")
    for file in folder.trials.glob("*/scores.parquet"):
        table = read_scores(file)
        labels = [1 - table["label"][0].as_py(), *table["label"][1:].to_pylist()]
        pq.write_table(table.set_column(2, "label", pa.array(labels, pa.int8())), file)
    page = written(folder)
    assert "Some patients have cells of both classes" in page.words
    assert "91 single cells of 12 patients" in page.words
    assert "Patients called wrongly" not in page.words
