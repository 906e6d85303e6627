"""The model card of an export: what it says, and that no item of the two checklists is forgotten."""

import json
import re
import shutil

import pyarrow.parquet as pq
import pytest
from markdown_it import MarkdownIt
from sklearn.metrics import recall_score

import pages
import studies
from leukmodels.model.exported import ExportedModel
from search.export.bundle import write_bundle
from search.export.model_card import model_card
from search.report.build import exported as exported_facts
from search.selection.preference import Preference
from search.study.confirmation_log import TestCandidate, as_event
from search.study.disclosure import Disclosure, Names
from search.study.folder import StudyFolder
from search.study.journal import Journal
from search.study.opened import Study

pytestmark = pytest.mark.keras

# Collins et al. 2024, Table 2: the parts of each of the 27 items that has any; 52 in all.
PARTS = {3: "abc", 5: "ab", 6: "abc", 8: "abc", 9: "abc", 12: "abcdefg", 18: "abcdef", 20: "abc", 23: "ab", 27: "abc"}
ITEMS = {
    "TRIPOD+AI": [f"{number}{part}" for number in range(1, 28) for part in PARTS.get(number, [""])],
    "CLAIM": [str(number) for number in range(1, 45)],
}
# Tejani et al. 2024: what is no longer numbered as in 2020, and Collins et al. 2024.
SUBJECTS = {
    "CLAIM": {
        "12": "missing data",
        "19": "partitions",
        "20": "disjoint",
        "21": "sample size",
        "32": "evaluation data",
        "33": "evaluation data",
        "35": "flow",
        "37": "performance",
        "39": "failures",
        "40": "limitations",
        "43": "availability",
    },
    "TRIPOD+AI": {
        "11": "missing data",
        "12a": "partitions",
        "12b": "predictors",
        "12c": "tuning",
        "12d": "heterogeneity",
        "12f": "updating",
        "12g": "get a prediction",
        "20a": "flow",
        "23b": "heterogeneity",
        "24": "updating",
    },
}
PROBE = {"level": "patient", "figure": "AUROC", "estimate": 0.9, "low": 0.8, "high": 0.97}


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A study and what config.yaml says of an export of its trial 2."""
    path = tmp_path_factory.mktemp("studies")
    folder = studies.exportable(path)
    return folder, write_bundle(Study.open(folder), path / "out", Preference()).config


@pytest.fixture
def study(exported, tmp_path):
    """A copy that a test may change."""
    folder = exported[0]
    shutil.copytree(folder.path, tmp_path / folder.name)
    return StudyFolder(tmp_path / folder.name)


def card_of(folder, config):
    """Return the card of an export of the study in ``folder`` whose config.yaml says this."""
    said = ExportedModel.model_validate(config)
    facts = exported_facts(
        Study.open(folder),
        said.trial,
        threshold=said.threshold,
        promised=said.promised_recall,
        names=Names(folder, Disclosure()),
    )
    return model_card(facts, said)


@pytest.fixture
def config(exported):
    """What config.yaml says, likewise."""
    return json.loads(exported[1].model_dump_json(by_alias=True))


def read(card):
    """Return a card as a reader of CommonMark with tables sees it."""
    return pages.Read(MarkdownIt("commonmark").enable("table").render(card))


def checklist(card):
    """Return the table of answered items, its header first."""
    return next(table for table in read(card).tables if table[0][0] == "item")


def answers(card):
    return {row[0]: row[3] for row in checklist(card)}


def expanded(said):
    """Yield the items of "3a-c, 4": 3a, 3b, 3c, 4."""
    for token in filter(None, said.split(", ")):
        number, part, last = re.fullmatch(r"(\d+)([a-z]?)(?:-(\d+|[a-z]))?", token).groups()
        if part and last:
            yield from (f"{number}{chr(code)}" for code in range(ord(part), ord(last) + 1))
        elif last:
            yield from map(str, range(int(number), int(last) + 1))
        else:
            yield token


def left_open(card, name):
    (said,) = re.findall(rf"^- {re.escape(name)}: (.+?)\.$(?=\n- |\Z)", card.strip(), re.MULTILINE | re.DOTALL)
    groups = re.findall(r"\(([^)]+)\)", " ".join(said.split()))
    return [item for group in groups for item in expanded(group)]


def look_into(study):
    """Write what an opened test and its probes leave: one shortcut alarms, and where trial 2 looks is known."""
    pages.open_test(study, 1)
    probes = [
        PROBE | {"name": "background", "alarm": True, "says": "The slide tells the class."},
        PROBE | {"name": "colour means", "alarm": False, "says": "As by chance."},
    ]
    (study.confirmed / "probes.json").write_text(json.dumps(probes))
    (study.confirmed / "test" / "1" / "2").mkdir()
    heat = {"cells": 50, "heated": 45, "inside": 0.75, "area": 0.2}
    (study.confirmed / "test" / "1" / "2" / "heat.json").write_text(json.dumps(heat))


STATES = {
    "locked": lambda study: None,
    "opened": lambda study: pages.open_test(study, 1),
    "looked into": look_into,
    "without patients": lambda study: pages.told(study, patient_level=False),
    "without classes": lambda study: pages.told(study, classes={}),
}


@pytest.mark.parametrize("state", STATES)
def test_every_item_of_both_checklists_is_answered_or_open_once(study, config, state):
    STATES[state](study)
    card = card_of(study, config | {"threshold": 0.4})
    header, *rows = checklist(card)
    for name, items in ITEMS.items():
        column = header.index(name)
        answered = [item for row in rows for item in expanded(row[column])]
        assert sorted(answered + left_open(card, name)) == sorted(items)
    assert all(row[3] for row in rows)


@pytest.mark.parametrize("name", SUBJECTS)
def test_items_stand_with_their_subjects(exported, name):
    header, *rows = checklist(card_of(*exported))
    subject_of = {item: row[0] for row in rows for item in expanded(row[header.index(name)])}
    for item, subject in SUBJECTS[name].items():
        assert subject in subject_of[item], item


@pytest.mark.parametrize("state", STATES)
def test_tables_are_tables(study, config, state):
    STATES[state](study)
    config |= {"disease": ["A|B"], "threshold": 0.4}
    card = card_of(study, config)
    tables = read(card).tables
    assert len(tables) == 2
    rules = [line for line in card.splitlines() if line.startswith("| ---")]
    assert sum(map(len, tables)) == sum(line.startswith("|") for line in card.splitlines()) - len(rules)
    assert "\n\n\n" not in card
    assert answers(card)["subsets"] == "all usable images of A|B, control"


def test_the_card_says_what_it_is(exported):
    folder, config = exported
    card = card_of(folder, config)
    assert "For research use only" in card
    assert "SYNTHETIC DATA" in card
    assert "chosen from a front of 2 by recall" in " ".join(card.split())
    assert "The test patients are locked" in card
    assert "| number | 20 | 2 |" in card
    scores = pq.read_table(folder.trial(config.trial) / "scores.parquet").to_pandas()
    assert f"| recall (sensitivity) | {recall_score(scores['label'], scores['score'] >= 0.5):.3f} (" in card
    assert "train 60 cells of 6 patients;" in answers(card)["partitions"]
    assert answers(card)["robustness"].startswith("not examined")
    assert answers(card)["explanation"].startswith("not drawn")


def test_the_card_says_what_a_model_began_as(exported, config):
    folder = exported[0]
    assert "began as" not in card_of(folder, config)
    files = {"base": {"sha256": "b" * 64}, "resnet50_v2": {"sha256": "a" * 64}, "mobilenet_v3_small": {"sha256": ""}}
    config["starts"] = {"files": files, "base": {"origin": "trial 4 of npm1-1", "task": "npm1", "split": "f" * 64}}
    for backbone, said in {
        "base": "convolutions began as those of trial 4 of npm1-1, trained for npm1 on the same split.",
        "resnet50_v2": f"It began as resnet50_v2 with the weights of SHA-256 {'a' * 64}.",
        "mobilenet_v3_small": "It began as mobilenet_v3_small with random weights.",
    }.items():
        config["hyperparameters"]["backbone"] = backbone
        assert said in card_of(folder, config)


def test_the_card_has_the_test_of_the_model_that_it_was_opened_for(study, config):
    assert config["trial"] == 2
    pages.open_test(study, 1)
    config["threshold"] = 0.4
    card = card_of(study, config)
    assert "were opened once" in card
    assert "| | test cells | test patients | validation cells | validation patients |" in card
    scores = pq.read_table(study.confirmed / "test" / "1" / "2.parquet").to_pandas()
    called = scores["score"] >= config["threshold"]
    assert f"| recall (sensitivity) | {recall_score(scores['label'], called):.3f} (" in card
    missed, alarmed = (scores["label"] > called).sum(), (scores["label"] < called).sum()
    said = f"test: {missed} leukemic cells called healthy, {alarmed} healthy cells called leukemic; patients called"
    assert answers(card)["failures"].startswith(said)
    assert "The test patients were opened once" in card_of(study, {**config, "trial": 1})
    assert "This model was not held against them" in card_of(study, {**config, "trial": 1})


def test_a_threshold_that_the_test_was_not_opened_for_gets_no_figure_of_it(study, config):
    pages.open_test(study, 1)
    config["threshold"] = 0.55
    (study.confirmed / "test" / "1" / "2.parquet").unlink()  # not even read
    card = card_of(study, config)
    said = " ".join(card.split())
    assert "not held against them at this threshold but at 0.400, and any further" in said
    assert "| | validation cells | validation patients |" in card
    assert answers(card)["failures"].startswith("validation: ")
    # Of several openings the one at this threshold counts, not the last.
    with Journal(study.journal) as journal:
        again = TestCandidate(trial=2, threshold=0.55, why="again", promise={})
        journal.append("test_opened", chosen=[as_event(again)])
        pages.write_scores(study.confirmed / "test" / "2" / "2.parquet", 50, prefix="T")
        journal.append("tested", opening=2, trial=2, metrics={})
    assert "| | test cells | test patients |" in card_of(study, config)
    third = card_of(study, config | {"threshold": 0.6})
    assert "at this threshold but at 0.400 and 0.550," in " ".join(third.split())


def test_a_test_that_was_failed_comes_first(study, config):
    pages.open_test(study, 1)
    assert "FAILED" not in card_of(study, config | {"threshold": 0.4})
    broken = {"opening": 1, "opened": "2026-12-01T00:00:00+00:00", "cells": 96, "figures": {}, "broken": ["Too low."]}
    card = card_of(study, config | {"threshold": 0.4, "test": broken})
    assert "\n**IT FAILED ITS TEST**, and was exported all the same:\n\n- Too low.\n\nThe test" in card


@pytest.mark.parametrize("opened", [False, True])
def test_a_recall_that_was_promised_stands_on_the_card(study, config, opened):
    assert "promised with 95 %" not in card_of(study, config)
    if opened:
        pages.open_test(study, 1)
    card = " ".join(card_of(study, config | {"threshold": 0.4, "promised_recall": 0.123}).split())
    assert "a recall of cells of 0.123 or more was promised with 95 % confidence" in card
    assert ("so it was kept." in card) == opened


def test_what_was_looked_into_is_answered(study, config):
    look_into(study)
    config["threshold"] = 0.4
    said = answers(card_of(study, config))
    assert said["robustness"].endswith("background, colour means. ALARM, background: The slide tells the class.")
    assert said["explanation"].startswith(
        "Grad-CAM. Of 50 test cells, of all patients alike, 45 had heat. Of these 75 %"
    )


def test_without_patients_nothing_is_said_of_patients(study, config):
    pages.told(study, patient_level=False)
    card = card_of(study, config)
    assert "resampling images." in card
    said = answers(card)
    assert said["level at which parts are disjoint"] == "images: the collection names nobody"
    assert said["participants and outcomes in each analysis"].startswith(
        "train 30 images RUNX1_RUNX1T1, 30 images control;"
    )
    for item in ("data source", "partitions", "choice of the model", "failures"):
        assert "patient" not in said[item], item
