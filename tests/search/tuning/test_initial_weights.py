"""What the models of a study may start from: found, checked, copied, and found again."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
import yaml

from exports import CONFIG
from leukmodels.errors import ConfigError, StudyError
from leukmodels.model.weights import Weights
from leukmodels.space.hyperparameters import BASE
from leukmodels.space.presets import space
from search.study.manifest import BaseModelOrigin, Manifest
from search.tuning.initial_weights import InitialWeights, find_base, networks_in, starts_in, starts_of
from studies import begin, config, recording, run, stored


def exported(folder: Path, **params: Any) -> Path:
    folder.mkdir()
    (folder / "model.keras").write_bytes(b"a model")
    base = {"file": "base.keras", "sha256": "b" * 64, "hyperparameters": {"blocks": 4}}
    said = CONFIG | {
        "model_sha256": hashlib.sha256(b"a model").hexdigest(),
        "hyperparameters": {"blocks": 2, "filters": 8} | params,
        "starts": {"files": {"base": base}, "base": None},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(said))
    return folder


def test_a_base_model_is_a_studys_preferred_trial(tmp_path):
    folder = begin(tmp_path / "storage" / "aml-1")
    with recording(folder) as recorder:
        for number, recall in enumerate((0.7, 0.9)):
            run(recorder, number, recall, blocks=2)
    folder.trial(1).mkdir()
    (folder.trial(1) / "model.keras").write_bytes(b"a model")
    found = find_base("aml-1", tmp_path / "storage")
    assert found.origin.origin == "trial 1 of aml-1"
    assert found.origin.task == "runx1"
    assert found.origin.split == stored(folder)["split"]["fingerprint"]
    assert found.blocks == 2
    assert found.origin.study == stored(folder)["study_id"]
    params = {**space("small").default, "blocks": 2}
    assert found.weights == Weights.of(folder.trial(1) / "model.keras", params)


@pytest.mark.parametrize("file", ["", "model.keras"])
def test_a_base_model_is_an_exported_one(tmp_path, file):
    found = find_base(str(exported(tmp_path / "npm1") / file), tmp_path)
    assert found.origin == BaseModelOrigin(origin="trial 4 of npm1-1", task="npm1", split="f" * 64, study="77")
    assert found.blocks == 2


def test_a_model_that_is_not_the_exported_one_is_refused(tmp_path):
    folder = exported(tmp_path / "npm1")
    (folder / "model.keras").write_bytes(b"another model")
    with pytest.raises(StudyError, match=r"is not the model that .*config\.yaml tells of"):
        find_base(str(folder), tmp_path)


def test_a_pretrained_body_has_five_blocks_and_is_one_network_more(tmp_path):
    found = find_base(str(exported(tmp_path / "npm1", backbone="resnet50_v2")), tmp_path)
    assert found.blocks == 5
    assert networks_in({BASE: found.weights})
    assert not networks_in({BASE: find_base(str(exported(tmp_path / "other")), tmp_path).weights})
    assert networks_in({"resnet50_v2": Weights(path=None, sha256="")})


def test_a_base_of_a_base_has_the_body_of_the_first(tmp_path):
    found = find_base(str(exported(tmp_path / "npm1", backbone="base")), tmp_path)
    assert found.weights.hyperparameters == {"blocks": 4}
    assert found.blocks == 4


def test_a_model_that_says_nothing_of_its_patients_is_refused(tmp_path):
    (tmp_path / "found.keras").write_bytes(b"a model")
    with pytest.raises(StudyError, match="which cells it was trained on"):
        find_base(str(tmp_path / "found.keras"), tmp_path)


def test_what_is_no_exported_model_is_refused(tmp_path):
    folder = exported(tmp_path / "npm1")
    (folder / "model.keras").unlink()
    with pytest.raises(StudyError, match=r"model\.keras cannot be read: No such file"):
        find_base(str(folder), tmp_path)
    (folder / "config.yaml").write_text("task: npm1")
    with pytest.raises(StudyError, match=r"(?s)no model that this version exported: .*trial is missing"):
        find_base(str(folder), tmp_path)
    with pytest.raises(StudyError, match="holds no study"):
        find_base("nothing", tmp_path)


def test_the_files_are_copied_into_the_study_and_found_there(tmp_path):
    folder = begin(tmp_path / "study")
    given = tmp_path / "given.weights.h5"
    given.write_bytes(b"weights")
    base = find_base(str(exported(tmp_path / "npm1")), tmp_path)
    weights = {
        BASE: base.weights,
        "resnet50_v2": Weights.of(given),
        "mobilenet_v3_small": Weights(path=None, sha256=""),
    }
    starts = InitialWeights(weights=weights, base=base)
    starts.copy_to(folder)
    given.unlink()
    found = starts_in(Manifest.read(folder).model_copy(update={"starts": starts.stored()}), folder)
    assert {name: each.sha256 for name, each in found.items()} == {name: each.sha256 for name, each in weights.items()}
    assert found[BASE].checked() == folder.weights / "base.keras"
    assert found["resnet50_v2"].checked() == folder.weights / "resnet50_v2.weights.h5"  # Keras goes by the ending
    assert found["resnet50_v2"].path.read_bytes() == b"weights"
    assert found[BASE].hyperparameters == base.weights.hyperparameters
    assert found["mobilenet_v3_small"].checked() is None
    assert starts.stored().base.model_dump() == {
        "origin": "trial 4 of npm1-1",
        "task": "npm1",
        "split": "f" * 64,
        "study": "77",
    }


def test_a_study_without_weights_has_none(tmp_path):
    folder = begin(tmp_path / "study")
    InitialWeights().copy_to(folder)
    assert not folder.weights.exists()
    assert starts_in(Manifest.read(folder), folder) == {}


def test_another_split_is_refused(tmp_path):
    base = find_base(str(exported(tmp_path / "npm1")), tmp_path)
    starts = InitialWeights(weights={BASE: base.weights}, base=base)
    starts.refuse_other_split("f" * 64)
    with pytest.raises(StudyError, match="may have seen cells that are to test it"):
        starts.refuse_other_split("0" * 64)
    InitialWeights().refuse_other_split("anything")


def test_the_options_say_what_there_is(tmp_path):
    assert starts_of(config(), tmp_path) == InitialWeights()
    asked = config(base_model=str(exported(tmp_path / "npm1")), backbones="resnet50_v2=random", image_px=32)
    found = starts_of(asked, tmp_path)
    assert list(found.weights) == [BASE, "resnet50_v2"]
    assert found.blocks == 2
    assert any("trial 4 of npm1-1, trained for npm1" in note for note in found.notes)
    with pytest.raises(ConfigError, match="cannot see images this small"):
        starts_of(config(backbones="resnet50_v2=random", image_px=31), tmp_path)
