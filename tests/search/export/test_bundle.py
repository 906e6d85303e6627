import hashlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

import studies
from leukmodels.errors import ConfigError, StudyError
from leukmodels.model.exported import ExportedModel
from leukmodels.predictor import Predictor
from leukmodels.process.files import digest
from search.export import bundle
from search.export.bundle import choose_trial, write_bundle
from search.export.destination import check_out, default_out
from search.selection.preference import Preference
from search.study.disclosure import Disclosure, Names
from search.study.journal import Journal
from search.study.opened import Study
from search.study.portable import portable
from studies import stored

pytestmark = pytest.mark.keras


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return studies.exportable(tmp_path_factory.mktemp("studies"))


@pytest.fixture
def study(original, tmp_path):
    """A copy that a test may spoil."""
    shutil.copytree(original.path.parent, tmp_path / "studies")
    folder = type(original)(tmp_path / "studies" / original.name)
    manifest = stored(original)
    manifest["data"]["root"] = str(tmp_path / "studies" / "cells")
    folder.manifest.write_text(json.dumps(manifest))
    return folder


def config_of(out):
    return yaml.safe_load((out / "config.yaml").read_text())


def test_a_bundle_is_whole_and_verified(original, tmp_path):
    out = tmp_path / "results" / "runx1"
    written = write_bundle(Study.open(original), out, Preference(by="accuracy"))
    assert written.trial.number == 1
    assert written.verification.checked == studies.CELLS["validation"]
    assert written.verification.largest_difference < 1e-4
    assert sorted(path.name for path in out.iterdir()) == [
        "README.md",
        "config.yaml",
        "front.csv",
        "front.png",
        "model.keras",
        "scores.parquet",
    ]
    assert sorted(path.name for path in out.parent.iterdir()) == ["runx1"]
    config = config_of(out)
    assert config["hyperparameters"]["filters"] == 32
    assert config["validation"]["recall"] == 0.85
    assert config["threshold"] == 0.5
    assert config["preference"] == "accuracy"
    assert config["front"] == [2, 1]
    assert config["model_sha256"] == hashlib.sha256((out / "model.keras").read_bytes()).hexdigest()
    assert config["verification"]["checked"] == studies.CELLS["validation"]
    assert config["data_fingerprint"] == "d" * 64
    assert ExportedModel.read(out) == written.config


def test_nothing_in_it_tells_of_this_machine(original, tmp_path):
    write_bundle(Study.open(original), tmp_path / "out", Preference())
    for name in ("config.yaml", "README.md", "front.csv"):
        assert str(original.path.parent) not in (tmp_path / "out" / name).read_text()
    assert config_of(tmp_path / "out")["command"] == "python -m search.run --task runx1 --data cells"
    assert config_of(tmp_path / "out")["data"] == "synthetic"


def test_an_export_names_nobody_unless_asked_to(original, tmp_path):
    for out, disclosure in ((tmp_path / "out", Disclosure()), (tmp_path / "named", Disclosure(identifiers=True))):
        write_bundle(Study.open(original), out, Preference(), disclosure=disclosure)
    told = pq.read_table(tmp_path / "out" / "scores.parquet")
    assert not {"AAA", "BBB"} & set(told["patient"].to_pylist())
    assert len(set(told["patient"].to_pylist())) == 2
    assert all(re.fullmatch(r"image-[a-z2-7]{10}", name) for name in told["image"].to_pylist())
    texts = [
        (tmp_path / "out" / name).read_text(encoding="utf-8") for name in ("README.md", "config.yaml", "front.csv")
    ]
    assert not re.search(r"AAA|BBB|cell_\d+\.png", "".join(texts))
    assert set(pq.read_table(tmp_path / "named" / "scores.parquet")["patient"].to_pylist()) == {"AAA", "BBB"}


def test_the_predictor_opens_it(original, tmp_path):
    write_bundle(Study.open(original), tmp_path / "out", Preference())
    root = Path(stored(original)["data"]["root"])
    answer = Predictor.load(tmp_path / "out").answers([root / "cell_0.png"])[0]
    recorded = {row["image"]: row["score"] for row in pq.read_table(tmp_path / "out" / "scores.parquet").to_pylist()}
    name = Names(original, Disclosure()).image("cell_0.png")
    assert answer.score == pytest.approx(recorded[name], abs=1e-6)


def test_a_command_keeps_no_folder_of_any_machine():
    said = "run --backbones=a=/home/me/a.h5,b=random --data s3://bucket/a?endpoint_override=h:1 --out /x/y"
    told = "run --backbones=a=a.h5,b=random --data s3://bucket/a --out y"
    assert portable(said) == told


def test_a_bundle_replaces_a_bundle_and_nothing_else(original, tmp_path):
    out = tmp_path / "out"
    write_bundle(Study.open(original), out, Preference(by="accuracy"))
    (out / "stale").touch()
    assert check_out(out)
    write_bundle(Study.open(original), out, Preference(by="recall"))
    assert config_of(out)["trial"] == 2
    assert not (out / "stale").exists()

    foreign = tmp_path / "thesis"
    foreign.mkdir()
    (foreign / "config.yaml").write_text("kind: thesis\n")
    with pytest.raises(StudyError, match="no exported model, so it is left alone"):
        write_bundle(Study.open(original), foreign, Preference())
    assert [path.name for path in foreign.iterdir()] == ["config.yaml"]


def test_a_model_that_answers_otherwise_is_not_exported(study, tmp_path):
    out = tmp_path / "out"
    write_bundle(Study.open(study), out, Preference(by="accuracy"))
    scores = study.trial(2) / "scores.parquet"
    table = pq.read_table(scores)
    other = pa.array([1 - score for score in table["score"].to_pylist()])
    pq.write_table(table.set_column(3, "score", other), scores)
    with pytest.raises(StudyError, match="away from what the study recorded"):
        write_bundle(Study.open(study), out, Preference(by="recall"))
    assert config_of(out)["trial"] == 1
    assert [path.name for path in out.parent.iterdir() if path.name.startswith(".")] == []


def test_without_the_images_only_the_answer_is_checked(study, tmp_path):
    shutil.rmtree(stored(study)["data"]["root"])
    verification = write_bundle(Study.open(study), tmp_path / "out", Preference()).verification
    assert verification.checked == 0
    assert "no longer where the study read them" in verification.note


def test_images_in_an_object_store_are_scored_again_where_the_study_went_on_with_them(study, object_store, tmp_path):
    manifest = stored(study)
    object_store.put_folder("moved", Path(manifest["data"]["root"]))
    shutil.rmtree(manifest["data"]["root"])
    manifest["config"]["data"] = f"s3://moved{object_store.query}"
    manifest["command"] = (
        f"python -m search.run --data s3://moved/cells{object_store.query} --data=file:///home/me/cells"
    )
    study.manifest.write_text(json.dumps(manifest))
    assert (
        write_bundle(Study.open(study), tmp_path / "out", Preference()).verification.checked
        == studies.CELLS["validation"]
    )
    assert config_of(tmp_path / "out")["command"] == "python -m search.run --data s3://moved/cells --data=cells"


@pytest.mark.fault(
    "servers", "the object store of a study is gone when it is exported", "given up at the first image, said"
)
def test_an_object_store_that_is_gone_is_given_up_at_the_first_image(study, object_store, tmp_path):
    manifest = stored(study)
    manifest["config"]["data"] = "s3://moved?endpoint_override=127.0.0.1:1&scheme=http"
    study.manifest.write_text(json.dumps(manifest))
    assert (
        "no longer where the study read them"
        in write_bundle(Study.open(study), tmp_path / "out", Preference()).verification.note
    )


def test_missing_files_are_named(study, tmp_path):
    (study.trial(2) / "model.keras").unlink()
    with pytest.raises(StudyError, match=r"00002/model.keras is missing"):
        write_bundle(Study.open(study), tmp_path / "out", Preference())
    (study.trial(2) / "scores.parquet").unlink()
    with pytest.raises(
        ConfigError, match=r"(?s)Trial 2 cannot be exported:.*model.keras is.*scores.parquet is missing"
    ):
        write_bundle(Study.open(study), tmp_path / "out", Preference())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["model.keras", "scores.parquet"])
def test_what_was_not_measured_is_not_exported(study, tmp_path, name):
    known = {file: digest(study.trial(2) / file) for file in ("model.keras", "scores.parquet")}
    with Journal(study.journal) as journal:
        outcome = {**Study.open(study).record.trials[2].outcome, "sha256": known}
        journal.append("trial_finished", trial=2, state="complete", outcome=outcome, reason="")
    shutil.copyfile(study.trial(1) / name, study.trial(2) / name)
    with pytest.raises(StudyError, match=rf"00002/{name} is not the file that trial 2 ended with"):
        write_bundle(Study.open(study), tmp_path / "out", Preference())
    assert not (tmp_path / "out").exists()


def test_a_failed_replacement_leaves_the_old_bundle(original, tmp_path, monkeypatch):
    out = tmp_path / "out"
    write_bundle(Study.open(original), out, Preference(by="accuracy"))
    rename = Path.rename

    def fail_the_second(path, target):
        if path.name.endswith(".new"):
            raise OSError("disk")
        return rename(path, target)

    monkeypatch.setattr(bundle.Path, "rename", fail_the_second)
    with pytest.raises(OSError, match="disk"):
        write_bundle(Study.open(original), out, Preference(by="recall"))
    assert config_of(out)["trial"] == 1
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_where_a_bundle_goes(original, monkeypatch):
    monkeypatch.delenv("RAY_JOB_CONFIG_JSON_ENV_VAR", raising=False)
    assert default_out(original, task="runx1", synthetic=True) == Path("results/synthetic/runx1/runx1-1")
    assert default_out(original, task="runx1", synthetic=False) == Path("results/runx1/runx1-1")
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}")
    assert default_out(original, task="runx1", synthetic=True) == original.path / "export"


def test_choosing_needs_no_tensorflow(original):
    assert choose_trial(Study.open(original), Preference(by="balanced")).trial.number == 1
    code = (
        "import sys, pathlib\nfrom search.study.folder import StudyFolder\n"
        "from search.study.opened import Study\n"
        "from search.export.bundle import choose_trial\n"
        "from search.selection.preference import Preference\n"
        f"choose_trial(Study.open(StudyFolder(pathlib.Path({str(original.path)!r}))), Preference())\n"
        "sys.exit(bool({'tensorflow', 'keras', 'ray', 'mlflow', 'matplotlib'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
