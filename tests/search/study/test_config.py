import json

import pytest

from leukmodels.errors import ConfigError
from search.run.options import parse, parser
from search.study.config import SearchConfig, objectives_of
from search.study.presets import PRESETS, configure, reconfigure
from search.tuning.successive_halving import RungSchedule


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_is_valid(preset):
    assert configure(preset, {"task": "runx1"}).trials == PRESETS[preset]["trials"]


def test_what_is_given_beats_the_preset():
    assert configure("smoke", {"task": "runx1", "trials": 7}).trials == 7


def test_all_problems_come_at_once_with_option_value_and_range():
    with pytest.raises(ConfigError) as caught:
        configure("quick", {"task": "runx1", "trials": 0, "min_specificity": 1.5, "image_px": 2})
    assert len(caught.value.problems) == 3
    text = str(caught.value)
    assert "--trials is 0; give a whole number from 1 to 100,000." in text
    assert "--min-specificity is 1.5; give a number from 0 to 1." in text
    assert "--image-px is 2; give a whole number from 8 to 1,024." in text


def test_a_gpu_and_a_half_is_refused():
    with pytest.raises(ConfigError, match="fraction below 1, or a whole number"):
        configure("quick", {"task": "runx1", "gpus_per_trial": 1.5})


def test_a_password_in_an_address_is_refused_and_not_repeated():
    with pytest.raises(ConfigError, match="MLFLOW_TRACKING_PASSWORD") as caught:
        configure("quick", {"task": "runx1", "tracking_uri": "http://anna:secret@mlflow.lab:5000"})
    assert "secret" not in str(caught.value)


def test_a_time_budget_without_end_is_refused():
    with pytest.raises(ConfigError, match="--time-budget is inf"):
        configure("quick", {"task": "runx1", "time_budget": float("inf")})


def test_what_the_clock_decides_is_refused_where_equal_runs_are_asked_for():
    asked = {"task": "runx1", "deterministic": True}
    assert configure("quick", asked).time_budget is None  # the preset's
    assert configure("quick", asked).trials_at_once == 1
    assert configure("quick", {"task": "runx1", "concurrency": 3}).trials_at_once == 3
    clashes = {"concurrency": 2, "time_budget": 60.0, "max_latency_ms": 5.0, "objectives": "recall,accuracy,latency_ms"}
    with pytest.raises(ConfigError, match="--deterministic: equal runs would differ by") as caught:
        configure("quick", {**asked, **clashes})
    assert all(name.replace("_", "-") in str(caught.value) for name in clashes)


def test_a_word_that_is_no_choice_is_refused_with_those_that_are():
    with pytest.raises(ConfigError, match=r"--pixels is 'disk'; give one of auto, shared, streamed\."):
        configure("quick", {"task": "runx1", "pixels": "disk"})
    with pytest.raises(ConfigError, match=r"--concurrency is 0; give a whole number from 1 to 100,000\."):
        configure("quick", {"task": "runx1", "concurrency": 0})


def test_the_data_folder_is_kept_as_it_is_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cells").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "cells")
    for given in ("cells", "link", "cells/../cells"):
        assert configure("quick", {"task": "runx1", "data": given}).data == str(tmp_path.resolve() / "cells")


def test_a_list_to_leave_out_is_kept_as_it_is_from_anywhere_and_fixed_for_a_study(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = configure("quick", {"task": "runx1", "exclude": "disputed.csv"})
    assert config.exclude == str(tmp_path.resolve() / "disputed.csv")
    with pytest.raises(ConfigError, match="--exclude cannot be given with --resume"):
        reconfigure(config, {"exclude": "other.csv"})
    with pytest.raises(ConfigError, match="--exclude: it is an address; give a file"):
        configure("quick", {"task": "runx1", "exclude": "s3://bucket/disputed.csv"})


def test_an_address_of_data_is_kept_and_may_hold_no_password():
    address = "s3://bucket/cells?endpoint_override=store.lab:9000&scheme=http"
    assert configure("quick", {"task": "runx1", "data": address}).data == address
    with pytest.raises(ConfigError, match="--data: leave user, password and keys out") as caught:
        configure("quick", {"task": "runx1", "data": "s3://anna:secret@bucket/cells"})
    assert "anna" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_an_empty_data_option_is_no_drawn_cohort():
    with pytest.raises(ConfigError, match="--data: it is empty"):
        configure("quick", {"task": "runx1", "data": ""})


@pytest.mark.parametrize("given", [["--preset", "smoke"], ["--name", "other"]])
def test_a_resumed_study_keeps_its_preset_and_name(given):
    with pytest.raises(ConfigError, match="--preset and --name are for new studies"):
        parse(["--resume", "study", *given])


def test_a_resumed_study_may_go_on_longer_but_not_measure_something_else():
    config = configure("smoke", {"task": "runx1"})
    longer, changes = reconfigure(config, {"trials": 9, "cpus_per_trial": 1})
    assert longer.trials == 9
    assert changes == {"trials": 9}
    assert reconfigure(config, {"concurrency": 2, "pixels": "streamed"})[1] == {"concurrency": 2, "pixels": "streamed"}
    with pytest.raises(ConfigError, match="--image-px cannot be given with --resume"):
        reconfigure(config, {"image_px": 64})


def test_data_that_moved_can_be_given_anew_and_the_change_can_be_journaled(tmp_path):
    config = configure("smoke", {"task": "runx1", "data": tmp_path / "old"})
    moved, changes = reconfigure(config, {"data": tmp_path / "new"})
    assert moved.data == str((tmp_path / "new").resolve())
    assert json.loads(json.dumps(changes)) == {"data": str((tmp_path / "new").resolve())}
    assert reconfigure(config, {"data": tmp_path / "new" / ".." / "old"})[1] == {}


def test_config_survives_its_own_json():
    config = configure("thorough", {"task": "b_all", "data": "somewhere"})
    assert SearchConfig(**config.model_dump(mode="json")) == config


def test_the_command_line_has_every_field_and_gives_back_only_what_was_given():
    options = {action.dest for action in parser()._actions}
    assert set(SearchConfig.model_fields) <= options
    asked = parse(["--task", "runx1", "--task", "npm1", "--trials", "5"])
    assert asked.task == ("runx1", "npm1")
    assert asked.given == {"trials": "5"}
    assert parse(["--task", "runx1", "--pixels", "shared"]).given == {"pixels": "shared"}
    assert parse(["--task", "runx1", "--deterministic"]).given == {"deterministic": True}


def test_the_help_says_what_presets_do():
    text = " ".join(parser().format_help().split())
    assert "configurations to try (smoke 3, quick 20, thorough 100)" in text
    assert "--pixels {auto,shared,streamed}" in text
    assert "a decompression bomb (default: 64,000,000)" in text
    assert "what does not fit into memory (default: auto)" in text


@pytest.mark.parametrize("objectives", ["accuracy,recall", "recall", "recall,accuracy,speed", "recall, accuracy"])
def test_only_known_objectives_are_searched_for(objectives):
    with pytest.raises(ConfigError, match=r"(?s)--objectives.*cannot be searched for.*recall,accuracy,latency_ms"):
        configure("quick", {"task": "runx1", "objectives": objectives})


def test_a_third_objective_is_a_cost():
    config = configure("quick", {"task": "runx1", "objectives": "recall,accuracy,parameters"})
    assert objectives_of(config).names == ("recall", "accuracy", "parameters")


def test_a_study_that_stops_nobody_has_no_rungs():
    assert RungSchedule.of(configure("thorough", {"task": "runx1"})).rungs == (1, 9)
    assert RungSchedule.of(configure("thorough", {"task": "runx1", "scheduler": "none"})).rungs == ()


@pytest.mark.parametrize(("given", "epochs"), [({}, 3), ({"epochs": 40}, 13), ({"epochs": 2}, 3), ({"patience": 1}, 1)])
def test_patience_is_a_third_of_the_epochs_unless_said(given, epochs):
    assert configure("quick", {"task": "runx1", **given}).patience_in_epochs() == epochs
