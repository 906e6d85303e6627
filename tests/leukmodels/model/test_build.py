import math
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from keras import layers

from leukmodels.model.backbones.blocks import block_of, every_layer
from leukmodels.model.backbones.cnn import MAX_FILTERS, channels_per_block
from leukmodels.model.build import MAX_FLATTENED, build, load
from leukmodels.model.layers import Augmentation
from leukmodels.model.weights import Weights
from leukmodels.process import tensorflow_runtime
from leukmodels.space.hyperparameters import BASE, MOST_BLOCKS, HyperParams
from leukmodels.training.batching import bag_size, rows_of_epoch
from leukmodels.training.compiled import Graphs, compile_model
from leukmodels.training.precision import Precision
from leukmodels.training.scoring import predict, scoring
from leukmodels.training.training_loop import train_epoch
from toy_cells import cells, folder, images_of, points, tiny, training_data

tensorflow_runtime.start(threads=1)
pytestmark = pytest.mark.keras


def augmenter(*, strength: float = 1.0, black_background: bool = False, image_px: int = 16) -> keras.Model:
    """Return the model from its input to what its first convolution gets to see."""
    model = build(tiny(augmentation=strength), image_px=image_px, black_background=black_background)
    return keras.Model(model.input, model.get_layer("augmentation").output)


def test_the_defaults_are_the_published_cnn() -> None:
    """[Conv 64, BN, MaxPool] [Conv 64, BN, MaxPool] [Conv 128, BN, MaxPool], Flatten, Dense 128, Dense 1."""
    model = build(HyperParams(), image_px=144, black_background=False)
    block = [layers.Conv2D, layers.BatchNormalization, layers.MaxPooling2D]
    ends = [layers.Flatten, layers.Dense, layers.Dense]
    body = model.get_layer("body")
    assert [type(layer) for layer in model.layers] == [layers.InputLayer, layers.Rescaling, type(body), *ends]
    assert [type(layer) for layer in body.layers] == [layers.InputLayer, *block * 3]
    convolutions = [layer for layer in body.layers if isinstance(layer, layers.Conv2D)]
    assert [layer.filters for layer in convolutions] == [64, 64, 128]
    assert {layer.kernel_size for layer in convolutions} == {(3, 3)}
    assert {layer.activation.__name__ for layer in convolutions} == {"relu"}
    assert model.get_layer("flatten").output.shape == (None, 18 * 18 * 128)
    dense, out = model.layers[-2:]
    assert (dense.units, dense.activation.__name__) == (128, "relu")
    assert (out.units, out.activation.__name__, out.dtype) == (1, "sigmoid", "float32")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Weights]:
    """Return a base model of three blocks, and a pre-trained network with random weights."""
    hparams, path = tiny(blocks=3), tmp_path_factory.mktemp("base") / "model.keras"
    build(hparams, image_px=8, black_background=False).save(path)
    return {"base": Weights.of(path, hparams.to_dict()), "mobilenet_v3_small": Weights(path=None, sha256="")}


def learns_and_comes_back(
    hparams: HyperParams, weights: dict[str, Weights], *, image_px: int, precision: Precision
) -> None:
    """Train two epochs: weights must move, frozen blocks stay, and the saved model must answer as the trained one."""
    keras.utils.clear_session()
    data = training_data(image_px=image_px, black_background=True)
    model = build(hparams, image_px=image_px, black_background=True, weights=weights)
    body, blocks = model.get_layer("body"), block_of(model.get_layer("body"))
    loaded_blocks = {"cnn": 0, BASE: hparams.loaded_blocks}.get(hparams.backbone, MOST_BLOCKS)
    frozen = min(hparams.frozen_blocks, loaded_blocks)
    still = [weight for layer in body.layers if blocks[layer.name] <= frozen for weight in layer.weights]
    assert bool(still) == bool(frozen)
    steps = 2 * math.ceil(rows_of_epoch(data.train, hparams) / hparams.batch_size)
    compile_model(model, hparams, steps=steps, bag=bag_size(data.train, hparams))
    before, kept = ([np.asarray(each).copy() for each in some] for some in (model.trainable_variables, still))
    graphs = Graphs.of(model, precision)
    for epoch in (1, 2):  # a warm-up's first step may be of no length
        _, scores = train_epoch(model, graphs, data, hparams, seed=0, epoch=epoch)
    pairs = zip(before, model.trainable_variables, strict=True)
    assert any(not np.array_equal(then, now) for then, now in pairs)
    for then, now in zip(kept, still, strict=True):
        np.testing.assert_array_equal(np.asarray(now), then)
    with folder() as place:
        model.save(place / "model.keras")
        loaded = load(place / "model.keras")
    np.testing.assert_allclose(predict(scoring(loaded), data.validation.pixels), scores, atol=1e-6)


# Shrinking a failure would build hundreds of models.
@settings(max_examples=8, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(point=points(BASE), precision=st.sampled_from(["float32", "bfloat16"]))
def test_any_point_of_the_space_builds_learns_and_comes_back_from_its_file(
    point: dict[str, Any], precision: Precision, weights: dict[str, Weights]
) -> None:
    hparams = HyperParams.from_dict(point | {"filters": min(point["filters"], 24)})  # wide ones take seconds to train
    learns_and_comes_back(hparams, weights, image_px=9, precision=precision)


def test_a_pretrained_network_learns_in_bags_behind_its_frozen_blocks_and_comes_back_from_its_file(
    weights: dict[str, Weights],
) -> None:
    choice = {"frozen_blocks": 2, "loaded_rate": 0.1, "instances": "top_k", "head": "gap", "dropout": 0.3}
    hparams = tiny(backbone="mobilenet_v3_small", batch_size=32, **choice)
    learns_and_comes_back(hparams, weights, image_px=32, precision="bfloat16")


@pytest.mark.parametrize("image_px", [2, 5, 48])
def test_deep_models_of_small_images_stop_halving(image_px: int) -> None:
    model = build(tiny(blocks=5, pooling="stride", kernel=5), image_px=image_px, black_background=False)
    assert model.layers[-4].output.shape[1] in (2, 3)


@pytest.mark.parametrize("pooling", ["max", "average", "stride", "blur"])
def test_a_large_map_is_halved_on_before_it_is_flattened(pooling: str) -> None:
    hparams = HyperParams(blocks=2, filters=128, pooling=pooling, dense_units=256)
    model = build(hparams, image_px=144, black_background=False)
    assert model.layers[-3].output.shape == (None, 9 * 9 * 256)
    assert MAX_FLATTENED // 4 < 9 * 9 * 256 <= MAX_FLATTENED
    assert model.count_params() < 6_000_000


def test_the_other_heads_take_a_map_as_it_is() -> None:
    hparams = HyperParams(blocks=2, filters=128, head="gap")
    model = build(hparams, image_px=144, black_background=False)
    assert model.layers[-3].input.shape == (None, 36, 36, 256)


@pytest.mark.parametrize(
    ("widen", "channels"), [("none", [128] * 4), ("last", [128, 128, 128, 256]), ("each", [128, 256, 512, MAX_FILTERS])]
)
def test_widening(widen: str, channels: list[int]) -> None:
    assert channels_per_block(HyperParams(blocks=4, filters=128, widen=widen)) == channels


@pytest.mark.parametrize(
    "choice",
    [
        {"augmentation": 0.5, "dropout": 0.3},
        {"normalisation": "group", "l2": 1e-3, "activation": "gelu"},
        {"normalisation": "layer", "pooling": "average", "head": "gmp", "activation": "leaky_relu"},
    ],
)
def test_a_saved_model_loads_in_safe_mode_and_answers_the_same(choice: dict[str, Any], tmp_path: Path) -> None:
    images = images_of(cells())
    model = build(tiny(**choice), image_px=8, black_background=False)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False, safe_mode=True)
    np.testing.assert_array_equal(loaded.predict_on_batch(images), model.predict_on_batch(images))


def test_pixels_may_be_bytes_or_floats() -> None:
    images = images_of(cells())
    model = build(tiny(), image_px=8, black_background=False)
    np.testing.assert_array_equal(model.predict_on_batch(images), model.predict_on_batch(images.astype(np.float32)))


def test_augmentation_is_drawn_anew_for_every_call_and_every_image() -> None:
    """Pins a fault of earlier work: augmentation drawn once before training and frozen."""
    images = np.repeat(images_of(cells(n=1, image_px=16)), 4, axis=0)
    augment = augmenter()
    first, second = (np.asarray(augment(images, training=True)) for _ in range(2))
    assert np.abs(first - second).mean() > 0.02
    assert all(np.abs(first[i] - first[j]).mean() > 0.02 for i in range(4) for j in range(i))


@pytest.mark.parametrize("training", [None, False])
def test_outside_training_images_pass_unchanged(training: bool | None) -> None:
    images = images_of(cells(image_px=16))
    passed = np.asarray(augmenter()(images, training=training))
    np.testing.assert_allclose(passed, images / np.float32(255), atol=1e-6)


def test_augmented_pixels_stay_in_range_and_their_mean_near_its_place() -> None:
    images = images_of(cells(n=200, image_px=16))
    augmented = np.asarray(augmenter()(images, training=True))
    assert augmented.min() >= 0
    assert augmented.max() <= 1
    assert augmented.mean() == pytest.approx(images.mean() / 255, rel=0.05)


def test_a_black_background_stays_exactly_black() -> None:
    images = images_of(cells(image_px=16))
    y, x = np.indices((16, 16)) - 7.5
    outside = np.hypot(x, y) > 5
    images[:, outside] = 0
    augmented = np.asarray(augmenter(black_background=True)(images, training=True))
    assert augmented[:, np.hypot(x, y) > 7].max() == 0
    assert augmented[:, ~outside].max() > 0.1


def test_flips_are_in_proportion_to_the_strength() -> None:
    """Light and rotation scaled down to nothing, an image comes back whole or mirrored."""
    images = np.repeat(images_of(cells(n=1, image_px=16)), 400, axis=0)
    augmented = np.asarray(augmenter(strength=1e-9)(images, training=True))
    assert np.abs(augmented - images / 255).max() < 1e-3
    layer = Augmentation(strength=0.5, black_background=False)
    flipped = np.asarray(layer._flip(keras.ops.convert_to_tensor(images / np.float32(255)))) * 255
    kinds = [images[0], images[0, ::-1], images[0, :, ::-1], images[0, ::-1, ::-1]]
    shares = [np.mean([np.abs(image - kind).max() < 1e-3 for image in flipped]) for kind in kinds]
    np.testing.assert_allclose(shares, [9 / 16, 3 / 16, 3 / 16, 1 / 16], atol=0.08)


def test_strength_zero_costs_nothing() -> None:
    names = [layer.name for layer in build(tiny(augmentation=0), image_px=8, black_background=False).layers]
    assert "augmentation" not in names


def test_batch_statistics_follow_within_a_few_dozen_steps() -> None:
    model = build(HyperParams(), image_px=8, black_background=False)
    momenta = {layer.momentum for layer in every_layer(model) if isinstance(layer, layers.BatchNormalization)}
    assert momenta == {0.9}


def test_adamw_decays_weights_itself_instead_of_a_penalty() -> None:
    assert len(build(tiny(l2=1e-3), image_px=8, black_background=False).losses) == 3
    assert build(tiny(l2=1e-3, optimizer="adamw"), image_px=8, black_background=False).losses == []
