"""The page of a study: what it says in every state, and that it needs nothing else."""

import base64
import itertools
import json
import re
import shutil
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

import pages
import studies
from leukmodels.dataset.split import Split
from leukmodels.errors import StudyError
from leukmodels.process.files import digest
from leukmodels.training.scoring import read_scores
from pages import Read, written
from search.report.build import broken_in_test
from search.report.write import write_page
from search.study.disclosure import Disclosure
from search.study.journal import Journal
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
    "no front": ("No trial keeps the bounds", "none of 1 complete trial keeps the bounds", "are locked"),
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
def test_drawn_data_are_said_to_be_and_others_are_not(study):
    assert "SYNTHETIC DATA" in written(study).words
    pages.told(study, synthetic=False)
    page = written(study)
    assert "SYNTHETIC" not in page.words
    assert "One laboratory" in page.words
    assert "genotype" in page.words


@pytest.mark.usefixtures("undrawn")
def test_no_folder_of_the_machine_is_told(study):
    root = stored(study)["data"]["root"]
    pages.told(study, notes=[f"Left out: 12 images of the final test phase in {root}/phase_3/data."])
    words = written(study).words
    assert "in phase_3/data." in words
    assert root not in words


@pytest.mark.usefixtures("undrawn")
def test_without_patients_nothing_is_said_of_patients(study):
    pages.told(study, patient_level=False)
    page = written(study)
    assert "names no patients" in page.words
    assert "Predictive values" not in " ".join(cell for table in page.tables for row in table for cell in row)
    assert all(row[0] != "patient" for table in page.tables for row in table)


@pytest.mark.fault("files", "HTML in paths, reasons and names of patients", "escaped on the page")
@pytest.mark.usefixtures("undrawn")
def test_what_comes_from_data_is_escaped(study):
    evil = '<b onclick="x">&"'
    study.quarantine.write_text(
        f'path,sha256,reason\n"<script>alert(1)</script>",0,"{evil.replace(chr(34), chr(34) * 2)}"\n'
    )
    pages.told(study, quarantined=1)
    path = study.path / pages.TEST / "0.parquet"
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
    place = study.path / pages.TEST
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
    (place / "2" / "heat.json").write_text(json.dumps({"cells": 50, "heated": 45, "inside": 0.75, "area": 0.2}))
    page = written(study)
    assert "Background alone: The slide tells the class." in page.words
    assert "Colour: As by chance." not in page.words
    assert "have not been run" not in page.words
    words = " ".join(page.words.split())
    kinds = ["disputes: leukemic cells", "disputes: healthy cells", "agrees: leukemic cells"]
    places = [words.index(kind) for kind in kinds]
    assert places == sorted(places)
    assert "agrees: healthy" not in words  # there is none
    assert "25 % of the heat inside the cell" in words
    assert "no heat" in words
    assert "Of 50 test cells, of all patients alike, 45 had heat. Of these 75 % of the heat lies inside" in words
    assert "These cells are not typical" in words


@pytest.mark.usefixtures("undrawn")
def test_examples_of_the_first_model_are_open_and_the_others_folded(study):
    for trial in (2, 0):
        place = study.path / pages.TEST / str(trial)
        place.mkdir()
        Image.new("RGB", (16, 16)).save(place / "a.png")
        example = {"kind": "found", "image": "T00/image_1.tif", "patient": "T00", "score": 0.9, "label": 1}
        shown = example | {"inside": 0.25, "area": 0.2, "picture": "a.png", "heat": "a.png"}
        (place / "examples.json").write_text(json.dumps([shown]))
    shown = write_page(study, disclosure=Disclosure(pictures=True)).read_text(encoding="utf-8")
    section = shown.partition('<section id="looking">')[2]
    opened, _, folded = section.partition("</section>")[0].partition("<details>")
    assert "Trial 2," in opened
    assert opened.count("<figure>") == 1
    assert "Trial 0," in folded
    assert folded.count("<figure>") == 1
    assert "T00" not in section
    assert (
        "<figure>"
        not in write_page(study)
        .read_text(encoding="utf-8")
        .partition('<section id="looking">')[2]
        .partition("</section>")[0]
    )


@pytest.mark.usefixtures("undrawn")
def test_a_page_names_nobody_unless_asked_to(study):
    rows = "/data/T/T00/image_9.tif,ab,the same bytes as /data/T/T01/image_1.tif"
    study.quarantine.write_text(f"path,sha256,reason\n{rows}\n")
    pages.told(study, root="/data/T", quarantined=1, notes=["T00 is in two folders.", "5 images are grey."])
    Split(part_of={"T00": "test", "P01": "train"}).save(study.split)
    discrete = write_page(study).read_text(encoding="utf-8")
    assert not re.search(r"\bT0\d\b|image_\d|P01", discrete)
    assert "5 images are grey." in discrete
    assert "Notes of the reader that name some: 1, left out" in discrete
    named = written(study).words
    assert "T00 is in two folders." in named
    assert "T00/image_9.tif: the same bytes as T01/image_1.tif" in named


def test_words_of_a_table_stay_where_the_table_scrolls(original):
    boxes = re.findall(r'<div class="wide".*?</div>', original[1], re.DOTALL)
    assert len(boxes) == len(Read(original[1]).tables)
    assert not any("caption" in box for box in boxes)
    for box in boxes:  # the first column, which stays, names the row
        assert all(row.startswith("<th") for row in re.findall(r"<tr[^>]*>(.*?)</tr>", box, re.DOTALL))


def test_scores_that_are_gone_are_missed(study):
    (study.path / pages.TEST / "2.parquet").unlink()
    with pytest.raises(StudyError, match=r"2\.parquet is missing"):
        write_page(study)


def test_scores_that_are_not_what_the_test_gave_are_refused(study):
    scores = study.path / pages.TEST / "2.parquet"
    with Journal(study.journal) as journal:
        journal.append("tested", opening=1, trial=2, metrics={}, sha256={"scores.parquet": digest(scores)})
    write_page(study)
    shutil.copyfile(study.path / pages.TEST / "0.parquet", scores)
    with pytest.raises(StudyError, match=r"2\.parquet is not the file that opening 1 of the test gave"):
        write_page(study)


def test_a_model_that_is_not_the_one_that_was_tested_is_not_reported_on(study):
    model = study.trial(2) / "model.keras"
    model.write_bytes(b"tested")
    with Journal(study.journal) as journal:
        journal.append("tested", opening=1, trial=2, metrics={}, sha256={"model.keras": digest(model)})
    write_page(study)
    model.write_bytes(b"another")
    with pytest.raises(StudyError, match=r"model\.keras is not the file that the test was opened for"):
        write_page(study)


@pytest.mark.parametrize(("bound", "broken"), [(0.0, False), (0.999, True)])
def test_a_bound_of_the_search_that_the_test_refutes_alarms(study, bound, broken):
    manifest = stored(study)
    manifest["aims"]["min_recall"] = bound
    study.manifest.write_text(json.dumps(manifest))
    said = broken_in_test(Study.open(study), 2)
    assert (
        any("Trial 2: the search asks for a recall of at least 0.999, the test gave 0." in each for each in said)
        == broken
    )
    assert ("the search asks for a recall" in written(study).words) == broken
    assert broken_in_test(Study.open(study), 1) == ()  # which the test was never opened for


def test_no_image_no_model_and_no_server_is_asked(original):
    folder, _ = original
    code = (
        "import sys\nfrom pathlib import Path\nfrom search.study.folder import StudyFolder\n"
        "from leukmodels.evaluation import resampling\nfrom search.report.write import write_page\n"
        "resampling.DRAWS = 20\n"
        f"write_page(StudyFolder(Path({str(folder.path)!r})))\n"
        "found = sorted({'tensorflow', 'keras', 'ray', 'mlflow'} & set(sys.modules))\n"
        "sys.exit(str(found) if found else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert not done.returncode, done.stderr


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
