"""The page of a study: its numbers, what it says in every state, and that it needs nothing else."""

import base64
import itertools
import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from sklearn import metrics

import pages
import studies
from leukmodels.errors import StudyError
from leukmodels.evaluation import read_scores
from leukmodels.evidence import resampling
from pages import Read
from search.page import rendering
from search.page.gathering import page_of
from search.page.writing import write_comparison, write_page

TEST = "confirmed/test/1"


@pytest.fixture(scope="module", autouse=True)
def few_draws():
    """Draw patients less often: what is estimated stays as it is, and how sure it is has tests of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resampling, "DRAWS", 100)
        yield


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    folder = pages.confirmed(tmp_path_factory.mktemp("studies") / "runx1-1")
    return folder, write_page(folder).read_text(encoding="utf-8")


@pytest.fixture
def study(original, tmp_path):
    """A copy that a test may change."""
    shutil.copytree(original[0].path, tmp_path / "runx1-1")
    return type(original[0])(tmp_path / "runx1-1")


@pytest.fixture
def undrawn(monkeypatch):
    """Leave the figures blank, where only words and tables are looked at: drawing takes most of the time."""
    monkeypatch.setattr(rendering, "_svg", lambda figure: "data:image/svg+xml;base64,")


def written(folder):
    return Read(write_page(folder).read_text(encoding="utf-8"))


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
    labels, values, patients = scores(folder, f"{TEST}/2.parquet")
    if unit == "patients":
        labels, values = of_patients(labels, values, patients)
    expected = metrics.classification_report(labels, values >= 0.4, output_dict=True, zero_division=0)
    tables = [table for table in Read(text).tables if table[0][:2] == ["class", "precision"]]
    rows = {row[0]: row[1:] for row in tables[place]}
    for name, key in [
        ("control", "0"),
        ("leukemia", "1"),
        ("macro average", "macro avg"),
        ("weighted average", "weighted avg"),
    ]:
        wanted = [expected[key][figure] for figure in ("precision", "recall", "f1-score", "support")]
        assert numbers(rows[name]) == pytest.approx(wanted, abs=5.1e-4), name
    assert numbers(rows["accuracy"][2:]) == pytest.approx([expected["accuracy"], len(labels)], abs=5.1e-4)


def test_the_figures_are_those_of_the_scores(original):
    folder, text = original
    labels, values, patients = scores(folder, f"{TEST}/2.parquet")
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
        for row, file in ((before + 1, f"trials/{trial:05d}/scores.parquet"), (before + 2, f"{TEST}/{trial}.parquet")):
            labels, values, _ = scores(folder, file)
            said[rows[row][0]] = metrics.recall_score(labels, values >= threshold)
            assert numbers(rows[row][1:2]) == pytest.approx([said[rows[row][0]]], abs=5.1e-4)
        assert numbers(rows[before + 3][1:2]) == pytest.approx([said["test"] - said["validation"]], abs=5.1e-4)


def test_recall_at_a_specificity_takes_its_threshold_from_validation(original):
    folder, text = original
    labels, values, _ = scores(folder, f"{TEST}/2.parquet")
    own_labels, own, _ = scores(folder, "trials/00002/scores.parquet")
    rows = Read(text).table("specificity wanted")
    for wanted in (0.90, 0.95):
        threshold, specificity, recall = numbers(rows[f"{100 * wanted:.0f} %"])
        healthy = np.sort(own[own_labels == 0])
        allowed = int(np.floor((1 - wanted) * len(healthy) + 1e-9))
        assert healthy[-allowed - 1] <= threshold + 5e-4  # so many alarms and no more
        assert np.mean(own[own_labels == 0] < threshold + 5e-4) >= wanted
        called = values >= threshold
        assert specificity == pytest.approx(np.mean(~called[labels == 0]), abs=0.03)
        assert recall == pytest.approx(np.mean(called[labels == 1]), abs=0.03)


@pytest.mark.usefixtures("undrawn")
def test_predictive_values_follow_bayes(study):
    page = Read(write_page(study, prevalence=0.05).read_text(encoding="utf-8"))
    labels, values, patients = scores(study, f"{TEST}/2.parquet")
    truth, score = of_patients(labels, values, patients)
    recall, specificity = np.mean(score[truth == 1] >= 0.4), np.mean(score[truth == 0] < 0.4)
    rows = page.table("healthy if called healthy")
    assert [*rows][1:] == ["5 %, as asked for"]
    positive = 0.05 * recall / (0.05 * recall + 0.95 * (1 - specificity))
    negative = 0.95 * specificity / (0.95 * specificity + 0.05 * (1 - recall))
    assert numbers(rows["5 %, as asked for"]) == pytest.approx([positive, negative], abs=5.1e-4)


def test_every_patient_called_wrongly_is_named(original):
    folder, text = original
    labels, values, patients = scores(folder, f"{TEST}/0.parquet")
    truth, score = of_patients(labels, values, patients)
    wrong = np.unique(patients)[(score >= 0.5) != (truth == 1)]
    assert len(wrong)
    tables = [table for table in Read(text).tables if table[0][0] == "patient"]
    assert [row[0] for row in tables[-1][1:]] == wrong.tolist()


def test_the_page_needs_nothing_else(original):
    _, text = original
    page = Read(text)
    assert not {"script", "link", "iframe", "object", "embed", "base"} & {tag for tag, _ in page.tags}
    for _, attributes in page.tags:
        assert not any(name.startswith("on") for name in attributes)
        assert str(attributes.get("src", "data:image/")).startswith("data:image/")
        assert str(attributes.get("href", "#")).startswith("#")
    style = text[text.index("<style>") : text.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style


def test_pictures_are_told_and_links_lead_somewhere(original):
    page = Read(original[1])
    assert len(page.of("img")) >= 9
    assert all(len(str(image["alt"])) > 20 for image in page.of("img"))
    ids = {attributes.get("id") for _, attributes in page.tags}
    assert {str(link["href"])[1:] for link in page.of("a")} <= ids
    headings = [tag for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert headings.count("h1") == 1
    assert all(int(after[1]) - int(before[1]) <= 1 for before, after in itertools.pairwise(headings))


def test_figures_can_be_read_without_colour(original):
    for image in Read(original[1]).of("img"):
        drawn = base64.b64decode(str(image["src"]).partition("base64,")[2]).decode()
        for red, green, blue in re.findall(r"#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})\b", drawn):
            assert red == green == blue


def test_the_same_files_give_the_same_page(original):
    folder, text = original
    assert write_page(folder).read_text(encoding="utf-8") == text


STATES = {
    "begun": ("No trial is complete", "there is no model to judge", "are locked"),
    "no front": ("No trial keeps the bounds", "all 1 complete trials are beyond a bound", "are locked"),
    "searched": ("VALIDATION ONLY", "The model of trial 2", "was not trained again yet"),
    "retrained": ("VALIDATION ONLY", "could not be trained 1 of 3 times", "are locked"),
    "unfinished": ("VALIDATION ONLY", "begun and not finished", "opened once"),
    "opened": ("opened once", "the locked test", "minus the published CNN"),
    "opened twice": ("opened 2 times", "less honest", "The test patients were opened 2 times."),
}


def in_state(state, path):
    match state:
        case "begun":
            folder = studies.begin(path)
        case "no front":
            folder = studies.begin(path)
            with studies.recording(folder) as recorder:
                studies.run(recorder, 0, 1.0, 0.0)
            pages.write_scores(folder.trial(0) / "scores.parquet", 0)
        case "searched":
            folder = pages.searched(path)
        case "retrained":
            folder = pages.searched(path)
            pages.retrain(folder)
        case "unfinished":
            folder = pages.searched(path)
            pages.retrain(folder)
            pages.open_test(folder, 1, unfinished=True)
        case "opened":
            folder = pages.confirmed(path)
        case "opened twice":
            folder = pages.confirmed(path)
            pages.open_test(folder, 2)
    return folder


@pytest.mark.parametrize("state", STATES)
def test_a_study_has_a_page_in_every_state(state, tmp_path, request):
    folder = in_state(state, tmp_path / "runx1-1")
    if state not in ("begun", "no front", "searched"):  # the figures of the others are those of ``original``
        request.getfixturevalue("undrawn")
    page = written(folder)
    for said in STATES[state]:
        assert " ".join(said.split()) in " ".join(page.words.split()), said
    assert ("VALIDATION ONLY" in page.words) == (state in {"searched", "retrained", "unfinished"})


@pytest.mark.usefixtures("undrawn")
def test_studies_stand_side_by_side_with_what_was_published(original, tmp_path):
    folders = [original[0], pages.searched(tmp_path / "searched"), studies.begin(tmp_path / "begun")]
    page = Read(write_comparison(folders, tmp_path / "c.html").read_text(encoding="utf-8"))
    rows = page.tables[0]
    labels, values, _ = scores(folders[0], f"{TEST}/2.parquet")
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


@pytest.mark.usefixtures("undrawn")
def test_drawn_data_are_said_to_be_and_others_are_not(study):
    assert "SYNTHETIC DATA" in written(study).words
    pages.told(study, synthetic=False)
    page = written(study)
    assert "SYNTHETIC" not in page.words
    assert "One laboratory" in page.words
    assert "genotype" in page.words


@pytest.mark.usefixtures("undrawn")
def test_without_patients_nothing_is_said_of_patients(study):
    pages.told(study, patient_level=False)
    page = written(study)
    assert "names no patients" in page.words
    assert "Predictive values" not in " ".join(cell for table in page.tables for row in table for cell in row)
    assert all(row[0] != "patient" for table in page.tables for row in table)


@pytest.mark.usefixtures("undrawn")
def test_what_comes_from_data_is_escaped(study):
    evil = '<b onclick="x">&"'
    study.quarantine.write_text(
        f'path,sha256,reason\n"<script>alert(1)</script>",0,"{evil.replace(chr(34), chr(34) * 2)}"\n'
    )
    pages.told(study, quarantined=1)
    path = study.path / TEST / "0.parquet"
    table = read_scores(path)
    column = pa.array([evil + name for name in table["patient"].to_pylist()])
    pq.write_table(table.set_column(1, "patient", column), path)
    page = written(study)
    assert not page.of("script")
    assert not page.of("b")
    assert "<script>alert(1)</script>" in page.words
    assert f"{evil}T" in page.words


@pytest.mark.usefixtures("undrawn")
def test_probes_and_examples_are_shown_where_they_are(study):
    place = study.path / TEST
    probe = {
        "name": "background alone",
        "level": "patient",
        "figure": "AUROC",
        "estimate": 0.9,
        "low": 0.8,
        "high": 0.97,
    }
    probes = [
        probe | {"alarm": True, "says": "The slide tells the class."},
        probe | {"name": "colour", "alarm": False, "says": "As by chance."},
    ]
    probes.append(
        probes[1] | {"name": "nothing", **dict.fromkeys(("estimate", "low", "high")), "says": "Not applicable."}
    )
    (study.confirmed / "probes.json").write_text(json.dumps(probes))
    example = {"image": "T00/image_1.tif", "patient": "T00", "score": 0.9, "label": 0, "inside": 0.25, "area": 0.2}
    (place / "2").mkdir()
    Image.new("RGB", (16, 16)).save(place / "2" / "a.png")
    examples = [example | {"kind": kind, "picture": "a.png", "heat": "a.png"} for kind in ("alarmed", "found")]
    examples.append(example | {"kind": "missed", "picture": "a.png", "heat": "a.png", "inside": None})
    (place / "2" / "examples.json").write_text(json.dumps(examples))
    (place / "2" / "heat.json").write_text(json.dumps({"cells": 50, "inside": 0.75, "area": 0.2}))
    page = written(study)
    assert "background alone: The slide tells the class." in page.words
    assert "colour: As by chance." not in page.words
    assert "have not been run" not in page.words
    assert page.words.index("leukemic, called leukemic") < page.words.index("healthy, called leukemic")
    assert "25 % of the heat inside the cell" in page.words
    assert "no heat" in page.words
    assert "75 % of the heat lies inside the cell (median), which takes 20 % of the picture" in " ".join(
        page.words.split()
    )


def test_scores_that_are_gone_are_missed(study):
    (study.path / TEST / "2.parquet").unlink()
    with pytest.raises(StudyError, match=r"2\.parquet is missing"):
        write_page(study)


def test_no_image_no_model_and_no_server_is_asked(original):
    folder, _ = original
    code = (
        "import sys\nfrom pathlib import Path\nfrom search.folder import StudyFolder\n"
        "from leukmodels.evidence import resampling\nfrom search.page.writing import write_page\n"
        "resampling.DRAWS = 20\n"
        f"write_page(StudyFolder(Path({str(folder.path)!r})))\n"
        "found = sorted({'tensorflow', 'keras', 'ray', 'mlflow'} & set(sys.modules))\n"
        "sys.exit(str(found) if found else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert not done.returncode, done.stderr


@pytest.mark.parametrize("figure", ["recall", "auroc", "brier"])
def test_the_gap_is_less_sure_than_either_end_and_surer_than_both_together(original, figure):
    model = page_of(original[0]).models[0]
    before, after, gap = (of[figure] for of in (model.promise.cells.figures, model.test.cells.figures, model.gap))
    assert gap.estimate == pytest.approx(after.estimate - before.estimate)
    widths = [each.high - each.low for each in (before, after, gap)]
    assert max(widths[:2]) < widths[2] < sum(widths[:2])


@pytest.mark.usefixtures("undrawn")
def test_a_promise_that_chance_does_not_explain_alarms(study):
    assert "Chance does not explain" not in written(study).words
    pages.write_scores(study.path / TEST / "2.parquet", 50, prefix="T", lean=-2.0)
    assert "Chance does not explain" in written(study).words


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


@pytest.fixture
def browser():
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not found:
        pytest.skip("no Chromium on this machine (Debian: apt-get install chromium)")
    return found


@pytest.mark.parametrize("width", [1280, 400])
def test_a_browser_shows_it_without_scrolling_sideways(original, browser, tmp_path, width):
    measured = "<script>document.title = [innerWidth, document.documentElement.scrollWidth]</script>"
    (tmp_path / "page.html").write_text(original[1].replace("</body>", f"{measured}</body>"), encoding="utf-8")
    told = [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}", "--dump-dom"]
    # Headless Chromium makes no window narrower than 500 px; a frame is as narrow as it is told to be.
    frame = f'<iframe src="page.html" style="width:{width}px;height:900px"></iframe>'
    (tmp_path / "frame.html").write_text(frame)
    shown = subprocess.run(
        [*told, f"--window-size={width + 100},1000", f"file://{tmp_path}/page.html"],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    ).stdout
    inner, scrolled = map(int, re.search(r"<title>(\d+),(\d+)</title>", shown).groups())
    assert scrolled <= inner
