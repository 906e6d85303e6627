"""What a study computes in is settled once, by what all of its nodes can do."""

import pytest

from machines import node
from search.arithmetic import settle
from search.manifest import config_of
from search.records import StudyRecord
from studies import config

NATIVE, OTHER = node(name="alpha", bfloat16=True), node(name="beta")


@pytest.mark.parametrize(
    ("asked", "states", "gpus", "settled", "why"),
    [
        (
            "auto",
            [NATIVE],
            0.0,
            "bfloat16",
            "on float32 weights, which the processors multiply by themselves",
        ),
        ("auto", [NATIVE, OTHER], 0.0, "float32", ": the processor of beta has no bfloat16."),
        ("auto", [NATIVE], 0.5, "float32", ": bfloat16 was not measured on GPUs."),
        ("float32", [NATIVE], 0.0, "float32", "Training in float32."),
        (
            "bfloat16",
            [OTHER],
            0.0,
            "bfloat16",
            "of beta only imitates: --precision float32 is faster",
        ),
        ("bfloat16", [OTHER], 1.0, "bfloat16", "on float32 weights, as asked."),
    ],
)
def test_all_trials_compute_in_one_kind_of_numbers(asked, states, gpus, settled, why):
    found = settle(config(precision=asked), states, gpus=gpus)
    assert found.config == config(precision=settled)
    assert why in found.words


def test_a_study_that_goes_on_elsewhere_computes_as_it_began():
    begun = settle(config(), [NATIVE], gpus=0.0).config
    manifest = {"config": begun.model_dump(mode="json")}
    assert settle(config_of(manifest, StudyRecord()), [OTHER], gpus=0.0).config.precision == "bfloat16"
