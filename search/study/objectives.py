"""What a study is after: its objectives, and the bounds that a trial must keep to be on the front.

Recall and accuracy always, and they stay two numbers; a third objective may be what using the model costs. A missed
leukemia costs more than a false alarm, so recall comes first wherever there is an order. A trial beyond a bound
("everything is leukemia") is kept, shown and told to the sampler, but is on no front.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

OBJECTIVES = ("recall", "accuracy")
THRESHOLD = 0.5  # at which they are measured: a cell whose score reaches it is called leukemic
# What a third objective may be, and the cost at which the hypervolume ends, where no ceiling says it.
COSTS = {"latency_ms": 100.0, "parameters": 100e6}


@dataclass(frozen=True, kw_only=True)
class Objectives:
    """Objectives and bounds of a study, JSON-able.

    cost              the third objective, one of COSTS, lower is better; "" for none
    min_recall, min_specificity      floors, in [0, 1]
    max_latency_ms, max_parameters   ceilings; None for none
    sure              whether the floors must be kept by the lower bounds over patients instead of the estimates
    """

    cost: str = ""
    min_recall: float = 0.0
    min_specificity: float = 0.0
    max_latency_ms: float | None = None
    max_parameters: float | None = None
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
        ceilings = {"latency_ms": self.max_latency_ms, "parameters": self.max_parameters}
        return {name: floor - metrics[name + low] for name, floor in floors.items()} | {
            name: metrics[name] / ceiling - 1.0 for name, ceiling in ceilings.items() if ceiling is not None
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
        ceiling = {"latency_ms": self.max_latency_ms, "parameters": self.max_parameters}[name]
        return math.log1p(value) / math.log1p(COSTS[name] if ceiling is None else ceiling)
