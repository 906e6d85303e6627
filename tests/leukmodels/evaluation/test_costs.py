"""The contract of costs, kept by those of this project."""

import pytest

from cost_contract import CostContract
from leukmodels.evaluation.costs import COSTS, LATENCY, PARAMETERS
from leukmodels.process.parts import registered

pytestmark = pytest.mark.keras


class LatencyContract(CostContract):
    @pytest.fixture
    def cost(self):
        return LATENCY


class ParametersContract(CostContract):
    @pytest.fixture
    def cost(self):
        return PARAMETERS

    def test_it_is_the_number_of_weights(self, cost, trained):
        assert cost.measure(trained) == sum(weight.numpy().size for weight in trained.model.weights)


def test_every_cost_of_this_project_has_its_contract():
    assert len(CostContract.__subclasses__()) == len(COSTS)


def test_two_parts_of_one_name_are_refused():
    assert registered("no.such.group", [LATENCY, PARAMETERS]) == {"latency_ms": LATENCY, "parameters": PARAMETERS}
    with pytest.raises(ValueError, match="'parameters'"):
        registered("no.such.group", [PARAMETERS, PARAMETERS])
