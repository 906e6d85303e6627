"""What the models of a study may start from: found, checked, copied, and found again."""

import json
import zipfile
from pathlib import Path

import pytest
import yaml

from leukmodels.errors import ConfigError, StudyError
from leukmodels.weights import Weights
from search.starts import BASE, Starts, find_base, starts_in, starts_of
from studies import begin, config, recording, run


def model_file(path: Path, *names: str) -> Path:
    """Write what find_base looks at of a model: its configuration."""
    body = {"layers": [{"config": {"name": name}} for name in names]}
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps({"config": {"layers": [{"config": {"name": "body", **body}}]}}))
    return path


OURS = ("pixels", "edges", "block1_convolution", "block2_convolution", "block2_pooling")


def exported(folder: Path) -> Path:
    model_file(folder / "model.keras", *OURS)
    said = {"task": "npm1", "trial": 4, "study": {"name": "npm1-1"}, "split_fingerprint": "f" * 64}
    (folder / "config.yaml").write_text(yaml.safe_dump(said))
    return folder


def test_a_base_model_is_a_studys_preferred_trial(tmp_path):
    folder = begin(tmp_path / "storage" / "aml-1")
    with recording(folder) as recorder:
        for number, recall in enumerate((0.7, 0.9)):
            run(recorder, number, recall)
    model_file(folder.trial(1) / "model.keras", *OURS)
    found = find_base("aml-1", tmp_path / "storage")
    assert found.origin == "trial 1 of aml-1"
    assert found.task == "runx1"
    assert found.split == folder.read_manifest()["split"]["fingerprint"]
    assert found.blocks == 2
    assert found.weights == Weights.of(folder.trial(1) / "model.keras")


@pytest.mark.parametrize("file", ["", "model.keras"])
def test_a_base_model_is_an_exported_one(tmp_path, file):
    found = find_base(str(exported(tmp_path / "npm1") / file), tmp_path)
    assert (found.origin, found.task, found.split, found.blocks) == ("trial 4 of npm1-1", "npm1", "f" * 64, 2)


def test_a_pretrained_body_has_five_blocks(tmp_path):
    folder = exported(tmp_path / "npm1")
    model_file(folder / "model.keras", "conv1_conv", "conv1_bn")
    assert find_base(str(folder), tmp_path).blocks == 5


def test_a_model_that_says_nothing_of_its_patients_is_refused(tmp_path):
    model_file(tmp_path / "found.keras", *OURS)
    with pytest.raises(StudyError, match="which patients it was trained on"):
        find_base(str(tmp_path / "found.keras"), tmp_path)


def test_what_is_no_model_is_refused(tmp_path):
    folder = exported(tmp_path / "npm1")
    (folder / "model.keras").write_bytes(b"torn")
    with pytest.raises(StudyError, match="no model that this version has trained"):
        find_base(str(folder), tmp_path)
    (folder / "config.yaml").write_text("task: npm1")
    with pytest.raises(StudyError, match="is no exported model: KeyError"):
        find_base(str(folder), tmp_path)
    with pytest.raises(StudyError, match="holds no study"):
        find_base("nothing", tmp_path)


def test_the_files_are_copied_into_the_study_and_found_there(tmp_path):
    folder = begin(tmp_path / "study")
    given = tmp_path / "given.h5"
    given.write_bytes(b"weights")
    base = find_base(str(exported(tmp_path / "npm1")), tmp_path)
    weights = {
        BASE: base.weights,
        "resnet50_v2": Weights.of(given),
        "mobilenet_v3_small": Weights(path=None, sha256=""),
    }
    starts = Starts(weights=weights, base=base)
    starts.copy_to(folder)
    given.unlink()
    found = starts_in({"starts": starts.to_dict()}, folder)
    assert {name: each.sha256 for name, each in found.items()} == {name: each.sha256 for name, each in weights.items()}
    assert found[BASE].checked() == folder.weights / "base.keras"
    assert found["resnet50_v2"].checked().read_bytes() == b"weights"
    assert found["mobilenet_v3_small"].checked() is None
    assert starts.to_dict()["base"] == {"origin": "trial 4 of npm1-1", "task": "npm1", "split": "f" * 64}


def test_a_study_without_weights_has_none(tmp_path):
    folder = begin(tmp_path / "study")
    Starts().copy_to(folder)
    assert not folder.weights.exists()
    assert starts_in(folder.read_manifest(), folder) == {}


def test_another_split_is_refused(tmp_path):
    base = find_base(str(exported(tmp_path / "npm1")), tmp_path)
    starts = Starts(weights={BASE: base.weights}, base=base)
    starts.refuse_other_split("f" * 64)
    with pytest.raises(StudyError, match="may have seen patients that are to test it"):
        starts.refuse_other_split("0" * 64)
    Starts().refuse_other_split("anything")


def test_the_options_say_what_there_is(tmp_path):
    assert starts_of(config(), tmp_path) == Starts()
    asked = config(base_model=str(exported(tmp_path / "npm1")), backbones="resnet50_v2=random", image_px=32)
    found = starts_of(asked, tmp_path)
    assert list(found.weights) == [BASE, "resnet50_v2"]
    assert found.blocks == 2
    assert any("trial 4 of npm1-1, trained for npm1" in note for note in found.notes)
    with pytest.raises(ConfigError, match="cannot see images this small"):
        starts_of(config(backbones="resnet50_v2=random", image_px=31), tmp_path)
