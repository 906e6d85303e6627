"""What turns an image into a feature map: from scratch, from a base model, pre-trained."""

import functools
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from keras import layers
from keras.src.legacy.saving import legacy_h5_format

from leukmodels.errors import ConfigError
from leukmodels.model.backbones.blocks import block_of, every_layer, freeze, slowed
from leukmodels.model.backbones.cnn import cnn
from leukmodels.model.backbones.pretrained import pretrained
from leukmodels.model.build import build, working_px
from leukmodels.model.layers import BlurPool2D
from leukmodels.model.weights import SMALLEST_PX, Weights
from leukmodels.process import tensorflow_runtime
from leukmodels.space.hyperparameters import PRETRAINED, HyperParams
from toy_cells import cells, images_of, tiny

tensorflow_runtime.start(threads=1)
pytestmark = pytest.mark.keras

PX = 16
RANDOM = {name: Weights(path=None, sha256="") for name in PRETRAINED}


@pytest.fixture(scope="module")
def network():
    """Return what gives the body of a name with random weights, for images of 32 px; for reading only."""
    return functools.cache(lambda name: pretrained(name, RANDOM[name], image_px=32))


@pytest.fixture(scope="module")
def published() -> keras.Model:
    """Return the network of keras.applications whose weights are put into files."""
    return keras.applications.MobileNetV3Small(include_top=False, weights=None, input_shape=(32, 32, 3))


def saved(path: Path, **choice) -> dict[str, Weights]:
    """Return the weights of a base model of this configuration."""
    hparams = tiny(blocks=3, **choice)
    model = build(hparams, image_px=PX, black_background=False)
    for variable in model.variables:
        if "seed" not in variable.path:
            variable.assign(np.random.default_rng(0).normal(0.5, 0.1, variable.shape))
    model.save(path)
    return {"base": Weights.of(path, hparams.to_dict())}


def body_of(weights, **choice):
    hparams = tiny(backbone="base", **choice)
    return build(hparams, image_px=PX, black_background=False, weights=weights).get_layer("body")


@pytest.mark.parametrize("pooling", ["max", "average", "stride", "blur"])
def test_a_residual_block_adds_what_it_gets(pooling):
    """With a convolution of zeros a block passes its shortcut on, pooled."""
    hparams = tiny(residual="yes", pooling=pooling, normalisation="none", widen="none")
    body = cnn(hparams, image_px=PX, black_background=False)
    second = body.get_layer("block2_convolution")
    second.set_weights([np.zeros_like(each) for each in second.get_weights()])
    first = "block1_convolution" if pooling == "stride" else "block1_pooling"
    images = images_of(cells(n=2, image_px=PX)) / np.float32(255)
    kept = keras.Model(body.input, body.get_layer(first).output)(images)
    pooled = {
        "max": layers.MaxPooling2D(2),
        "average": layers.AveragePooling2D(2),
        "stride": layers.AveragePooling2D(2),
        "blur": lambda x: BlurPool2D()(layers.MaxPooling2D(2, strides=1, padding="same")(x)),
    }[pooling]
    np.testing.assert_allclose(np.asarray(body(images)), np.asarray(pooled(kept)), atol=1e-6)


def test_stochastic_depth_drops_a_whole_block_of_an_image_in_training_only():
    hparams = tiny(residual="yes", stochastic_depth=0.4, normalisation="none")
    body = cnn(hparams, image_px=PX, black_background=False)
    branch = keras.Model(body.input, body.get_layer("block2_stochastic_depth").output)
    images = np.repeat(images_of(cells(n=1, image_px=PX)) / np.float32(255), 400, axis=0)
    there = np.asarray(branch(images, training=True)).reshape(400, -1)
    kept = there.any(axis=1)
    assert kept.mean() == pytest.approx(0.6, abs=0.08)
    always = np.asarray(branch(images[:1], training=False)).reshape(-1)
    np.testing.assert_allclose(there[kept][0], always / 0.6, rtol=1e-5)


def test_separable_convolutions_come_after_the_first_block():
    body = cnn(tiny(blocks=3, convolution="separable"), image_px=PX, black_background=False)
    kinds = [type(body.get_layer(f"block{block}_convolution")) for block in (1, 2, 3)]
    assert kinds == [layers.Conv2D, layers.SeparableConv2D, layers.SeparableConv2D]


def test_blocks_of_a_body_from_scratch_are_those_of_its_names():
    body = cnn(tiny(blocks=4, edges="laplacian", residual="yes", pooling="blur"), image_px=PX, black_background=False)
    blocks = block_of(body)
    assert max(blocks.values()) == 4
    assert all(blocks[name] == int(name[5]) for name in blocks if name.startswith("block"))
    assert blocks["edges"] == 1


@pytest.mark.parametrize("name", ["mobilenet_v3_small", "resnet50_v2"])
def test_blocks_of_a_pretrained_body_end_where_its_map_is_halved_whatever_the_size(network, name):
    small, large = network(name), pretrained(name, RANDOM[name], image_px=256)
    of_small, of_large = block_of(small), block_of(large)
    blocks = [of_large[layer.name] for layer in large.layers]
    assert blocks == [of_small[layer.name] for layer in small.layers]
    for layer, block in zip(large.layers, blocks, strict=True):
        if isinstance(layer, layers.Conv2D) and layer.output.shape[1] > 1:  # squeeze-and-excitation has one value
            assert layer.output.shape[1] == 256 >> block
    assert set(blocks) == {1, 2, 3, 4, 5}


def test_the_first_blocks_come_from_the_base_model_and_the_others_are_drawn(tmp_path):
    weights = saved(tmp_path / "base.keras")
    trained = keras.saving.load_model(tmp_path / "base.keras").get_layer("body")
    body = body_of(weights, loaded_blocks=2)
    for block in (1, 2, 3):
        name = f"block{block}_convolution"
        same = np.array_equal(body.get_layer(name).get_weights()[0], trained.get_layer(name).get_weights()[0])
        assert same == (block <= 2)
    whole = body_of(weights)
    for mine, theirs in zip(whole.get_weights(), trained.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("px", [2, 5, 9, 33])
@pytest.mark.parametrize("pooling", ["max", "stride", "blur"])
def test_a_base_model_builds_at_any_size(tmp_path, pooling, px):
    weights = saved(tmp_path / "base.keras", pooling=pooling, edges="log", edges_sigma=2.0, residual="yes")
    model = build(tiny(backbone="base"), image_px=px, black_background=True, weights=weights)
    answers = np.asarray(model(images_of(cells(n=2, image_px=px)), training=False))
    assert ((answers >= 0) & (answers <= 1)).all()
    assert model.get_layer("body").get_layer("edges").black_background


def test_a_base_model_that_is_a_pretrained_network_comes_back_block_by_block(tmp_path):
    keras.utils.clear_session()
    hparams = HyperParams(backbone="mobilenet_v3_small", head="gap")
    trained = build(hparams, image_px=48, black_background=False, weights=RANDOM)
    trained.save(tmp_path / "base.keras")
    weights = {"base": Weights.of(tmp_path / "base.keras", hparams.to_dict())}
    choice = {"backbone": "base", "loaded_blocks": 4, "frozen_blocks": 4, "head": "gap", "resolution": 0.5}
    model = build(HyperParams(**choice), image_px=40, black_background=False, weights=weights)
    body = model.get_layer("body")
    assert body.input_shape[1] == SMALLEST_PX
    blocks, theirs = block_of(body), [layer for layer in trained.get_layer("body").layers if layer.weights]
    for mine, other in zip([layer for layer in body.layers if layer.weights], theirs, strict=True):
        kernels = [each for each in zip(mine.get_weights(), other.get_weights(), strict=True) if each[0].ndim > 1]
        assert all(np.array_equal(*pair) == (blocks[mine.name] <= 4) for pair in kernels)
        assert mine.trainable == (blocks[mine.name] > 4)
    assert model.losses == []


def test_a_base_model_brings_its_architecture_to_another_size_and_its_head_stays_behind(tmp_path):
    weights = saved(tmp_path / "base.keras", edges="log", activation="elu", augmentation=0.5)
    model = build(
        tiny(backbone="base", head="gap", dense_units=20), image_px=24, black_background=False, weights=weights
    )
    body = model.get_layer("body")
    assert body.input_shape == (None, 24, 24, 3)
    assert body.get_layer("edges").kind == "log"
    assert body.get_layer("block1_convolution").activation.__name__ == "elu"
    assert model.get_layer("dense").units == 20
    assert "augmentation" not in [layer.name for layer in model.layers]


def test_kernels_of_a_loaded_body_are_penalised_as_this_trial_says(tmp_path):
    weights = saved(tmp_path / "base.keras", l2=1e-3)
    assert len(body_of(weights).losses) == 0
    assert len(body_of(weights, l2=1e-4).losses) == 3


@pytest.mark.parametrize(("loaded", "frozen", "still"), [(3, 0, 0), (3, 2, 2), (1, 3, 1), (2, 5, 2)])
def test_frozen_blocks_are_the_first_of_those_that_were_loaded(tmp_path, loaded, frozen, still):
    body = body_of(saved(tmp_path / "base.keras"), loaded_blocks=loaded, frozen_blocks=frozen)
    trainable = {int(name[5]) for name in block_of(body) if name.startswith("block") and body.get_layer(name).trainable}
    assert trainable == set(range(still + 1, 4))
    model = keras.Sequential([body])
    assert len(model.trainable_variables) == 4 * (3 - still)  # kernel, bias, gamma and beta of each


def test_what_was_loaded_and_trains_is_slowed(tmp_path):
    weights = saved(tmp_path / "base.keras")
    hparams = tiny(backbone="base", loaded_blocks=2, frozen_blocks=1, loaded_rate=0.1)
    body = build(hparams, image_px=PX, black_background=False, weights=weights).get_layer("body")
    assert {id(each) for each in slowed(body, hparams)} == {
        id(each)
        for name in ("block2_convolution", "block2_normalisation")
        for each in body.get_layer(name).trainable_variables
    }
    assert slowed(body, tiny(backbone="base")) == []
    scratch = cnn(tiny(loaded_rate=0.1), image_px=PX, black_background=False)
    assert slowed(scratch, tiny(loaded_rate=0.1)) == []


def test_a_frozen_network_does_not_train():
    hparams = HyperParams(backbone="mobilenet_v3_small", frozen_blocks=5, head="gap")
    model = build(hparams, image_px=32, black_background=False, weights=RANDOM)
    assert len(model.trainable_variables) == 4  # of the two dense layers
    freeze(model.get_layer("body"), HyperParams(backbone="mobilenet_v3_small"))
    assert len(model.trainable_variables) > 100


# The others are built in other tests here, or the same code with more layers.
@pytest.mark.parametrize("name", ["mobilenet_v3_small", "efficientnet_v2_b0"])
def test_pretrained_networks_build_answer_and_come_back_from_their_files(name, tmp_path):
    keras.utils.clear_session()
    model = build(HyperParams(backbone=name, head="gap"), image_px=32, black_background=False, weights=RANDOM)
    images = images_of(cells(n=2, image_px=32))
    answers = np.asarray(model(images, training=False))
    assert answers.shape == (2, 1)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False, safe_mode=True)
    np.testing.assert_allclose(np.asarray(loaded(images, training=False)), answers, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "alike", "prepared"),
    [
        ("mobilenet_v3_small", keras.applications.MobileNetV3Small, keras.applications.mobilenet_v3.preprocess_input),
        (
            "efficientnet_v2_b0",
            keras.applications.EfficientNetV2B0,
            keras.applications.efficientnet_v2.preprocess_input,
        ),
        ("resnet50_v2", keras.applications.ResNet50V2, keras.applications.resnet_v2.preprocess_input),
    ],
)
def test_a_pretrained_network_sees_what_it_was_trained_on(network, name, alike, prepared):
    """Pixels give what the network alone gives after keras.applications' own preprocessing."""
    body = network(name)
    alone = alike(include_top=False, weights=None, input_shape=(32, 32, 3))
    alone.set_weights(body.get_weights())
    images = images_of(cells(n=2, image_px=32)).astype(np.float32)
    expected = np.asarray(alone(prepared(images.copy()), training=False))
    np.testing.assert_allclose(np.asarray(body(images / 255, training=False)), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("file", ["small.weights.h5", "small.h5"])
def test_weights_come_from_the_file_and_a_file_of_another_network_is_refused(published, file, tmp_path):
    """In Keras' present format, and in the older one of the published files."""
    if file == "small.h5":
        with h5py.File(tmp_path / file, "w") as archive:
            legacy_h5_format.save_weights_to_hdf5_group(archive, published)
    else:
        published.save_weights(tmp_path / file)
    weights = {"mobilenet_v3_small": Weights.of(tmp_path / file)}
    model = build(HyperParams(backbone="mobilenet_v3_small"), image_px=48, black_background=False, weights=weights)
    for mine, theirs in zip(model.get_layer("body").get_weights(), published.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    with pytest.raises(ConfigError, match="does not hold weights of mobilenet_v3_large"):
        pretrained("mobilenet_v3_large", weights["mobilenet_v3_small"], image_px=32)


def test_a_file_that_is_no_weights_is_refused(tmp_path):
    (tmp_path / "torn.h5").write_bytes(b"torn")
    weights = {"mobilenet_v3_small": Weights.of(tmp_path / "torn.h5")}
    with pytest.raises(ConfigError, match="does not hold weights of mobilenet_v3_small"):
        build(HyperParams(backbone="mobilenet_v3_small"), image_px=32, black_background=False, weights=weights)


def test_a_base_model_that_is_none_is_refused(tmp_path):
    (tmp_path / "torn.keras").write_bytes(b"PK torn")
    with pytest.raises(ConfigError, match="is no model of this software"):
        body_of({"base": Weights.of(tmp_path / "torn.keras", tiny().to_dict())})


def test_a_base_model_of_other_hyperparameters_is_refused(tmp_path):
    saved(tmp_path / "base.keras")
    for other in (tiny(blocks=4), tiny(blocks=3, filters=16)):
        with pytest.raises(ConfigError, match="another model than its hyperparameters say"):
            body_of({"base": Weights.of(tmp_path / "base.keras", other.to_dict())})


@pytest.mark.parametrize(("backbone", "said"), [("base", "Give the base model"), ("resnet50_v2", "fetch https")])
def test_a_backbone_without_weights_says_where_they_are_to_be_had(backbone, said):
    with pytest.raises(ConfigError, match=f"no weights for the backbone {backbone}") as caught:
        build(HyperParams(backbone=backbone), image_px=32, black_background=False)
    assert said in caught.value.problems[0]


def test_images_are_made_smaller_inside_the_model():
    model = build(tiny(resolution=0.5), image_px=PX, black_background=False)
    assert model.input_shape == (None, PX, PX, 3)
    assert model.get_layer("body").input_shape == (None, 8, 8, 3)
    assert working_px(tiny(resolution=0.75), PX) == 12
    network = HyperParams(backbone="resnet50_v2", resolution=0.5)
    assert [working_px(network, px) for px in (SMALLEST_PX, 48, 144)] == [32, 32, 72]


def test_every_layer_goes_into_bodies():
    model = build(tiny(), image_px=PX, black_background=False)
    names = [layer.name for layer in every_layer(model)]
    assert "block1_convolution" in names
    assert "dense" in names
    assert "body" not in names
