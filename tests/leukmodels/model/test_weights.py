"""Weights on this machine, pinned by their SHA-256; nothing is downloaded."""

import hashlib
import re

import h5py
import pytest

from leukmodels.errors import ConfigError
from leukmodels.model.weights import FILES, Weights, read_backbones
from leukmodels.process.files import digest
from leukmodels.space.hyperparameters import PRETRAINED


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "weights.h5"
    with h5py.File(path, "w") as archive:
        archive.attrs["layer_names"] = ["Conv"]
        archive["kernel"] = [1.0]
    return path


def test_a_file_is_what_it_was(file):
    weights = Weights.of(file)
    assert weights.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert weights.checked() == file
    file.write_bytes(b"other weights")
    with pytest.raises(ConfigError, match="another file than the one the study began with"):
        weights.checked()
    file.unlink()
    with pytest.raises(ConfigError, match="cannot be read on this machine"):
        weights.checked()


def test_random_weights_need_no_file():
    assert Weights(path=None, sha256="").checked() is None


def test_backbones_come_by_name_with_a_word_on_what_is_not_as_published(file):
    found, notes = read_backbones(f"mobilenet_v3_small={file}, resnet50_v2 = random")
    assert found == {"mobilenet_v3_small": Weights.of(file), "resnet50_v2": Weights(path=None, sha256="")}
    assert "is not the file that Keras publishes for mobilenet_v3_small" in notes[0]
    assert "resnet50_v2 starts from random weights" in notes[1]


def test_a_folder_stands_for_the_published_file_in_it(file, tmp_path):
    name = FILES["resnet50_v2"].file_name
    with pytest.raises(ConfigError) as caught:
        read_backbones(f"resnet50_v2={tmp_path}")
    assert f"{tmp_path / name} cannot be read" in caught.value.problems[0]
    file.rename(tmp_path / name)
    found, _ = read_backbones(f"resnet50_v2={tmp_path}")
    assert found["resnet50_v2"].path == tmp_path / name


def test_all_that_is_wrong_comes_at_once_and_says_where_the_file_is_to_be_had(tmp_path):
    with pytest.raises(ConfigError) as caught:
        read_backbones(f"resnet50_v2={tmp_path / 'none.h5'},efficientnet_v2_b0,vgg16=random,resnet50_v2=random")
    missing, none, other = caught.value.problems[:3]
    assert f"{tmp_path / 'none.h5'} cannot be read (No such file or directory)" in missing
    assert FILES["resnet50_v2"].address in missing
    assert "efficientnet_v2_b0: no file is given. Nothing is downloaded here" in none
    assert other == f"'vgg16' is no backbone; there are {', '.join(PRETRAINED)}."


@pytest.mark.keras
def test_the_published_files_are_those_of_keras():
    from keras.src.applications import efficientnet_v2, mobilenet_v3, resnet

    hashes = {
        "mobilenet_v3_small": mobilenet_v3.WEIGHTS_HASHES["small_224_1.0_float"],
        "mobilenet_v3_large": mobilenet_v3.WEIGHTS_HASHES["large_224_1.0_float"],
        "efficientnet_v2_b0": efficientnet_v2.WEIGHTS_HASHES["b0"],
        "efficientnet_v2_s": efficientnet_v2.WEIGHTS_HASHES["-s"],
        "resnet50_v2": resnet.WEIGHTS_HASHES["resnet50v2"],
    }
    assert {name: file.md5 for name, file in FILES.items()} == {name: each[1] for name, each in hashes.items()}
    places = (mobilenet_v3.BASE_WEIGHT_PATH, efficientnet_v2.BASE_WEIGHTS_PATH, resnet.BASE_WEIGHTS_PATH)
    assert all(file.address.startswith(places) for file in FILES.values())


def test_what_is_no_hdf5_is_refused_before_any_trial(tmp_path):
    (tmp_path / "readme.md").write_text("# weights")
    with pytest.raises(ConfigError) as caught:
        read_backbones(f"resnet50_v2={tmp_path / 'readme.md'}")
    assert "is no HDF5 file" in caught.value.problems[0]


@pytest.mark.parametrize(
    ("legacy", "name", "ending"),
    [
        (True, "a.bin", ".h5"),
        (True, "a.weights.h5", ".h5"),
        (False, "a.h5", ".weights.h5"),
        (False, "a", ".weights.h5"),
    ],
)
def test_a_file_whose_name_says_another_format_is_refused(tmp_path, legacy, name, ending):
    with h5py.File(tmp_path / name, "w") as archive:
        if legacy:
            archive.attrs["layer_names"] = ["Conv"]
        archive.create_group("layers")
    with pytest.raises(ConfigError, match=rf"whose name must end in {re.escape(ending)} "):
        read_backbones(f"resnet50_v2={tmp_path / name}")
    right = (tmp_path / name).rename(tmp_path / f"b{ending}")
    assert read_backbones(f"resnet50_v2={right}")[0]["resnet50_v2"].path == right


def test_a_digest_is_of_the_content(file):
    assert digest(file, "md5") == hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest()
