import csv
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from PIL import Image

import studies
from search.display import csv_tables, plots
from search.display.labels import label_points
from search.study.front import pareto_front
from search.study.objectives import Objectives
from search.study.records import StudyRecord, TrialState

OBJECTIVES = Objectives(min_specificity=0.5)


@pytest.fixture
def study(tmp_path):
    return studies.mixed(tmp_path / "study")


@pytest.fixture
def drawn(monkeypatch):
    """The figures that were saved, to look into."""
    saved = []
    save = plots.save
    monkeypatch.setattr(plots, "save", lambda figure, path: (saved.append(figure), save(figure, path)))
    return saved


def texts(figure):
    figure.draw_without_rendering()
    return [text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text"))]


@pytest.mark.parametrize("synthetic", [True, False])
def test_the_front_says_what_it_shows(study, drawn, tmp_path, synthetic):
    front = pareto_front(studies.record(study), OBJECTIVES)
    plots.draw_front(front, tmp_path / "front.png", title="runx1", synthetic=synthetic, objectives=OBJECTIVES)
    said = texts(drawn[0])
    assert ("SYNTHETIC DATA" in said) == synthetic
    assert {"recall (validation cells)", "accuracy (validation cells)", "runx1", "1", "2"} <= set(said)
    assert "front, by trial number (2)" in said
    assert "behind the front (1)" in said
    assert "beyond a bound (1, 1 not in view)" in said
    assert "default CNN (trial 0)" in said
    with Image.open(tmp_path / "front.png") as picture:
        assert picture.size == (1080, 810)
        assert len(np.unique(np.asarray(picture.convert("L")))) > 10


def test_trials_on_one_spot_share_a_label(study, drawn, tmp_path):
    with studies.recording(study) as recorder:
        studies.run(recorder, 7, 0.95, 0.7)
    plots.draw_front(pareto_front(studies.record(study), OBJECTIVES), tmp_path / "f.png", title="", synthetic=False)
    assert "2, 7" in texts(drawn[0])


def test_progress_names_the_front(study, drawn, tmp_path):
    plots.draw_progress(studies.record(study), OBJECTIVES, tmp_path / "progress.png", title="runx1", synthetic=True)
    said = texts(drawn[0])
    assert {"SYNTHETIC DATA", "hypervolume", "trial 1", "trial 2", "other trials", "recall (validation cells)"} <= set(
        said
    )
    assert said.count("trial 3") == 0


def test_a_study_without_a_complete_trial_can_be_drawn(tmp_path):
    plots.draw_front(pareto_front(StudyRecord(), OBJECTIVES), tmp_path / "front.png", title="", synthetic=False)
    plots.draw_progress(StudyRecord(), OBJECTIVES, tmp_path / "progress.png", title="", synthetic=False)
    assert (tmp_path / "front.png").stat().st_size > 1000


def test_a_study_below_its_floors_can_be_drawn(study, tmp_path):
    strict = Objectives(min_specificity=0.99, min_recall=0.99)
    front = pareto_front(studies.record(study), strict)
    assert not front.trials
    plots.draw_front(front, tmp_path / "front.png", title="", synthetic=False, objectives=strict)


def test_losses_that_the_journal_holds_as_null_are_gaps(study, tmp_path):
    with studies.recording(study) as recorder:
        recorder.trial_started(9, {}, "sampled")
        recorder.epoch(9, 1, {"log_loss": float("nan"), "recall": float("nan")})
    curve = plots._curve(studies.record(study).trials[9], "log_loss")
    assert curve.shape == (1, 2)
    assert np.isnan(curve[0, 1])
    plots.draw_progress(studies.record(study), OBJECTIVES, tmp_path / "p.png", title="", synthetic=False)


def test_the_share_of_leukemic_cells_follows_from_the_metrics(study):
    trials = studies.record(study).by_state(TrialState.COMPLETE)
    assert plots._leukemic_share(trials) == pytest.approx(studies.SHARE)


def test_the_front_table_round_trips(study, tmp_path):
    front = pareto_front(studies.record(study), OBJECTIVES)
    csv_tables.write_front_table(front, tmp_path / "front.csv")
    with (tmp_path / "front.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["trial"]) for row in rows] == [2, 1]
    for row, trial in zip(rows, front.trials, strict=True):
        assert all(float(row[name]) == trial.metrics[name] for name in csv_tables.METRICS)
        assert int(row["epochs"]) == 3
        assert {name: row[name] for name in trial.params} == {k: str(v) for k, v in trial.params.items()}


@settings(max_examples=20)
@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=12))
def test_labels_never_cover_each_other(points):
    figure = Figure()
    axes = figure.subplots()
    axes.set(xlim=(0, 1), ylim=(0, 1))
    label_points(axes, np.array(points), [f"trial {index}" for index in range(len(points))])
    boxes = [text.get_window_extent() for text in axes.texts]
    assert boxes or len(points) > 1
    assert not any(a.overlaps(b) for index, a in enumerate(boxes) for b in boxes[:index])


def test_pyplot_stays_unimported():
    code = "import sys, search.display.plots; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
