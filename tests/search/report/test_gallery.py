"""The pictures and tables of the report folder, and what mattered."""

import csv

import numpy as np
import pytest
from PIL import Image

import studies
from leukmodels.space import presets
from leukmodels.space.dimensions import Space
from search.report.gallery import write_gallery
from search.study.objectives import Objectives
from search.study.opened import Study
from search.study.records import RungDecision
from search.tuning.importance import FEWEST, importances
from studies import stored


@pytest.fixture
def study(tmp_path):
    return studies.begin(tmp_path / "study")


@pytest.fixture
def searched(study):
    """Return a study of 16 complete trials, whose recall follows the learning rate, and 8 that rungs stopped."""
    rng = np.random.default_rng(0)
    with studies.recording(study) as recorder:
        for number in range(24):
            rate = float(10 ** rng.uniform(-5, -2))
            studies.start(recorder, number, learning_rate=rate, dropout=float(rng.uniform(0, 0.6)))
            studies.evaluate(recorder, number, 1)
            stopped = number % 3 == 2
            recorder.rung(number, RungDecision(rung=1, rank=3 if stopped else 1, size=number + 1, quota=2))
            if stopped:
                studies.stop(recorder, number)
            else:
                studies.evaluate(recorder, number, 2)
                studies.complete(recorder, number, recall=1 - abs(np.log10(rate) + 3) / 4, specificity=0.8)
    return study


def test_the_gallery_leaves_nothing_but_its_files(searched):
    written = write_gallery(Study.open(searched))
    assert sorted(searched.report.iterdir()) == sorted(written.values())
    pictures, tables = {"front.png", "progress.png", "effort.png"}, {"front.csv", "trials.csv", "importances.csv"}
    assert {path.name for path in written.values()} == pictures | tables
    with Image.open(written["effort"]) as picture:
        assert np.asarray(picture.convert("L")).std() > 5


def test_the_table_of_trials_says_who_was_stopped_where_and_why(searched):
    record = studies.record(searched)
    with write_gallery(Study.open(searched))["trials, table"].open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["trial"]) for row in rows] == sorted(record.trials)
    assert (rows[2]["state"], rows[2]["why"], rows[2]["rank at epoch 1"]) == ("stopped", "the time was up", "3 of 3")
    assert {rows[0]["why"], rows[1]["why"]} <= {"on the front", "behind the front"}
    assert float(rows[2]["recall"]) == record.trials[2].epochs[0]["recall"]
    assert float(rows[4]["learning_rate"]) == record.trials[4].params["learning_rate"]


def test_what_mattered_is_a_table_too(searched):
    written = write_gallery(Study.open(searched))
    with written["importances, table"].open() as file:
        rows = list(csv.DictReader(file))
    assert max(rows, key=lambda row: float(row["recall"]))["hyperparameter"] == "learning_rate"
    assert sum(float(row["recall"]) for row in rows) == pytest.approx(1)


def test_who_is_beyond_a_bound_says_nothing_of_what_mattered(searched):
    with studies.recording(searched) as recorder:
        for number in range(24, 48):  # everything is leukemia, whatever the rate
            studies.start(recorder, number, dropout=0.6)
            studies.complete(recorder, number, recall=1.0, specificity=0.0)
    found = importances(studies.record(searched), presets.space("small"), Objectives(min_specificity=0.5))
    assert max(found["recall"], key=found["recall"].get) == "learning_rate"


def test_a_study_without_rungs_or_many_trials_has_its_gallery(study):
    with studies.recording(study) as recorder:
        studies.start(recorder, 0)
        studies.complete(recorder, 0)
    assert write_gallery(Study.open(study))["effort"].exists()


def test_what_mattered_is_found(searched):
    found = importances(studies.record(searched), presets.space("small"), Objectives())
    assert [*found] == ["recall", "accuracy"]
    assert max(found["recall"], key=found["recall"].get) == "learning_rate"
    assert sum(found["recall"].values()) == pytest.approx(1)


def test_too_few_trials_say_nothing(study):
    with studies.recording(study) as recorder:
        for number in range(FEWEST - 1):
            studies.start(recorder, number)
            studies.complete(recorder, number)
    assert importances(studies.record(study), presets.space("small"), Objectives()) == {}


def test_a_space_goes_through_its_manifest(study):
    assert Space.from_dict(stored(study)["space"]) == presets.space("small")
