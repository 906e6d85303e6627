"""Whole studies from a folder of images to an exported model, on the shared local Ray.

With real training where models matter, and with the toy's otherwise.
"""

import json
import shutil

import pytest
import yaml
from PIL import Image, ImageDraw

import pages
import studies
from exports import CONFIG
from folders import draw_folder
from ledgers import check_ledgers_agree
from leukmodels.errors import ConfigError, DataError, StudyError
from leukmodels.model.build import build
from leukmodels.predictor import Predictor
from leukmodels.predictor.__main__ import main as predict
from leukmodels.space.dimensions import Int, to_dict
from leukmodels.space.hyperparameters import HyperParams
from leukmodels.training import checkpoint
from search.run import planning, workflow
from search.study import journal
from search.study.folder import StudyFolder
from search.study.opened import Study
from search.study.records import DEFAULT, LOADED, StudyRecord, TrialState, fold
from search.tuning import study_loop
from studies import begin, stored
from toy import Toy

SMALL = {"trials": 3, "epochs": 2, "image_px": 16, "min_specificity": 0.0, "max_bad": 0.1}


@pytest.fixture
def storage(tmp_path, empty_store):
    """Return a storage folder of the test's own, with an MLflow store."""
    shutil.copy(empty_store, tmp_path)
    return tmp_path


@pytest.fixture
def without_training(monkeypatch):
    """Have the toy stand in for the training."""
    monkeypatch.setattr(study_loop, "KerasExperiment", Toy)


def plan(task, storage, *, data, name="study", **given):
    return planning.plan_new(
        str(task),
        storage,
        preset="smoke",
        given={**SMALL, "data": data, **given},
        name=name,
        out=storage / "exported" / name,
        cache=storage / "cache",
        command="python -m search.run",
    )


def plan_resume(folder, *, out=None, **given):
    cache = folder.path.parent / "cache"
    return planning.plan_resume(folder, given=given, out=out, cache=cache, command="again")


def check_study(storage, name, *, trials, complete_at_least=1):
    """Check that a study left a front, pictures, a bundle that answers, and ledgers that agree."""
    folder = StudyFolder(storage / name)
    record = check_ledgers_agree(folder.path, trials=trials)
    assert record.finished == "all trials done"
    assert record.count(TrialState.COMPLETE) >= complete_at_least
    written = {"front.png", "front.csv", "progress.png", "effort.png", "trials.csv", "report.html"}
    assert {path.name for path in folder.report.iterdir()} == written
    exported = storage / "exported" / name
    config = yaml.safe_load((exported / "config.yaml").read_text())
    predictor = Predictor.load(exported)
    return folder, config, predictor


def test_the_real_c_nmc_sample_runs_to_a_front_and_its_export_answers(session, shared_data, storage, capsys):
    data = shared_data / "c-nmc-2019"
    assert workflow.carry_out(plan("b_all", storage, data=data, name="b_all"), session)
    folder, config, predictor = check_study(storage, "b_all", trials=3)
    assert config["task"] == "b_all"
    precision = stored(folder)["config"]["precision"]
    assert config["training"]["precision"] == precision != "auto"
    images = sorted((data / "C-NMC_test_final_phase_data").iterdir())[:3]
    assert [answer.error for answer in predictor.answers(images)] == [None] * 3
    assert config["domain"]["black_background"]
    chart = Image.new("RGB", (450, 450), "white")
    ImageDraw.Draw(chart).line([(30, 400), (200, 100), (300, 250), (420, 50)], fill="blue", width=3)
    chart.save(storage / "chart.png")
    elsewhere = [*sorted((shared_data / "aml-lmu").rglob("*.tiff"))[:2], storage / "chart.png"]
    *foreign, drawn = predictor.answers(elsewhere)
    for answer in foreign:
        assert answer.score is None
        assert "background" in answer.unlike
    assert "colours, as a mask or a drawing has" in drawn.error
    assert all(answer.score is not None for answer in predictor.answers(elsewhere[:2], answer_unlike=True))
    assert predict([str(storage / "exported" / "b_all"), str(elsewhere[-1])]) == 1
    out = capsys.readouterr().out
    assert "56 images: 56 used, 0 duplicates, 0 quarantined." in out
    assert f"Training in {precision}" in out
    assert str(folder.path) in out
    assert "python -m search.export" in out


def test_a_users_own_task_on_the_real_lmu_sample_says_that_it_cannot_split_by_patient(
    session, shared_data, storage, tmp_path, capsys
):
    task = tmp_path / "blasts.toml"
    task.write_text('name = "blasts"\nreader = "folders"\ndisease = ["MYO"]\ncontrol = ["LYT", "MON", "NGS", "EOS"]\n')
    given = {
        "objectives": "recall,accuracy,latency_ms",
        "bounds": "patients",
        "max_parameters": 1e9,
        "sampler": "nsga2",
        "grace": 1,
        "concurrency": 1,
    }
    assert workflow.carry_out(plan(task, storage, data=shared_data / "aml-lmu", name="blasts", **given), session)
    folder, config, _ = check_study(storage, "blasts", trials=3)
    assert stored(folder)["objectives"] == ["recall", "accuracy", "latency_ms"]
    assert config["validation"]["latency_ms"] > 0
    assert not stored(folder)["data"]["patient_level"]
    assert "patient" in capsys.readouterr().out


def test_a_finished_study_goes_on_with_more_trials_and_the_same_cells_but_not_on_other_data(
    session, without_training, storage, tmp_path, capsys
):
    root, listed = draw_folder(tmp_path / "mll"), tmp_path / "disputed.csv"
    listed.write_text("image\n" + "\n".join(f"data/RUNX1_RUNX1T1/BA{letter}/image_1.tif" for letter in "ABCDE"))
    new = plan("runx1", storage, data=root, exclude=listed, trials=1, scheduler="none")
    assert workflow.carry_out(new, session)
    assert "27 used, 0 duplicates, 0 quarantined, 3 excluded." in capsys.readouterr().out
    folder = StudyFolder(storage / "study")
    assert stored(folder)["data"]["excluded"] == 3
    # The images have moved, and the list is gone: the study has its own.
    root = root.rename(tmp_path / "moved")
    listed.unlink()
    # The place to export to is lost while the study runs: its result is said all the same.
    longer = plan_resume(folder, out=tmp_path / "exported" / "study", trials=2, data=root)
    longer.out.mkdir(parents=True)
    (longer.out / "config.yaml").write_text("kind: something else")
    assert workflow.carry_out(longer, session)
    said = capsys.readouterr().out
    assert "2 trials (2 complete)" in said
    assert "27 used, 0 duplicates, 0 quarantined, 3 excluded." in said
    assert "nothing: " in said
    assert "left alone" in said
    assert folder.report.joinpath("front.png").exists()
    check_ledgers_agree(folder.path, trials=2)
    # What that resume changed is remembered by the next one.
    out = tmp_path / "elsewhere"
    assert plan_resume(folder, out=out).config.trials == 2
    (root / "data" / "control" / "AAA" / "image_0.tif").unlink()
    with pytest.raises(StudyError, match="are not those that study was begun with"):
        workflow.carry_out(plan_resume(folder, out=out, trials=3), session)
    assert len(fold(journal.read(folder.journal)).trials) == 2


def test_a_study_starts_from_a_model_of_another_leukemia_and_from_a_network_of_random_weights(
    session, storage, tmp_path, monkeypatch, capsys
):
    given = {"data": draw_folder(tmp_path / "mll"), "image_px": 32, "concurrency": 1}
    with monkeypatch.context() as patched:
        patched.setattr(study_loop, "KerasExperiment", Toy)
        assert workflow.carry_out(plan("npm1", storage, name="npm1", trials=1, **given), session)
    base = build(HyperParams(), image_px=32, black_background=False)
    base.save(storage / "npm1" / "trials" / "00000" / "model.keras")
    given |= {"base_model": "npm1", "backbones": "mobilenet_v3_small=random", "space": "full"}
    assert workflow.carry_out(plan("runx1", storage, name="runx1", **given), session)
    folder, config, _ = check_study(storage, "runx1", trials=3)
    trials = fold(journal.read(folder.journal)).trials
    assert [trials[number].params["backbone"] for number in range(3)] == ["cnn", "base", "mobilenet_v3_small"]
    assert [trials[number].source for number in range(3)] == [DEFAULT, LOADED, LOADED]
    assert "filters" not in trials[1].params  # the base model's own
    assert (folder.weights / "base.keras").read_bytes() == (storage / "npm1/trials/00000/model.keras").read_bytes()
    assert config["starts"]["base"]["task"] == "npm1"
    said = capsys.readouterr().out
    assert "Base model: trial 0 of npm1, trained for npm1; trials may start from its 3 blocks." in said
    assert "Transfer: whether it helped cannot be said" in said
    with pytest.raises(StudyError, match="may have seen cells that are to test it"):
        workflow.carry_out(plan("runx1", storage, name="other", split_seed=1, **given), session)
    assert not StudyFolder(storage / "other").exists
    # What the study needs is in its folder, and its space is its own.
    shutil.rmtree(storage / "npm1")
    assert plan_resume(folder, out=tmp_path / "elsewhere", trials=4).space.dimensions["backbone"].options == (
        "cnn",
        "base",
        "mobilenet_v3_small",
    )


@pytest.mark.parametrize(("state", "left"), [("stopped", False), ("failed", False), ("complete", True)])
def test_a_trial_that_ended_without_an_outcome_leaves_no_checkpoint(state, left, tmp_path):
    folder = StudyFolder(tmp_path / "study")
    folder.trial(3).mkdir(parents=True)
    (folder.trial(3) / checkpoint.FILE_NAME).write_bytes(b"half a GB")
    workflow._forget(folder, StudyRecord(), {"event": "trial_finished", "trial": 3, "state": state})
    assert (folder.trial(3) / checkpoint.FILE_NAME).exists() == left


def test_a_list_that_is_none_is_refused_before_anything_starts(tmp_path):
    root = draw_folder(tmp_path / "mll")
    with pytest.raises(ConfigError, match=r"disputed\.csv cannot be read"):
        plan("runx1", tmp_path, data=root, exclude=tmp_path / "disputed.csv")
    (tmp_path / "disputed.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ConfigError, match=r"disputed\.csv is no list of images"):
        plan("runx1", tmp_path, data=root, exclude=tmp_path / "disputed.csv")
    assert not (tmp_path / "study").exists()


@pytest.mark.parametrize("name", ["..", "a/b", "", "synthetic", "-x", "mlflow-artifacts"])
def test_a_name_that_is_no_folder_of_its_own_is_refused(name, tmp_path):
    with pytest.raises(ConfigError, match="--name is"):
        plan("runx1", tmp_path, data=None, name=name)


@pytest.mark.fault("drivers", "two searches of one name", "refused before either runs")
def test_two_studies_in_one_place_are_refused_before_either_runs(tmp_path):
    one = plan("runx1", tmp_path, data=None)
    with pytest.raises(ConfigError, match="same name"):
        planning.refuse_collisions([one, one])
    planning.refuse_collisions([one, plan("npm1", tmp_path, data=None, name="other")])


def test_a_second_study_of_the_same_name_is_refused_with_what_to_do(tmp_path):
    folder = StudyFolder(tmp_path / "study")
    folder.path.mkdir()
    folder.manifest.write_text("{}")
    with pytest.raises(StudyError, match=r"--resume study.*--name"):
        plan("runx1", tmp_path, data=None)


def test_a_study_of_another_version_with_another_space_is_refused(tmp_path):
    folder = begin(tmp_path / "study")
    space = {"dimensions": {"gone": to_dict(Int(low=1, high=2))}, "default": {"gone": 1}, "given": {}, "also": []}
    manifest = stored(folder) | {"space": space}
    folder.manifest.write_text(json.dumps(manifest))
    with pytest.raises(StudyError, match="search space that this version does not have"):
        plan_resume(folder)
    with pytest.raises(StudyError, match="searched another space"):
        plan("npm1", tmp_path, data=None, name="new", warm_start="study")
    folder.manifest.write_text(json.dumps({**manifest, "schema": 1}))
    with pytest.raises(StudyError, match="begun by another version"):
        plan_resume(folder)


def test_b_all_without_images_says_that_a_cohort_cannot_be_drawn_for_it(tmp_path):
    with pytest.raises(ConfigError, match=r"b_all needs images of its own \(--data\)"):
        plan("b_all", tmp_path, data=None)


def test_a_foreign_folder_is_never_exported_into(tmp_path):
    (tmp_path / "exported" / "study").mkdir(parents=True)
    (tmp_path / "exported" / "study" / "thesis.txt").write_text("precious")
    with pytest.raises(StudyError, match="left alone"):
        plan("runx1", tmp_path, data=None)


def test_a_confirmed_export_is_not_searched_over(tmp_path):
    out = tmp_path / "exported" / "study"
    out.mkdir(parents=True)
    (out / "config.yaml").write_text(yaml.safe_dump(CONFIG | {"preference": "its confirmation: highest mean recall"}))
    with pytest.raises(StudyError, match=r"holds the model of npm1-1 \(trial 4\), which its test has confirmed"):
        plan("runx1", tmp_path, data=None)


def test_a_search_that_goes_on_says_that_its_model_failed_its_test(tmp_path):
    folder = studies.exportable(tmp_path)
    pages.hold_against_test(folder, lean=0.2, promised=0.999)
    exported, command = workflow._export(plan_resume(folder, out=tmp_path / "out"), Study.open(folder))
    assert exported.startswith("nothing: Trial 2 failed its test, so it is not exported:")
    assert command.startswith("python -m search.export")
    assert not (tmp_path / "out").exists()


def test_every_task_of_a_collection_is_found_from_its_folder(tmp_path):
    root = draw_folder(tmp_path / "mll")
    assert planning.tasks_of(root) == ["npm1", "runx1"]
    assert planning.tasks_of(None) == ["pml_rara", "npm1", "cbfb", "runx1", "aml"]
    with pytest.raises(DataError, match="No built-in task"):
        planning.tasks_of(tmp_path / "mll" / "data" / "control" / "AAA")


def test_a_folder_that_no_task_can_be_answered_from_says_what_is_there(tmp_path):
    root = draw_folder(tmp_path / "mll", classes=("control",))
    with pytest.raises(DataError, match="only the classes control are here"):
        planning.tasks_of(root)
