"""Words follow the data: of a cohort without patient ids, and a task of one's own, nothing speaks of patients.

Everything that a study says is rendered from one that was confirmed on real files, and read as a whole. What may stand
is named here: the warning that nobody is named, and names of this software, its options and formats.
"""

import contextlib
import csv
import io
import json
import re
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from PIL import Image

import pages
from confirming import Toys, searched_in
from leukmodels import collections
from leukmodels.collections.folders import NO_PATIENTS
from leukmodels.collections.source import open_source
from leukmodels.collections.tasks import find_task
from leukmodels.dataset.split import split_patients
from leukmodels.errors import UserError
from leukmodels.predictor.__main__ import main as predict
from search import status
from search.confirm.confirmation import confirm
from search.confirm.options import ConfirmOptions
from search.display.text import SYNTHETIC
from search.export.__main__ import main as export
from search.report.gallery import write_gallery
from search.report.text import LEAKY
from search.report.write import write_comparison, write_page
from search.run import dry_run
from search.run.planning import plan_again
from search.selection.operating_point import select_operating_point
from search.selection.preference import Preference
from search.study.disclosure import Disclosure
from search.study.opened import Study
from search.tracking.follower import catch_up
from search.tracking.store import connect
from search.tracking.tracker import default_uri

pytestmark = pytest.mark.keras

TASK = """
name = "blasts"
reader = "folders"
disease = ["MYO"]
control = ["LYT", "MON"]
positive = "blast"
negative = "mature"
"""
MAY_STAND = [
    *(LEAKY, NO_PATIENTS, SYNTHETIC),
    "patient and public involvement (19)",  # what the checklist calls an item
    *("class_balance patients", "config.cells_per_patient"),  # an option, and a value of a hyperparameter
    "patient_level",  # the key that says that there are none
    *("leukemia-search", "leukemia_search"),
]
FORBIDDEN = re.compile(r"patient|leuk[ae]mi|healthy|subject", re.IGNORECASE)


def others(text: str) -> list[str]:
    """Return what stands around each word of other data in a text."""
    text = " ".join(text.split())
    for each in MAY_STAND:
        text = text.replace(" ".join(each.split()), "")
    return [text[max(0, found.start() - 60) : found.end() + 60] for found in FORBIDDEN.finditer(text)]


@pytest.fixture(scope="module")
def confirmed(session, tmp_path_factory):
    """Return the study, what its confirmation printed, and the folder that all of it is in."""
    place = tmp_path_factory.mktemp("words")
    rng = np.random.default_rng(0)
    for name in ("MYO", "LYT", "MON"):
        (place / "cells" / name).mkdir(parents=True)
        for number in range(30):
            pixels = rng.integers(0, 256, (20, 20, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(place / "cells" / name / f"{number}.png")
    (place / "cells" / "MYO" / "again.png").write_bytes((place / "cells" / "MYO" / "0.png").read_bytes())
    (place / "blasts.toml").write_text(TASK)
    folder = searched_in(place / "cells", place, task=str(place / "blasts.toml"))
    for toy in folder.trials.glob("*/model.keras"):
        a_model().save(toy)
    (place / "log").mkdir()
    plan = plan_again(folder, given={}, cache=place / "cache", command="confirm")
    asked = ConfirmOptions(study="study", members=2, folds=3, seeds=1, choose=2)
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        confirm(plan, asked, session, models=Toys(place / "log"))
        confirm(plan, asked.model_copy(update={"again": True}), session, models=Toys(place / "log"))
    with_examples(folder, "confirmed/test/2")
    return folder, said.getvalue(), place


def a_model():
    return keras.Sequential(
        [
            keras.Input((16, 16, 3)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )


def with_examples(folder, opening):
    for trial in (1, 2):
        shown = folder.path / opening / str(trial)
        shown.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (16, 16)).save(shown / "a.png")
        example = {"image": "MYO/1.png", "patient": "MYO/1", "score": 0.9, "label": 1, "inside": 0.25, "area": 0.2}
        example |= {"picture": "a.png", "heat": "a.png"}
        kinds = ("missed", "alarmed", "found", "spared")
        (shown / "examples.json").write_text(json.dumps([example | {"kind": kind} for kind in kinds]))
        (shown / "heat.json").write_text(json.dumps({"cells": 12, "heated": 9, "inside": 0.25, "area": 0.2}))


def test_a_confirmation_says_nothing_of_patients(confirmed):
    folder, said, _ = confirmed
    assert "On images that the models never saw" in said
    assert "The test images (opening 1), beside what validation promised" in said
    assert "91 images: 90 used, 1 duplicates, 0 quarantined. Cells: train 54, validation 18, test 18" in said
    assert others(said) == []
    probes = json.loads((folder.confirmed / "probes.json").read_text())
    assert {each["level"] for each in probes} == {"cell", "image"}
    assert others(json.dumps(probes)) == []


def test_the_page_says_nothing_of_patients_and_every_word_is_the_tasks(confirmed, tmp_path):
    folder, _, _ = confirmed
    with pages.few_draws():
        told = write_page(folder, tmp_path / "page.html", disclosure=Disclosure(pictures=True))
        page = pages.Read(told.read_text(encoding="utf-8"))
        both = pages.Read(write_comparison([folder, folder], tmp_path / "both.html").read_text(encoding="utf-8"))
    alternatives = " ".join(str(image["alt"]) for image in page.of("img"))
    for text in (page.words, alternatives, both.words):
        assert others(text) == []
    words = " ".join(page.words.split())
    assert "Of 100 blast cells it finds" in words
    assert "of 100 mature cells it leaves" in words
    assert "The model disputes: blast cells, called mature" in words
    assert "resampling images" in words
    assert "blast (MYO)" in words
    assert "The test images were opened 2 times." in words
    assert "by image, locked test" in both.words


def test_figures_say_nothing_of_patients(confirmed, tmp_path, monkeypatch):
    """Letters in a figure are shapes: what is drawn is read where it is drawn."""
    folder, _, _ = confirmed
    drawn: list[str] = []

    def read(figure):
        drawn.extend(text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text")))
        return "data:image/svg+xml;base64,"

    monkeypatch.setattr("search.report.render._svg", read)
    with pages.few_draws():
        write_page(folder, tmp_path / "page.html")
    assert {"blast", "mature", "share blast (test cells)", "95 % at each point, by images"} <= set(drawn)
    assert others(" ".join(drawn)) == []


def test_status_tables_and_csv_say_nothing_of_patients(confirmed, capsys):
    folder, _, _ = confirmed
    assert status.main([str(folder.path)]) == 0
    assert status.main([str(folder.path), "--json"]) == 0
    assert others(capsys.readouterr().out.replace(str(folder.path), "")) == []
    for path in write_gallery(Study.open(folder)).values():
        if path.suffix == ".csv":
            with path.open(encoding="utf-8", newline="") as file:
                assert others(" ".join(next(csv.reader(file)))) == [], path.name


def test_a_recall_that_cannot_be_had_says_nothing_of_patients(confirmed):
    study = Study.open(confirmed[0])
    with pytest.raises(UserError) as caught:
        select_operating_point(study, Preference(min_recall=0.999))
    assert "That has 6 blast images; so many can promise" in str(caught.value)
    assert others(str(caught.value)) == []
    assert others(Preference(min_recall=0.9).describe() + Preference(min_recall=0.9, sure=False).describe()) == []


def test_an_export_its_card_and_its_answers_say_nothing_of_patients(confirmed, tmp_path, capsys):
    folder, _, place = confirmed
    (place / "cells").rename(place / "away")  # then no score is compared
    try:
        asked = ["--trial", "2", "--out", str(tmp_path / "out")]
        with pages.few_draws():
            assert export([str(folder.path), *asked]) == 0
    finally:
        (place / "away").rename(place / "cells")
    assert predict([str(tmp_path / "out"), str(place / "cells" / "MYO" / "1.png")]) == 0
    said = capsys.readouterr().out
    assert "blasts: blast (MYO) against mature (LYT, MON); blast from a score of" in said
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "resampling images" in card
    assert "a probability; blast from" in card
    config = (tmp_path / "out" / "config.yaml").read_text(encoding="utf-8")
    assert "positive: blast" in config
    assert "patients: {}" in config
    for text in (said, card, config.replace("patients: {}", "")):
        assert others(text.replace(str(folder.path), "")) == []


def test_mlflow_is_told_nothing_of_patients(confirmed, empty_store):
    folder, _, place = confirmed
    (place / "mlflow.db").write_bytes(empty_store.read_bytes())
    catch_up(folder, default_uri(place))
    client = connect(default_uri(place))
    told = client.search_runs([client.get_experiment_by_name("leukemia-search/blasts").experiment_id])
    keys = {key for run in told for key in (*run.data.params, *run.data.metrics, *run.data.tags)}
    assert "data.classes.train.MYO.cells" in keys
    assert others(" ".join(keys)) == []


def test_a_dry_run_says_nothing_of_patients(confirmed):
    _, _, place = confirmed
    listing, task = collections.read("folders", open_source(place / "cells")), find_task(str(place / "blasts.toml"))
    cells = split_patients(listing.cells).assign(task.select(listing.cells))
    plan = SimpleNamespace(config=SimpleNamespace(data="/cells"))
    said = [*dry_run._images(plan, cells, task.terms(patient_level=listing.patient_level))]
    assert said[0] == "91 images in /cells"
    assert said[2] == "  validation: 18 images, 6 blast and 12 mature"
    assert others(" ".join(said)) == []
