"""Whether a warm start helped."""

import re
from dataclasses import replace

import pytest

from leukmodels.model.weights import Weights
from leukmodels.space.presets import space
from search.selection.head_start import ColdStart, cold_start, describe, head_start
from search.study.folder import StudyFolder
from search.study.front import Effort, effort
from search.study.manifest import Manifest, WarmStart
from search.study.objectives import Objectives
from search.study.opened import Study
from search.tuning.initial_weights import InitialWeights
from studies import begin, of_points, recording, run

PRIOR = WarmStart(study="npm1", task="npm1", front=[], params=[], metrics=[], default={})
COLD = {"cold": {}, "longer": {}, "other size": {"epochs": 9}, "other bounds": {"min_specificity": 0.7}}


def spend(folder, trials):
    with recording(folder) as recorder:
        for number in range(trials):
            run(recorder, number)


def test_the_longest_study_that_searched_the_same_from_nothing_is_the_one_beside(tmp_path):
    for trials, (name, given) in enumerate(COLD.items(), start=2):
        spend(begin(tmp_path / name, **given), trials)
    spend(begin(tmp_path / "warm too", prior=PRIOR), 9)
    (tmp_path / "older").mkdir()
    (tmp_path / "older" / "study.json").write_text('{"schema": 1}')
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "study.json").write_text("{")
    spend(torn := begin(tmp_path / "torn"), 9)
    torn.journal.write_text("{}\n" + torn.journal.read_text())
    found = cold_start(Study.open(begin(tmp_path / "warm", prior=PRIOR, seed=7)))
    assert found.name == "longer"
    assert found.effort.spent == 9


def test_without_one_it_is_said_how_to_have_one(tmp_path):
    begin(tmp_path / "unspent")
    assert cold_start(Study.open(begin(tmp_path / "warm", prior=PRIOR))) is None
    assert "Warm start: whether it helped cannot be said" in describe("Warm start", Effort(), None)
    assert "without --warm-start, --base-model and --backbones" in describe("Transfer", Effort(), None)


@pytest.mark.parametrize(
    ("warm", "said"),
    [
        (
            Effort(epochs=(2, 4, 9), seconds=(20, 40, 90), volumes=(0.3, 0.6, 0.7)),
            r"0\.600 and 0\.500 after 6 epochs of each \(40 s and 12 s of training\); what .* was reached here after 4",
        ),
        (
            Effort(epochs=(2, 9), seconds=(20, 90), volumes=(0.4, 0.7)),
            r"0\.400 and 0\.500 after 6 epochs of each \(20 s and 12 s of training\)\. \(One",
        ),
        (Effort(epochs=(3,), seconds=(30,), volumes=(0.3,)), r"0\.300 and 0\.200 after 3 epochs"),
    ],
)
def test_they_are_compared_after_the_epochs_that_both_have_spent(warm, said):
    rival = ColdStart(name="cold", effort=Effort(epochs=(3, 6), seconds=(6, 12), volumes=(0.2, 0.5)))
    assert re.search(f"Transfer beside the cold start of cold: .*{said}", describe("Transfer", warm, rival))


def test_a_transfer_is_set_beside_a_search_of_the_same_space_but_for_what_is_loaded(tmp_path):
    spend(begin(tmp_path / "cold"), 2)
    spend(begin(tmp_path / "smaller", space=space("seed")), 3)
    starts = InitialWeights(weights={"resnet50_v2": Weights(path=tmp_path / "a.h5", sha256="a" * 64)})
    idle = InitialWeights(weights={"resnet50_v2": Weights(path=None, sha256="")})
    spend(begin(tmp_path / "untrained", space=space("small", backbones=("resnet50_v2",)), starts=idle), 9)
    transfer = begin(tmp_path / "transfer", space=space("small", backbones=("resnet50_v2",)), starts=starts)
    assert cold_start(Study.open(transfer)).name == "cold"
    assert head_start(Manifest.read(transfer)) == "Transfer"
    both = begin(tmp_path / "both", space=space("small", backbones=("resnet50_v2",)), starts=starts, prior=PRIOR)
    assert head_start(Manifest.read(both)) == "Warm start and transfer"
    assert head_start(Manifest.read(StudyFolder(tmp_path / "cold"))) == ""


def test_the_effort_adds_epochs_up_in_order_of_finishing_and_never_falls():
    record = of_points((0.8, 0.8, 0.9), (0.1, 0.1, 0.9), (0.9, 0.9, 0.9))
    for number, epochs in enumerate((3, 1, 2)):
        record.trials[number] = replace(record.trials[number], epochs=({},) * epochs)
    reached = effort(record, Objectives())
    assert reached.epochs == (3, 4, 6)
    assert reached.volumes == pytest.approx((0.64, 0.64, 0.81))
    assert [reached.volume_at(spent) for spent in (0, 3, 5, 9)] == pytest.approx([0, 0.64, 0.64, 0.81])
    assert [reached.epochs_to(volume) for volume in (0.1, 0.7, 0.9)] == [3, 6, None]
