from dataclasses import FrozenInstanceError, fields
from typing import Any

import pytest
from hypothesis import given

from leukmodels.errors import ConfigError
from leukmodels.space import hyperparameters
from leukmodels.space.hyperparameters import HyperParams
from toy_cells import points


def test_every_hyperparameter_has_a_range_that_holds_its_default_and_a_meaning() -> None:
    for field in fields(HyperParams):
        assert field.metadata["dimension"].contains(field.default), field.name
        assert field.metadata["meaning"], field.name
    assert list(hyperparameters.allowed()) == list(hyperparameters.defaults())


@given(points())
def test_any_point_of_the_space_goes_round_trip(point: dict[str, Any]) -> None:
    assert HyperParams.from_dict(point).to_dict() == hyperparameters.defaults() | point


def test_what_is_left_out_takes_its_default_and_numbers_take_the_declared_type() -> None:
    found = HyperParams.from_dict({"l2": 0, "dropout": 0, "blocks": 2})
    assert found == HyperParams(blocks=2)
    assert isinstance(found.l2, float)
    assert isinstance(found.dropout, float)


def test_all_problems_come_in_one_error_with_allowed_values_and_nearest_names() -> None:
    with pytest.raises(ConfigError) as caught:
        HyperParams.from_dict({"learningrate": 0.1, "zzz": 1, "blocks": 9, "activation": "tanh"})
    assert caught.value.problems == (
        "learningrate is not a hyperparameter; did you mean learning_rate?",
        f"zzz is not a hyperparameter; allowed: {', '.join(hyperparameters.allowed())}.",
        "blocks is 9; allowed: 2 to 5.",
        "activation is 'tanh'; allowed: relu, leaky_relu, elu, gelu, silu.",
    )


def test_a_value_out_of_range_cannot_be_constructed() -> None:
    with pytest.raises(ConfigError, match=r"dropout is 0\.9; allowed: 0 to 0\.6"):
        HyperParams(dropout=0.9)
    with pytest.raises(FrozenInstanceError):
        HyperParams().blocks = 4  # type: ignore[misc]
