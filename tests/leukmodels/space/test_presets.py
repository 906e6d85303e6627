"""The named search spaces, and a user's own from a file."""

from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leukmodels.errors import ConfigError
from leukmodels.space import hyperparameters, presets
from leukmodels.space.dimensions import Choice, Float, Int, Space
from leukmodels.space.hyperparameters import HyperParams
from toy_cells import values


def written(tmp_path, text):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    return path


def problems_of(tmp_path, text):
    with pytest.raises(ConfigError) as caught:
        presets.space(written(tmp_path, text))
    return caught.value.problems


def test_each_named_space_holds_the_one_before_and_begins_with_the_published_cnn():
    seed, small, full = (presets.space(name) for name in presets.NAMES)
    assert set(seed.dimensions) < set(small.dimensions) < set(full.dimensions)
    for named in (seed, small, full):
        assert HyperParams.from_dict(named.default) == HyperParams()
        assert presets.outdated(named) == []
    loaded = {"backbone", "loaded_blocks", "frozen_blocks", "loaded_rate"}
    assert set(full.dimensions) == set(hyperparameters.allowed()) - loaded


def test_a_condition_is_on_hyperparameters_declared_before_and_on_values_that_they_have():
    names = [field.name for field in fields(HyperParams)]
    for name, condition in hyperparameters.given().items():
        for other, needed in condition.items():
            assert names.index(other) < names.index(name)
            assert presets._meet(hyperparameters.allowed()[other], needed)


def test_what_is_without_effect_at_the_defaults_stays_out_of_a_space_that_cannot_switch_it_on(tmp_path):
    found = presets.space(written(tmp_path, 'base = "full"\n[ranges]\nresidual = "no"\nedges = ["none", "sobel"]'))
    assert not {"stochastic_depth", "edges_sigma", "edges_use"} & set(found.dimensions)
    assert found.dimensions["edges"] == Choice(options=("none", "sobel"))


@given(
    st.sampled_from(
        [
            name
            for name, dimension in hyperparameters.allowed().items()
            if not isinstance(dimension, Choice) and name not in presets.OF_LOADED
        ]
    ),
    st.data(),
)
def test_any_part_of_a_range_is_a_range_with_a_default_in_it(tmp_path_factory, name, data):
    limit = hyperparameters.allowed()[name]
    low, high = sorted([data.draw(values(limit)), data.draw(values(limit))])
    condition = "".join(
        f"{other} = {each.options[0]!r}\n" if isinstance(each, Choice) else f"{other} = 0.5\n"
        for other, each in hyperparameters.given()[name].items()
        if other != "backbone"
    )
    text = f'base = "full"\n[ranges]\n{condition}{name} = {{ low = {low!r}, high = {high!r} }}\n'
    found = presets.space(written(tmp_path_factory.mktemp("space"), text))
    dimension = found.dimensions[name]
    assert (dimension.low, dimension.high) == (low, high)
    assert dimension.contains(found.default[name])
    assert presets.outdated(found) == []
    assert Space.from_dict(found.to_dict()) == found


def test_a_range_keeps_what_is_not_said_and_the_default_moves_into_it(tmp_path):
    found = presets.space(
        written(
            tmp_path,
            """
            base = "seed"
            [ranges]
            filters = { low = 8, high = 40, step = 16 }
            learning_rate = { high = 1e-4 }
            dense_units = [16, 32]
            activation = "gelu"
            """,
        )
    )
    assert found.dimensions["filters"] == Int(low=8, high=40, step=16)
    assert found.dimensions["learning_rate"] == Float(low=1e-5, high=1e-4, log=True)
    assert found.dimensions["dense_units"] == Choice(options=(16, 32))
    assert found.dimensions["activation"] == Choice(options=("gelu",))
    assert found.default == {
        "filters": 40,
        "activation": "gelu",
        "dense_units": 32,
        "dropout": 0.0,
        "learning_rate": 1e-4,
        "batch_size": 32,
    }


def test_all_errors_of_a_file_come_at_once_and_say_what_is_allowed(tmp_path):
    problems = problems_of(
        tmp_path,
        """
        base = "medium"
        bounds = 1
        [ranges]
        filter = { low = 1 }
        filters = { low = 8, high = 300 }
        blocks = { lowest = 2 }
        kernel = { low = 3 }
        activation = ["relu", "tanh"]
        dropout = []
        batch_size = 33
        learning_rate = { low = 1e-3, high = 1e-4 }
        backbone = "cnn"
        """,
    )
    assert problems == (
        "bounds is not known here; the keys are base and ranges.",
        "base is 'medium'; give one of none, seed, small, full.",
        "filter is not a hyperparameter; did you mean filters?",
        "filters cannot be {'low': 8, 'high': 300}: low and high must lie in 8 to 128 in steps of 8.",
        "blocks has no lowest; a range has low, high, log, step.",
        "kernel has no range; give some of 3, 5.",
        "activation may not be 'tanh'; allowed: relu, leaky_relu, elu, gelu, silu.",
        "dropout has no value; allowed: 0 to 0.6.",
        "batch_size may not be 33; allowed: 16, 32, 64, 128.",
        "learning_rate cannot be {'low': 0.001, 'high': 0.0001}: low is above high.",
        "backbone cannot be given here; --base-model and --backbones say what is searched of it.",
    )


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("filters = { low = 8, high = 40, step = 12 }", "step must be a multiple of 8"),
        ("filters = { low = 8, high = 40, step = 24 }", "high must be reached from low in whole steps"),
        ("filters = { low = true }", "low and high must lie in"),
        ("dropout = { low = 0, log = true }", "a log scale starts above 0"),
        ("dropout = { log = 1 }", "log is true or false"),
        ("dense_units = { step = 16 }", "a log scale has no step (log = false)"),
    ],
)
def test_a_range_that_is_none_is_refused_with_the_reason(tmp_path, said, reason):
    (problem,) = problems_of(tmp_path, f"[ranges]\n{said}")
    assert reason in problem


def test_a_range_that_can_have_no_effect_is_refused(tmp_path):
    (problem,) = problems_of(tmp_path, "[ranges]\nstochastic_depth = [0.1, 0.2]")
    assert problem == "stochastic_depth has no effect here: only with residual yes."
    (problem,) = problems_of(tmp_path, "[ranges]\naugmentation = 0.0\nrotation = { low = 0.5 }")
    assert problem == "rotation has no effect here: only with augmentation above 0."


def test_what_has_no_effect_is_said_beside_other_errors_unless_it_may_have_one_once_they_are_mended(tmp_path):
    problems = problems_of(
        tmp_path, '[ranges]\ndropout = 2\nresidual = "yes please"\nstochastic_depth = 0.1\nedges_sigma = 1.5'
    )
    assert problems == (
        "dropout may not be 2; allowed: 0 to 0.6.",
        "residual may not be 'yes please'; allowed: no, yes.",
        "edges_sigma has no effect here: only with edges log.",
    )
    assert problems_of(tmp_path, 'base = "fall"\n[ranges]\nbag = 4') == (
        "base is 'fall'; give one of none, seed, small, full.",
    )


def test_a_file_of_an_editor_that_marks_its_encoding_is_read(tmp_path):
    assert presets.space(written(tmp_path, "\ufeff[ranges]\nfilters = 16")).dimensions["filters"].options == (16,)


def test_what_is_no_space_says_what_is(tmp_path):
    with pytest.raises(ConfigError, match="no search space 'medium'") as caught:
        presets.space("medium")
    assert "seed, small, full, or a TOML file" in caught.value.problems[0]
    with pytest.raises(ConfigError, match="is not TOML"):
        presets.space(written(tmp_path, "ranges = ["))
    assert problems_of(tmp_path, "ranges = 3") == ("ranges is 3; give a table of hyperparameters.",)


def test_loaded_weights_add_what_is_searched_of_them_and_are_tried_before_any_draw():
    plain = presets.space("seed")
    both = presets.space("seed", backbones=("base", "resnet50_v2"), base_blocks=3)
    added = set(both.dimensions) - set(plain.dimensions)
    assert added == {"backbone", "loaded_blocks", "frozen_blocks", "loaded_rate"}
    assert both.dimensions["backbone"] == Choice(options=("cnn", "base", "resnet50_v2"))
    assert both.dimensions["loaded_blocks"] == Int(low=1, high=3)
    assert both.dimensions["frozen_blocks"] == Int(low=0, high=5)
    assert presets.space("seed", backbones=("base",), base_blocks=3).dimensions["frozen_blocks"] == Int(low=0, high=3)
    assert both.default["loaded_blocks"] == 3
    assert [params["backbone"] for params in both.initial_points] == ["base", "resnet50_v2"]
    assert not both.is_active("filters", {"backbone": "base"})
    assert both.is_active("filters", {"backbone": "cnn"})
    assert both.is_active("loaded_blocks", {"backbone": "base"})
    assert not both.is_active("loaded_blocks", {"backbone": "resnet50_v2"})
    pretrained = presets.space("seed", backbones=("resnet50_v2",))
    assert "loaded_blocks" not in pretrained.dimensions


def test_a_space_of_another_version_says_what_is_gone():
    old = Space(
        dimensions={
            "filters": Int(low=8, high=256, step=8),
            "depth": Int(low=1, high=2),
            "kernel": Choice(options=(3, 7)),
        },
        default={},
    )
    assert presets.outdated(old) == [
        "filters was searched in 8 to 256 in steps of 8.",
        f"depth is not a hyperparameter; allowed: {', '.join(hyperparameters.allowed())}.",
        "kernel was searched in 3, 7.",
    ]


def test_the_table_has_a_row_of_five_columns_for_each_hyperparameter():
    head, rule, *rows = presets.markdown_table().splitlines()
    assert head.count("|") == rule.count("|") == 6
    assert [row.split("`")[1] for row in rows] == list(hyperparameters.allowed())
    assert all(row.count("|") == 6 for row in rows)


def test_a_file_may_begin_with_nothing(tmp_path):
    found = presets.space(written(tmp_path, 'base = "none"\n[ranges]\ndropout = [0.0, 0.5]'))
    assert set(found.dimensions) == {"dropout"}
    assert problems_of(tmp_path, 'base = "none"') == ("It holds no hyperparameter; give some under [ranges].",)
