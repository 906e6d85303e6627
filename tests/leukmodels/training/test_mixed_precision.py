"""What training computes in changes its speed, and neither the model nor, beyond rounding, what it learns."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf

from leukmodels.model.backbones.blocks import every_layer
from leukmodels.model.backbones.pretrained import pretrained
from leukmodels.model.build import build
from leukmodels.model.weights import Weights
from leukmodels.process import tensorflow_runtime
from leukmodels.space.hyperparameters import HyperParams
from leukmodels.training import compiled as graphs
from leukmodels.training import experiment
from leukmodels.training.mixed_precision import computing
from leukmodels.training.precision import Precision
from leukmodels.training.scoring import predict, read_scores, scoring
from leukmodels.training.training_loop import Budget
from toy_cells import cells, images_of, tiny, training_data

tensorflow_runtime.start(threads=1)
pytestmark = pytest.mark.keras

IMAGES = images_of(cells(n=24))
LABELS = np.arange(24, dtype=np.float32)[:, None] % 2


def gradients(model: keras.Model) -> tuple[npt.NDArray[Any], list[npt.NDArray[Any]]]:
    """Return a batch's probabilities in training, and the gradient of each weight."""
    with tf.GradientTape() as tape:
        answers = model(IMAGES, training=True)
        loss = tf.reduce_mean(keras.losses.binary_crossentropy(LABELS, answers))
    return answers.numpy(), [gradient.numpy() for gradient in tape.gradient(loss, model.trainable_variables)]


def fresh(hparams: HyperParams) -> keras.Model:
    tensorflow_runtime.seed_everything(0)
    return build(hparams, image_px=8, black_background=False)


def operations(function: tf.types.experimental.PolymorphicFunction) -> list[tuple[str, tf.DType]]:
    """Return kind and first output's type of what a traced function computes."""
    graph = function.get_concrete_function().graph
    return [(operation.type, operation.outputs[0].dtype) for operation in graph.get_operations() if operation.outputs]


def test_fused_normalisation_is_that_of_keras() -> None:
    plain, fused = fresh(tiny()), fresh(tiny())
    expected = gradients(plain)
    with computing(fused, "float32"):
        found = gradients(fused)
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-4, atol=1e-5)
    for ours, theirs in zip(found[1], expected[1], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-5)
    for ours, theirs in zip(fused.non_trainable_variables, plain.non_trainable_variables, strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-4, atol=1e-6)


def test_frozen_normalisation_goes_by_what_it_knows() -> None:
    model = fresh(tiny())
    frozen = [layer for layer in every_layer(model) if isinstance(layer, keras.layers.BatchNormalization)]
    for layer in frozen:
        layer.trainable = False
    before = [np.asarray(each) for layer in frozen for each in layer.non_trainable_variables]
    expected = gradients(model)[0]
    with computing(model, "float32"):
        np.testing.assert_array_equal(gradients(model)[0], expected)
    for now, then in zip((each for layer in frozen for each in layer.non_trainable_variables), before, strict=True):
        np.testing.assert_array_equal(np.asarray(now), then)


def test_bfloat16_rounds_maps_and_leaves_weights_gradients_and_answers_float32() -> None:
    exact, rounded = fresh(tiny()), fresh(tiny())
    expected = gradients(exact)
    with computing(rounded, "bfloat16"):
        inner = [layer.compute_dtype for layer in every_layer(rounded) if layer.weights]
        assert inner == ["bfloat16"] * 5 + ["float32"]  # two blocks, the dense layer; the probability
        found = gradients(rounded)
    assert {variable.dtype for variable in rounded.trainable_variables} == {"float32"}
    assert {array.dtype for array in (found[0], *found[1])} == {np.dtype("float32")}
    assert 0 < np.abs(found[0] - expected[0]).max() < 0.03
    ours, theirs = (np.concatenate([array.ravel() for array in arrays]) for arrays in (found[1], expected[1]))
    assert ours @ theirs > 0.99 * np.linalg.norm(ours) * np.linalg.norm(theirs)  # the same direction


def test_what_a_pretrained_network_does_to_pixels_before_it_convolves_them_stays_exact() -> None:
    """EfficientNetV2B0 is the one with the longest way there: to 0..255, to 0..1, and to the colours of ImageNet."""
    body = pretrained("efficientnet_v2_b0", Weights(path=None, sha256=""), image_px=32)
    first = next(at for at, layer in enumerate(body.layers) if isinstance(layer, keras.layers.Conv2D))
    assert any(isinstance(layer, keras.layers.Normalization) for layer in body.layers[:first])
    with computing(body, "bfloat16"):
        assert {layer.compute_dtype for layer in body.layers[:first]} == {"float32"}
        assert body.layers[first].compute_dtype == "bfloat16"


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_only_training_is_computed_otherwise_and_the_model_is_as_it_was(precision: Precision) -> None:
    model = fresh(tiny())
    before = model.get_config()
    graphs.compile_model(model, tiny(), steps=1)
    compiled = graphs.Graphs.of(model, precision)
    assert model.get_config() == before
    assert all("call" not in vars(layer) for layer in every_layer(model))
    done = operations(compiled.step)
    assert sum(kind == "FusedBatchNormV3" for kind, _ in done) == 2
    assert {dtype.name for kind, dtype in done if kind == "Conv2D"} == {precision}
    assert {dtype.name for kind, dtype in operations(compiled.settling) if kind == "Conv2D"} == {precision}
    plain = fresh(tiny())
    plain.set_weights(model.get_weights())
    np.testing.assert_array_equal(compiled.scoring(IMAGES), scoring(plain)(IMAGES))


@pytest.mark.parametrize(
    "choice",
    [
        {"pooling": "average", "normalisation": "layer", "head": "gap", "activation": "gelu", "optimizer": "adamw"},
        {"pooling": "stride", "normalisation": "group", "head": "gmp", "activation": "silu", "optimizer": "sgd"},
        {"normalisation": "none", "activation": "leaky_relu", "optimizer": "rmsprop", "l2": 1e-3, "dropout": 0.5},
        {"activation": "elu", "augmentation": 1.0, "kernel": 5, "class_balance": "weights"},
    ],
)
def test_a_trial_in_bfloat16_leaves_a_float32_model_that_gives_the_recorded_scores(
    choice: dict[str, Any], tmp_path: Path
) -> None:
    data = training_data()
    experiment.run(
        tiny(**choice),
        data,
        budget=Budget(epochs=2, patience=2),
        seed=1,
        folder=tmp_path,
        report=lambda *_: None,
        precision="bfloat16",
    )
    model = keras.saving.load_model(tmp_path / experiment.MODEL_FILE, safe_mode=True)
    assert {layer.dtype_policy.name for layer in every_layer(model)} == {"float32"}
    recorded = read_scores(tmp_path / experiment.SCORES_FILE)["score"].to_numpy()
    np.testing.assert_allclose(predict(scoring(model), data.validation.pixels), recorded, rtol=1e-5)
