"""What every cost must keep to, a stranger's too: subclass ``CostContract`` and give a cost."""

import math

import pytest

from leukmodels.evaluation.costs import COSTS, Cost, TrainedModel
from leukmodels.model.build import build
from leukmodels.process import tensorflow_runtime
from leukmodels.training.scoring import scoring
from search.study.config import SearchConfig, objectives_of
from search.study.objectives import Objectives
from toy_cells import tiny


class CostContract:
    """The contract of a cost."""

    __test__ = False

    def __init_subclass__(cls) -> None:
        """Have pytest collect every subclass, whatever its name."""
        cls.__test__ = True

    @pytest.fixture
    def cost(self) -> Cost:
        """Return the cost."""
        raise NotImplementedError

    @pytest.fixture
    def trained(self) -> TrainedModel:
        """Return a model whose use can be measured."""
        tensorflow_runtime.start(threads=1)
        model = build(tiny(), image_px=8, black_background=False)
        return TrainedModel(model=model, predict=scoring(model), image_px=8)

    def test_it_can_be_named_in_options_and_in_mlflow(self, cost):
        assert cost.name.isidentifier()
        assert cost.name.islower()
        assert COSTS[cost.name] is cost
        assert cost.label
        assert cost.limit

    def test_it_is_a_number_from_0(self, cost, trained):
        measured = cost.measure(trained)
        assert isinstance(measured, int | float)
        assert math.isfinite(measured)
        assert measured >= 0

    def test_it_is_the_same_again_unless_the_clock_says_it(self, cost, trained):
        assert cost.timed or cost.measure(trained) == cost.measure(trained)

    def test_the_hypervolume_ends_at_its_reference(self, cost):
        objectives = Objectives(cost=cost.name)
        metrics = {"recall": 1.0, "accuracy": 1.0, cost.name: cost.reference}
        assert objectives.minimised(metrics) == pytest.approx((0, 0, 1))
        assert objectives.directions[-1] == "minimize"

    def test_it_can_be_searched_for_and_bounded(self, cost):
        config = SearchConfig(task="runx1", objectives=f"recall,accuracy,{cost.name}", **{cost.ceiling: 2.0})
        objectives = objectives_of(config)
        assert objectives.names == ("recall", "accuracy", cost.name)
        metrics = {"recall": 1.0, "accuracy": 1.0, "specificity": 1.0, cost.name: 3.0}
        assert objectives.violations(metrics)[cost.name] == pytest.approx(0.5)
        assert not objectives.within_cost_limits(metrics)
