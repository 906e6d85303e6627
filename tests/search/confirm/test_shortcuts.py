"""What a confirmation writes of shortcut probes, where they say something and where they do not apply."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from drawn_cells import draw_cells
from leukmodels.dataset.cells import Cells
from leukmodels.evaluation.interval import Interval
from leukmodels.process.words import USUAL, Terms
from leukmodels.shortcuts.probes import Gap, Shortcuts, probe_shortcuts
from leukmodels.training.scoring import write_scores
from search.confirm.shortcuts import Answers, lines, probe


@pytest.fixture(scope="module")
def cells() -> Cells:
    return draw_cells({0: "lymphocyte", 1: "myeloblast"}, patients=12, cells_each=3, px=16)


@pytest.fixture(scope="module")
def found(cells: Cells) -> Shortcuts:
    return probe_shortcuts(cells, black_background=False, permutations=50)


def written(folder, cells: Cells, terms: Terms = USUAL) -> dict[str, dict]:
    """Probe cells of which the first half trains, beside the answers of a model; return what is written, by name."""
    scores, half = np.random.default_rng(0).random(len(cells)), np.arange(len(cells)) < len(cells) // 2
    parts = SimpleNamespace(
        train=cells.take(np.flatnonzero(half)), validation=cells.take(np.flatnonzero(~half)), black_background=False
    )
    write_scores(folder / "scores.parquet", cells, scores)
    answers = Answers(by_patient=[folder / "scores.parquet"], by_image=[folder / "scores.parquet"])
    probe(SimpleNamespace(open=lambda: parts), answers, folder / "probes.json", seed=0, terms=terms)
    return {line["name"]: line for line in json.loads((folder / "probes.json").read_text())}


def test_every_probe_is_a_line(tmp_path, cells):
    probes = written(tmp_path, cells)
    assert list(probes) == [
        "colour means",
        "background",
        "image count",
        "permuted labels",
        "colours, split by image",
        "the model, split by image",
    ]
    assert probes["the model, split by image"]["estimate"] == 0  # the same answers twice


def test_where_nobody_is_named_no_line_says_patient(tmp_path, cells):
    terms = Terms(unit="image", positive="blast", negative="lymphocyte")
    probes = written(tmp_path, cells.each_its_own(), terms)
    assert {line["level"] for line in probes.values()} == {"cell", "image"}
    assert probes["image count"]["estimate"] is None
    assert not any("patient" in line["says"] for line in probes.values() if line["name"] != "the model, split by image")


def test_cells_that_cannot_be_probed_are_a_line_and_no_error(tmp_path, cells):
    mixed, alone = cells.labels.copy(), cells.take(np.flatnonzero((cells.patients < 1) | (cells.labels == 1)))
    mixed[0] = 1 - mixed[0]
    cases = (
        (replace(cells, labels=mixed), "Patient 'P0' has cells of both classes."),
        (alone, "1 healthy patient; two of each class are needed."),
    )
    for some, why in cases:
        probes = written(tmp_path, some)
        assert list(probes) == ["shortcut probes"]
        line = probes["shortcut probes"]
        assert (line["estimate"], line["low"], line["high"], line["alarm"]) == (None, None, None, False)
        assert line["says"].startswith("Not applicable.")
        assert why in line["says"]


@pytest.mark.parametrize(
    ("low", "high", "says"),
    [
        (0.02, 0.31, "would have promised too much"),
        (0.01, 0.03, "would have promised too much"),
        (-0.01, 0.31, "cannot be told from chance with these patients"),
        (-0.02, 0.05, "would hardly have looked better"),
        (-0.2, -0.1, "would hardly have looked better"),
    ],
)
def test_what_a_split_by_image_adds_is_told_as_surely_as_it_is_known(found, low, high, says):
    some = Interval(estimate=0.8, low=0.7, high=0.9)
    gap = Interval(estimate=(low + high) / 2, low=low, high=high)
    told = [line.says for line in lines(found, Gap(by_image=some, by_patient=some, gap=gap), USUAL)]
    phrases = ("would have promised too much", "cannot be told from chance", "would hardly have looked better")
    assert says in told[-1]
    assert sum(phrase in told[-1] for phrase in phrases) == 1


def test_permuted_labels_say_what_came_out_and_of_which_probe(found):
    colours = replace(found, background=replace(found.background, found=None))
    for some, name, measured in (
        (found, "background", found.background.found),
        (colours, "colour means", found.colour.found),
    ):
        line = next(line for line in lines(some, None, USUAL) if line.name == "permuted labels")
        assert (line.estimate, line.low, line.high) == tuple(vars(measured.chance).values())
        assert f"the probe of {name} reaches AUROC {measured.chance.estimate:.2f} on average" in line.says
        assert f"{measured.chance.low:.2f} to {measured.chance.high:.2f} in 95 % of the permutations" in line.says
        assert "no confidence interval" in line.says
