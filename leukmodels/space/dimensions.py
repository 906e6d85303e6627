"""A search space, and its dimensions: an integer, a float or a choice, bounds included.

They know no sampler: a searcher translates them, and a configuration is checked against them.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from numbers import Integral, Real
from typing import Any, TypeAlias

Value: TypeAlias = int | float | str


@dataclass(frozen=True, kw_only=True)
class Int:
    """The integers low, low + step, ... up to high, both ends included."""

    low: int
    high: int
    log: bool = False
    step: int = 1

    def __post_init__(self) -> None:
        assert self.low <= self.high, f"empty range {self.low} to {self.high}"
        assert self.step >= 1, f"step {self.step}"
        assert (self.high - self.low) % self.step == 0, "high must be reached from low in whole steps"
        assert not self.log or (self.low > 0 and self.step == 1), "a log scale starts above 0 and has no step"

    def contains(self, value: object) -> bool:
        """Return whether the value is an integer (not a bool) of this range."""
        if isinstance(value, bool) or not isinstance(value, Integral):
            return False
        return self.low <= int(value) <= self.high and (int(value) - self.low) % self.step == 0

    def canonical(self, value: Value) -> int:
        """Return a contained value as a plain int."""
        return int(value)

    def describe(self) -> str:
        """Return the range in words, as tables and error messages show it."""
        step = f" in steps of {self.step}" if self.step > 1 else ""
        return f"{self.low} to {self.high}{step}{_scale(self.log)}"


@dataclass(frozen=True, kw_only=True)
class Float:
    """The real numbers from low to high, both ends included."""

    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        assert self.low <= self.high, f"empty range {self.low} to {self.high}"
        assert not self.log or self.low > 0, "a log scale starts above 0"

    def contains(self, value: object) -> bool:
        """Return whether the value is a finite number (not a bool) of this range."""
        if isinstance(value, bool) or not isinstance(value, Real):
            return False
        return math.isfinite(value) and self.low <= float(value) <= self.high

    def canonical(self, value: Value) -> float:
        """Return a contained value as a plain float (a file may say 0 for 0.0)."""
        return float(value)

    def describe(self) -> str:
        """Return the range in words, as tables and error messages show it."""
        return f"{self.low:g} to {self.high:g}{_scale(self.log)}"


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One of the listed options; their order carries no meaning for a sampler."""

    options: tuple[Value, ...]

    def __post_init__(self) -> None:
        assert self.options, "a choice needs an option"
        assert len(set(self.options)) == len(self.options), f"an option twice in {self.options}"
        assert not any(isinstance(option, bool) for option in self.options), "say yes and no in words, not as bools"

    def contains(self, value: object) -> bool:
        """Return whether the value equals an option (True is not 1)."""
        return not isinstance(value, bool) and isinstance(value, str | Real) and value in self.options

    def canonical(self, value: Value) -> Value:
        """Return the option that equals a contained value, with the option's own type."""
        return self.options[self.options.index(value)]

    def describe(self) -> str:
        """Return the options in words, as tables and error messages show them."""
        return ", ".join(f"{option:g}" if isinstance(option, float) else str(option) for option in self.options)


Dimension: TypeAlias = Int | Float | Choice


@dataclass(frozen=True, kw_only=True)
class Space:
    """What is searched.

    dimensions   by name
    default      the configuration that is tried first
    given        a dimension -> others declared before it, and where each must lie for it to have an effect
    also         further configurations that are tried before any is drawn
    """

    dimensions: Mapping[str, Dimension]
    default: Mapping[str, Value]
    conditions: Mapping[str, Mapping[str, Dimension]] = field(default_factory=dict)
    initial_points: tuple[Mapping[str, Value], ...] = ()

    def is_active(self, name: str, params: Mapping[str, Value]) -> bool:
        """Return whether dimension ``name`` has an effect beside the ``params`` chosen before it."""
        return all(
            other in params and needed.contains(params[other])
            for other, needed in self.conditions.get(name, {}).items()
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the space as plain values, ready for JSON."""
        return {
            "dimensions": {name: to_dict(dimension) for name, dimension in self.dimensions.items()},
            "default": dict(self.default),
            "given": {
                name: {other: to_dict(needed) for other, needed in on.items()} for name, on in self.conditions.items()
            },
            "also": [dict(params) for params in self.initial_points],
        }

    @classmethod
    def from_dict(cls, mapping: Mapping[str, Any]) -> "Space":
        """Return the space that to_dict described."""
        given = mapping["given"].items()
        return cls(
            dimensions={name: from_dict(told) for name, told in mapping["dimensions"].items()},
            default=mapping["default"],
            conditions={name: {other: from_dict(needed) for other, needed in on.items()} for name, on in given},
            initial_points=tuple(mapping["also"]),
        )


_KINDS: dict[str, type[Int] | type[Float] | type[Choice]] = {"int": Int, "float": Float, "choice": Choice}


def to_dict(dimension: Dimension) -> dict[str, Any]:
    """Return a dimension as plain values, ready for JSON."""
    return {"kind": type(dimension).__name__.lower(), **asdict(dimension)}


def from_dict(mapping: Mapping[str, Any]) -> Dimension:
    """Return the dimension that to_dict described."""
    told: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in mapping.items() if name != "kind"
    }
    return _KINDS[mapping["kind"]](**told)


def _scale(log: bool) -> str:
    return ", log scale" if log else ""
