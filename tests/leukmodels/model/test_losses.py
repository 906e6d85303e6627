import inspect
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from gradients import finite_differences, gradient
from leukmodels.model.losses import Bootstrapped, GeneralisedCrossEntropy, OfBags
from leukmodels.process import tensorflow_runtime

tensorflow_runtime.start(threads=1)
pytestmark = pytest.mark.keras

LOSSES = {
    "generalised": GeneralisedCrossEntropy(q=0.7),
    "bootstrapped": Bootstrapped(beta=0.9),
    "bags by mean": OfBags(loss=keras.losses.BinaryCrossentropy(label_smoothing=0.1), bag=4, pooling="mean"),
    "bags by top": OfBags(loss=GeneralisedCrossEntropy(q=0.5), bag=4, pooling="top_k", top_share=0.5),
}
BAGS = 3
LABELS = np.repeat([1.0, 0.0, 1.0], 4)[:, None]
PROBABILITIES = np.random.default_rng(0).permutation(np.linspace(0.05, 0.95, 12))[:, None]
by_any_loss = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
labels_and_probabilities = given(
    label=st.integers(0, 1), probability=st.floats(0.001, 0.999), parameter=st.floats(0.01, 1)
)

Column = npt.NDArray[np.float64]


def each(loss: keras.losses.Loss, labels: Column, probabilities: Column) -> Column:
    """Return the loss of each image, without sample weights and mean."""
    return np.asarray(loss.call(tf.constant(labels), tf.constant(probabilities)))


def one(loss: keras.losses.Loss, label: int, probability: float) -> float:
    (found,) = each(loss, np.array([[float(label)]]), np.array([[probability]]))
    return float(found)


def cross_entropy(target: float, probability: float) -> float:
    return -target * math.log(probability) - (1 - target) * math.log(1 - probability)


@labels_and_probabilities
@settings(max_examples=50)
def test_generalised_cross_entropy_is_its_formula(label: int, probability: float, parameter: float) -> None:
    of_label = probability if label else 1 - probability
    expected = (1 - of_label**parameter) / parameter
    assert one(GeneralisedCrossEntropy(q=parameter), label, probability) == pytest.approx(expected, rel=1e-6)


def test_generalised_cross_entropy_is_the_absolute_error_at_1() -> None:
    found = each(GeneralisedCrossEntropy(q=1), LABELS, PROBABILITIES)
    np.testing.assert_allclose(found, np.abs(LABELS - PROBABILITIES)[:, 0], rtol=1e-6)


@pytest.mark.parametrize("q", [1e-4, 1e-7, 1e-20])
def test_generalised_cross_entropy_nears_the_cross_entropy_in_float32(q: float) -> None:
    """1 - p^q itself has one digit left at q = 1e-7, none at 1e-20."""
    labels, probabilities = LABELS.astype(np.float32), PROBABILITIES.astype(np.float32)
    expected = [cross_entropy(y, p) for y, p in zip(LABELS[:, 0], PROBABILITIES[:, 0], strict=True)]
    np.testing.assert_allclose(each(GeneralisedCrossEntropy(q=q), labels, probabilities), expected, rtol=3 * q + 1e-5)


@labels_and_probabilities
@settings(max_examples=50)
def test_bootstrapped_is_cross_entropy_with_a_share_of_the_answer(
    label: int, probability: float, parameter: float
) -> None:
    found = one(Bootstrapped(beta=parameter), label, probability)
    target = parameter * label + (1 - parameter) * probability
    assert found == pytest.approx(cross_entropy(target, probability), rel=1e-6)
    rewarded = parameter * cross_entropy(label, probability) + (1 - parameter) * cross_entropy(probability, probability)
    assert found == pytest.approx(rewarded, rel=1e-6)


def test_bootstrapped_is_the_cross_entropy_at_1() -> None:
    expected = each(keras.losses.BinaryCrossentropy(), LABELS, PROBABILITIES)
    np.testing.assert_array_equal(each(Bootstrapped(beta=1), LABELS, PROBABILITIES), expected)


def test_bootstrapping_does_more_than_scale_the_gradient() -> None:
    """Were its target held constant, the gradient would be beta times that of the cross-entropy."""

    def slope(loss: keras.losses.Loss) -> Column:
        return gradient(lambda p: tf.reduce_sum(loss.call(tf.constant(LABELS), p)), PROBABILITIES)

    ratio = slope(Bootstrapped(beta=0.8)) / slope(keras.losses.BinaryCrossentropy())
    assert np.abs(ratio - 0.8).min() > 1e-3


@pytest.mark.parametrize("pooling", ["mean", "top_k"])
@pytest.mark.parametrize(
    ("bag", "top_share", "top"),
    [(4, 0.1, 1), (4, 0.5, 2), (4, 0.6, 2), (4, 0.7, 3), (6, 0.4, 2), (12, 1.0, 12)],
)
def test_every_image_of_a_bag_has_the_loss_of_its_bag(pooling: str, bag: int, top_share: float, top: int) -> None:
    labels = np.repeat(np.arange(12 // bag) % 2, bag)[:, None].astype(np.float64)
    loss = OfBags(loss=Bootstrapped(beta=0.7), bag=bag, pooling=pooling, top_share=top_share)
    expected = []
    for first in range(0, 12, bag):
        highest = sorted(PROBABILITIES[first : first + bag, 0], reverse=True)
        taken = highest[:top] if pooling == "top_k" else highest
        expected += [one(Bootstrapped(beta=0.7), int(labels[first, 0]), sum(taken) / len(taken))] * bag
    np.testing.assert_allclose(each(loss, labels, PROBABILITIES), expected, rtol=1e-9)


def test_bags_of_one_image_are_no_bags() -> None:
    inner = GeneralisedCrossEntropy(q=0.3)
    for pooling in ("mean", "top_k"):
        found = each(OfBags(loss=inner, bag=1, pooling=pooling, top_share=0.2), LABELS, PROBABILITIES)
        np.testing.assert_allclose(found, each(inner, LABELS, PROBABILITIES), rtol=1e-12)


@pytest.mark.parametrize("name", ["bags by mean", "bags by top"])
@given(orders=st.tuples(*[st.permutations(range(4))] * BAGS))
@settings(max_examples=30)
def test_the_order_within_a_bag_is_of_no_account(name: str, orders: tuple[list[int], ...]) -> None:
    order = np.concatenate([4 * bag + np.array(within) for bag, within in enumerate(orders)])
    found = each(LOSSES[name], LABELS, PROBABILITIES[order])
    np.testing.assert_allclose(found, each(LOSSES[name], LABELS, PROBABILITIES), rtol=1e-12)


def test_a_batch_that_is_not_whole_bags_is_refused() -> None:
    loss = LOSSES["bags by mean"]
    with pytest.raises(ValueError, match="batch of 10 images is not whole bags of 4; expected a multiple of 4"):
        loss(LABELS[:10], PROBABILITIES[:10])
    column = tf.TensorSpec((None, 1), tf.float32)
    graph = tf.function(loss, [column, column], autograph=False)
    with pytest.raises(tf.errors.InvalidArgumentError, match="multiple of 4"):
        graph(LABELS[:10].astype(np.float32), PROBABILITIES[:10].astype(np.float32))


@by_any_loss
def test_gradients_are_those_of_finite_differences(loss: keras.losses.Loss) -> None:
    weights = np.random.default_rng(1).normal(size=12)

    def value(probabilities: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(weights * loss.call(tf.constant(LABELS), probabilities))

    found = gradient(value, PROBABILITIES)
    assert np.abs(found).max() > 0.1
    np.testing.assert_allclose(found, finite_differences(value, PROBABILITIES, 1e-6), rtol=1e-6, atol=1e-7)


@by_any_loss
def test_sample_weights_weigh_as_in_keras_own_losses(loss: keras.losses.Loss) -> None:
    weights = np.random.default_rng(1).uniform(0, 2, 12)
    expected = (weights * each(loss, LABELS, PROBABILITIES)).sum() / 12
    assert float(loss(LABELS, PROBABILITIES, sample_weight=weights)) == pytest.approx(expected, rel=1e-5)
    assert float(loss(LABELS, PROBABILITIES)) == pytest.approx(each(loss, LABELS, PROBABILITIES).mean(), rel=1e-5)


@by_any_loss
@pytest.mark.parametrize("probability", [0.0, 1.0])
def test_certain_answers_have_finite_losses_and_gradients(loss: keras.losses.Loss, probability: float) -> None:
    certain = np.full((12, 1), probability, np.float32)
    labels = LABELS.astype(np.float32)
    assert np.isfinite(each(loss, labels, certain)).all()
    assert np.isfinite(gradient(lambda p: loss(labels, p), certain)).all()


@pytest.mark.parametrize(
    ("loss", "expected"), [(Bootstrapped(beta=0.8), -0.8), (GeneralisedCrossEntropy(q=0.05), -math.exp(-0.05 * 40))]
)
def test_a_confidently_wrong_answer_still_learns(loss: keras.losses.Loss, expected: float) -> None:
    """Its logit is -40: a probability of 4e-18, below what cross-entropies of probabilities tell from 0."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, activation="sigmoid")])
    model.set_weights([np.array([[-40.0]]), np.zeros(1)])
    model.compile(keras.optimizers.SGD(1.0), loss)
    tf.function(model.train_step, autograph=False)((tf.ones((1, 1)), tf.ones((1, 1))))
    assert model.get_weights()[0][0, 0] + 40 == pytest.approx(-expected, rel=1e-4)


@pytest.mark.parametrize("pooling", ["mean", "top_k"])
@pytest.mark.parametrize("label", [0, 1])
@pytest.mark.parametrize(
    ("inner", "slope"),
    [(keras.losses.BinaryCrossentropy(), 1), (Bootstrapped(beta=0.8), 0.8)],
    ids=["plain", "bootstrapped"],
)
def test_a_confidently_wrong_bag_still_learns(inner: keras.losses.Loss, slope: float, label: int, pooling: str) -> None:
    """All its logits are 40 on the wrong side, where the mean of their probabilities is 0 or 1 in float32."""
    loss = OfBags(loss=inner, bag=4, pooling=pooling, top_share=0.5)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, activation="sigmoid")])
    wrong = -40.0 if label else 40.0
    model.set_weights([np.array([[wrong]]), np.zeros(1)])
    model.compile(keras.optimizers.SGD(1.0), loss)
    labels = np.full((4, 1), label, np.float32)
    tf.function(model.train_step, autograph=False)((tf.ones((4, 1)), tf.constant(labels)))
    assert model.get_weights()[0][0, 0] - wrong == pytest.approx(slope * (2 * label - 1), rel=1e-4)


@by_any_loss
@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_one_graph_trains_on_any_number_of_bags(loss: keras.losses.Loss, policy: str) -> None:
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, activation="sigmoid", dtype=policy)])
    model.compile(keras.optimizers.SGD(0.5), loss)
    column = tf.TensorSpec((None, 1), tf.float32)
    weights = tf.TensorSpec((None,), tf.float32)
    step = tf.function(lambda *batch: model.train_step(batch)["loss"], [column, column, weights], autograph=False)
    labels = LABELS.astype(np.float32)
    losses = []
    for n in (12, 8) * 10:
        model.reset_metrics()
        losses.append(float(step(2 * labels[:n] - 1, labels[:n], np.ones(n, np.float32))))
    assert losses[-2] < 0.9 * losses[0]


@by_any_loss
def test_a_saved_loss_loads_in_safe_mode_and_is_the_same(loss: keras.losses.Loss, tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", loss)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True).loss
    assert type(loaded) is type(loss)
    assert loaded.get_config() == loss.get_config()
    np.testing.assert_array_equal(each(loaded, LABELS, PROBABILITIES), each(loss, LABELS, PROBABILITIES))


@by_any_loss
def test_the_config_has_every_argument(loss: keras.losses.Loss) -> None:
    arguments = inspect.signature(type(loss).__init__).parameters.values()
    own = {argument.name for argument in arguments if argument.kind is inspect.Parameter.KEYWORD_ONLY}
    inherited = {*inspect.signature(keras.losses.Loss.__init__).parameters} - {"self"}
    assert own | inherited == {*loss.get_config()}


def test_the_config_keeps_what_is_not_the_default() -> None:
    loss = Bootstrapped(beta=0.5, name="mine", reduction="sum", dtype="float64")
    found = Bootstrapped.from_config(loss.get_config())
    assert (found.beta, found.name, found.reduction, found.dtype) == (0.5, "mine", "sum", "float64")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: GeneralisedCrossEntropy(q=0), "q is 0; allowed: above 0, at most 1"),
        (lambda: GeneralisedCrossEntropy(q=1.1), r"q is 1\.1"),
        (lambda: Bootstrapped(beta=0.0), r"beta is 0\.0; allowed: above 0, at most 1"),
        (lambda: OfBags(loss=LOSSES["generalised"], bag=0, pooling="mean"), "bag is 0; allowed: 1 image or more"),
        (lambda: OfBags(loss=LOSSES["generalised"], bag=4, pooling="max"), "pooling is 'max'; allowed: mean, top_k"),
        (lambda: OfBags(loss=LOSSES["generalised"], bag=4, pooling="top_k", top_share=0.0), r"top_share is 0\.0"),
    ],
)
def test_what_makes_no_sense_is_refused(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
