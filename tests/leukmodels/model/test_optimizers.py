"""The optimizers, their schedule and their slower steps."""

import math

import keras
import numpy as np
import pytest

from leukmodels.model.optimizers import optimizer
from leukmodels.process import tensorflow_runtime
from toy_cells import tiny

tensorflow_runtime.start(threads=1)
pytestmark = pytest.mark.keras

KINDS = ["adam", "adamw", "sgd", "rmsprop"]


def rates(steps, **choice):
    """Return the learning rate of each step, and of one after the last."""
    made = optimizer(tiny(learning_rate=0.01, **choice), [keras.Variable([1.0])], steps=steps)
    found = []
    for _ in range(steps + 1):
        found.append(float(made.learning_rate))
        made.apply([keras.ops.zeros((1,))])
    return found


def test_a_constant_rate_is_one_number():
    assert rates(4) == [pytest.approx(0.01)] * 5


def test_a_cosine_ends_at_nothing():
    expected = [0.01 * 0.5 * (1 + math.cos(math.pi * step / 10)) for step in range(11)]
    assert rates(10, schedule="cosine") == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_a_warm_up_rises_evenly_to_the_rate(schedule):
    found = rates(20, schedule=schedule, warm_up=0.2)
    assert found[:5] == pytest.approx([0, 0.0025, 0.005, 0.0075, 0.01])
    assert found[20] == pytest.approx(0.01 if schedule == "constant" else 0, abs=1e-8)


@pytest.mark.parametrize("kind", KINDS)
def test_a_slowed_variable_steps_its_share_of_the_way_with_every_optimizer(kind):
    """A gradient that is scaled would not: Adam and RMSprop divide by its size."""
    slow, usual = keras.Variable([1.0]), keras.Variable([1.0])
    hparams = tiny(optimizer=kind, learning_rate=0.01, loaded_rate=0.1)
    made = optimizer(hparams, [slow, usual], steps=10, slowed=[slow])
    for _ in range(3):
        made.apply([keras.ops.ones((1,)), keras.ops.ones((1,))])
    moved = [1 - float(np.asarray(variable)[0]) for variable in (slow, usual)]
    assert moved[1] > 0.005
    assert moved[0] == pytest.approx(0.1 * moved[1], rel=1e-3)


def test_decay_is_slowed_as_steps_are():
    slow, usual = keras.Variable([1.0], name="kernel"), keras.Variable([1.0], name="kernel")
    hparams = tiny(optimizer="adamw", l2=1e-2, learning_rate=0.01, loaded_rate=0.1)
    made = optimizer(hparams, [slow, usual], steps=10, slowed=[slow])
    made.apply([keras.ops.zeros((1,)), keras.ops.zeros((1,))])
    shrunk = [1 - float(np.asarray(variable)[0]) for variable in (slow, usual)]
    assert shrunk == pytest.approx([1e-5, 1e-4], rel=1e-2)


def test_adamw_decays_kernels_only():
    kernel, bias = keras.Variable([1.0], name="kernel"), keras.Variable([1.0], name="bias")
    made = optimizer(tiny(optimizer="adamw", l2=1e-2, learning_rate=0.01), [kernel, bias], steps=10)
    made.apply([keras.ops.zeros((1,)), keras.ops.zeros((1,))])
    assert float(np.asarray(kernel)[0]) == pytest.approx(1 - 0.01 * 1e-2)
    assert float(np.asarray(bias)[0]) == 1


@pytest.mark.parametrize(("steps", "rising"), [(13, 3), (12, 2)])
def test_a_warm_up_has_the_nearest_number_of_steps(steps, rising):
    """A fifth of 13 is 2.6, of 12 it is 2.4."""
    assert rates(steps, warm_up=0.2)[: rising + 1] == pytest.approx(
        [0.01 * step / rising for step in range(rising + 1)]
    )


def test_sgd_has_nesterovs_momentum_of_nine_tenths():
    """The velocity is v = 0.9 v - 0.01 g, and a step 0.9 v - 0.01 g: for g = 1 steps of -0.019 and -0.0271."""
    weight = keras.Variable([1.0])
    made = optimizer(tiny(optimizer="sgd", learning_rate=0.01), [weight], steps=10)
    for expected in (0.981, 0.9539):
        made.apply([keras.ops.ones((1,))])
        assert float(np.asarray(weight)[0]) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("name", "decays"), [("kernel", True), ("bias", False), ("beta", False), ("gamma", False), ("sharpening", False)]
)
def test_what_adamw_decays(name, decays):
    weight = keras.Variable([1.0], name=name)
    made = optimizer(tiny(optimizer="adamw", l2=1e-2, learning_rate=0.01), [weight], steps=10)
    made.apply([keras.ops.zeros((1,))])
    assert (float(np.asarray(weight)[0]) < 1) is decays
