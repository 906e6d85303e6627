import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leukmodels.space.dimensions import Choice, Float, Int


@pytest.mark.parametrize("value", [2, 4, 8, np.int64(6)])
def test_int_contains_both_ends_and_every_step(value: object) -> None:
    assert Int(low=2, high=8, step=2).contains(value)


@pytest.mark.parametrize("value", [-1, 0, 4, 11, 3.0, "3", True, None])
def test_int_refuses_what_is_outside_between_steps_or_no_integer(value: object) -> None:
    assert not Int(low=1, high=9, step=2).contains(value)


@pytest.mark.parametrize("value", [0, 0.0, 0.6, np.float32(0.5)])
def test_float_contains_both_ends_and_integers(value: object) -> None:
    assert Float(low=0.0, high=0.6).contains(value)


@pytest.mark.parametrize("value", [-0.1, 0.61, math.nan, math.inf, "0.1", False, None])
def test_float_refuses_what_is_outside_or_no_number(value: object) -> None:
    assert not Float(low=0.0, high=0.6).contains(value)


def test_choice_gives_back_the_option_with_its_own_type() -> None:
    choice = Choice(options=(0.0, 1e-3))
    assert choice.contains(0)
    assert isinstance(choice.canonical(0), float)
    assert not choice.contains(False)
    assert not choice.contains([])
    assert not choice.contains("0")


@given(st.integers(1, 50), st.integers(0, 50), st.integers(1, 5))
def test_int_contains_exactly_its_range(low: int, steps: int, step: int) -> None:
    dimension = Int(low=low, high=low + steps * step, step=step)
    inside = {value for value in range(low - 3, dimension.high + 4) if dimension.contains(value)}
    assert inside == set(range(low, dimension.high + 1, step))


@pytest.mark.parametrize(
    ("dimension", "words"),
    [
        (Int(low=2, high=5), "2 to 5"),
        (Int(low=8, high=128, step=8), "8 to 128 in steps of 8"),
        (Int(low=16, high=256, log=True), "16 to 256, log scale"),
        (Float(low=1e-5, high=1e-2, log=True), "1e-05 to 0.01, log scale"),
        (Choice(options=("none", "last")), "none, last"),
        (Choice(options=(0.0, 1e-6)), "0, 1e-06"),
    ],
)
def test_describe(dimension: Int | Float | Choice, words: str) -> None:
    assert dimension.describe() == words
