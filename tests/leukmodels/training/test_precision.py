"""What a study computes in is settled once, by what all of its nodes can do."""

import pytest

from leukmodels.training.precision import choose_precision
from search.study.config import SearchConfig
from studies import config


@pytest.mark.parametrize(
    ("asked", "without", "gpus", "settled", "why"),
    [
        (
            "auto",
            [],
            0.0,
            "bfloat16",
            "on float32 weights, which the processors multiply by themselves",
        ),
        ("auto", ["beta"], 0.0, "float32", ": the processor of beta has no bfloat16."),
        ("auto", [], 0.5, "float32", ": bfloat16 was not measured on GPUs."),
        ("float32", [], 0.0, "float32", "Training in float32."),
        (
            "bfloat16",
            ["beta"],
            0.0,
            "bfloat16",
            "of beta only imitates: --precision float32 is faster",
        ),
        ("bfloat16", ["beta"], 1.0, "bfloat16", "on float32 weights, as asked."),
    ],
)
def test_all_trials_compute_in_one_kind_of_numbers(asked, without, gpus, settled, why):
    found = choose_precision(asked, without=without, gpus=gpus)
    assert found.precision == settled
    assert why in found.description


def test_a_study_that_goes_on_elsewhere_computes_as_it_began():
    begun = config(precision=choose_precision(config().precision, without=[], gpus=0.0).precision)
    again = SearchConfig(**begun.model_dump(mode="json"))
    assert choose_precision(again.precision, without=["beta"], gpus=0.0).precision == "bfloat16"
