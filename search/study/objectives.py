"""What a study is after: its objectives, and the bounds that a trial must keep to be on the front.

Recall and accuracy always, and they stay two numbers; a third objective may be what using the model costs. A missed
leukemia costs more than a false alarm, so recall comes first wherever there is an order. A trial beyond a bound
("everything is leukemia") is kept, shown and told to the sampler, but is on no front.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from leukmodels.evaluation.costs import COSTS

OBJECTIVES = ("recall", "accuracy")
THRESHOLD = 0.5  # at which they are measured: a cell whose score reaches it is called leukemic


@dataclass(frozen=True, kw_only=True)
class Objectives:
    """Objectives and bounds of a study.

    cost              the third objective, one of COSTS, lower is better; "" for none
    min_recall, min_specificity      floors, in [0, 1]
    ceilings          by cost; a cost without one has no bound
    sure              whether the floors must be kept by the lower bounds over patients instead of the estimates
    """

    cost: str = ""
    min_recall: float = 0.0
    min_specificity: float = 0.0
    ceilings: Mapping[str, float] = field(default_factory=dict)
    sure: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The objectives' names, recall first."""
        return (*OBJECTIVES, self.cost) if self.cost else OBJECTIVES

    @property
    def directions(self) -> list[Literal["minimize", "maximize"]]:
        """What Optuna is to do with each objective."""
        return ["minimize" if name in COSTS else "maximize" for name in self.names]

    def values(self, metrics: Mapping[str, float]) -> tuple[float, ...]:
        """Return the objectives as they were measured."""
        return tuple(float(metrics[name]) for name in self.names)

    def minimised(self, metrics: Mapping[str, float]) -> tuple[float, ...]:
        """Return the objectives so that lower is better, 0 is ideal, and the hypervolume ends at 1."""
        return tuple(
            self._cost(name, float(metrics[name])) if name in COSTS else 1.0 - float(metrics[name])
            for name in self.names
        )

    def violations(self, metrics: Mapping[str, float]) -> dict[str, float]:
        """Return by how much each bound is broken, feasible at zero or less: of a ceiling, as a share of it."""
        low = "_low" if self.sure else ""
        floors = {"recall": self.min_recall, "specificity": self.min_specificity}
        return {name: floor - metrics[name + low] for name, floor in floors.items()} | {
            name: metrics[name] / ceiling - 1.0 for name, ceiling in self.ceilings.items()
        }

    def violation(self, metrics: Mapping[str, float]) -> float:
        """Return the sum of all that is broken, 0 for a feasible trial."""
        return sum(max(value, 0.0) for value in self.violations(metrics).values())

    def is_feasible(self, metrics: Mapping[str, float]) -> bool:
        """Say whether ``metrics`` keep every bound."""
        return all(value <= 0 for value in self.violations(metrics).values())

    def within_cost_limits(self, metrics: Mapping[str, float]) -> bool:
        """Say whether ``metrics`` keep the ceilings, which do not depend on a threshold."""
        return all(value <= 0 for name, value in self.violations(metrics).items() if name in COSTS)

    def _cost(self, name: str, value: float) -> float:
        """Return a cost as a share of its ceiling, both as logarithms: costs span orders of magnitude."""
        return math.log1p(value) / math.log1p(self.ceilings.get(name, COSTS[name].reference))

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, as ``study.json`` has them: a key ``max_NAME`` for the ceiling of each cost."""
        return {
            "cost": self.cost,
            "min_recall": self.min_recall,
            "min_specificity": self.min_specificity,
            **{cost.ceiling: self.ceilings.get(name) for name, cost in COSTS.items()},
            "sure": self.sure,
        }

    @classmethod
    def from_dict(cls, mapping: Mapping[str, Any]) -> "Objectives":
        """Return the objectives that to_dict described."""
        ceilings = {name.removeprefix("max_"): value for name, value in mapping.items() if name.startswith("max_")}
        return cls(
            **{name: value for name, value in mapping.items() if not name.startswith("max_")},
            ceilings={name: value for name, value in ceilings.items() if value is not None},
        )
