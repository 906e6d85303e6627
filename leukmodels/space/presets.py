"""The search spaces by name, and a user's own from a TOML file.

base = "small"                        # what is not said below: none, seed, small or full

[ranges]
filters = { low = 16, high = 64 }     # a range within the hyperparameter's own
activation = ["relu", "gelu"]         # some of its values
normalisation = "group"               # one value: always this
"""

import math
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from leukmodels.errors import ConfigError
from leukmodels.space.dimensions import Choice, Dimension, Float, Int, Space, Value
from leukmodels.space.hyperparameters import BASE, MOST_BLOCKS, Given, allowed, defaults, given, meanings, unknown

_SEED = ("filters", "activation", "dense_units", "dropout", "learning_rate", "batch_size")
_SMALL = (
    *_SEED,
    *("blocks", "widen", "kernel", "pooling", "normalisation", "head", "l2", "optimizer", "augmentation"),
    "class_balance",
)
# Of a network that starts from loaded weights: with a base model or pre-trained backbones, in whatever space.
OF_LOADED = ("backbone", "loaded_blocks", "frozen_blocks", "loaded_rate")
# The space of the recorded learning curves (results/benchmarks/curves.parquet).
_SMALL_RANGES: Mapping[str, Dimension] = {
    "pooling": Choice(options=("max", "average", "stride")),
    "head": Choice(options=("flatten", "gap", "gmp")),
}
NAMES: Mapping[str, str] = {
    "seed": "what the published CNN's authors varied: its layers stay",
    "small": "plain convolutional networks",
    "full": "everything",
}
_BASES = ("none", *NAMES)  # of a file


def space(name_or_file: str | Path, *, backbones: Sequence[str] = (), base_blocks: int = MOST_BLOCKS) -> Space:
    """Return the space of this name or in this file.

    backbones     what a trial may take besides "cnn": pre-trained networks, "base"
    base_blocks   blocks of the base model

    Raises ConfigError with everything that is wrong in the file.
    """
    ranges = _named(str(name_or_file)) if str(name_or_file) in NAMES else _read(Path(name_or_file))
    if backbones:
        limits = allowed()
        most = base_blocks if tuple(backbones) == (BASE,) else MOST_BLOCKS
        ranges |= {"backbone": Choice(options=("cnn", *backbones)), "loaded_rate": limits["loaded_rate"]}
        ranges |= {"frozen_blocks": Int(low=0, high=most)}
        if BASE in backbones:
            ranges["loaded_blocks"] = Int(low=1, high=base_blocks)
    idle = set(_idle(ranges))
    composed = _composed({name: dimension for name, dimension in ranges.items() if name not in idle})
    # A start from loaded weights is tried once before any is drawn: the default with all blocks loaded, none frozen.
    return replace(composed, initial_points=tuple({**composed.default, "backbone": name} for name in backbones))


def outdated(searched: Space) -> list[str]:
    """Return what of a space, of an earlier version perhaps, cannot be searched by this one, in sentences."""
    limits = allowed()
    return [
        unknown(name) if name not in limits else f"{name} was searched in {dimension.describe()}."
        for name, dimension in searched.dimensions.items()
        if name not in limits or not _within(dimension, limits[name])
    ]


def markdown_table() -> str:
    """Return the table of all hyperparameters as docs/hyperparameters.md shows it, without a final newline."""
    conditions, explained, usual = given(), meanings(), defaults()
    rows = [
        f"| `{name}` | {_smallest(name)} | {dimension.describe()} | {usual[name]} | {explained[name]}"
        f"{_only(conditions[name]) and '; '}{_only(conditions[name])}{_more(name)} |"
        for name, dimension in allowed().items()
    ]
    return "\n".join(
        ["| hyperparameter | from space | range | default | meaning |", "| --- | --- | --- | --- | --- |", *rows]
    )


def _more(name: str) -> str:
    """Return which values of a hyperparameter only the full space has."""
    limit, small = allowed()[name], _SMALL_RANGES.get(name)
    if not (isinstance(limit, Choice) and isinstance(small, Choice)):
        return ""
    return f"; {', '.join(str(option) for option in limit.options if option not in small.options)} in full only"


def _smallest(name: str) -> str:
    """Return the smallest space that has a hyperparameter."""
    return (
        "seed" if name in _SEED else "small" if name in _SMALL else "any, with weights" if name in OF_LOADED else "full"
    )


def _only(condition: Given) -> str:
    """Return what else a hyperparameter needs to have an effect, "" where nothing but its backbone."""
    words = [
        f"{other} {' or '.join(map(str, needed.options)) if isinstance(needed, Choice) else 'above 0'}"
        for other, needed in condition.items()
        if other != "backbone"
    ]
    return f"only with {', '.join(words)}" if words else ""


def _named(name: str) -> dict[str, Dimension]:
    limits = allowed()
    match name:
        case "none":
            return {}
        case "seed":
            return {name: limits[name] for name in _SEED}
        case "small":
            return {name: limits[name] for name in _SMALL} | dict(_SMALL_RANGES)
        case _:
            return {name: dimension for name, dimension in limits.items() if name not in OF_LOADED}


def _composed(ranges: Mapping[str, Dimension]) -> Space:
    """Return the space of these ranges, in order of declaration."""
    dimensions = {name: ranges[name] for name in allowed() if name in ranges}
    conditions = {
        name: {other: values for other, values in condition.items() if other in ranges}
        for name, condition in given().items()
        if name in ranges
    }
    return Space(
        dimensions=dimensions,
        default={name: _nearest(dimension, defaults()[name]) for name, dimension in dimensions.items()},
        conditions={name: condition for name, condition in conditions.items() if condition},
    )


def _idle(ranges: Mapping[str, Dimension]) -> Iterator[str]:
    """Yield the hyperparameters that never have an effect: what they depend on never lies where it must."""
    usual = defaults()
    for name, condition in given().items():
        if name in ranges and not all(
            _meet(ranges[other], needed) if other in ranges else needed.contains(usual[other])
            for other, needed in condition.items()
        ):
            yield name


def _meet(one: Dimension, other: Dimension) -> bool:
    """Return whether two dimensions have a value in common (steps aside)."""
    if isinstance(one, Choice):
        return any(other.contains(value) for value in one.options)
    if isinstance(other, Choice):
        return any(one.contains(value) for value in other.options)
    return max(one.low, other.low) <= min(one.high, other.high)


def _nearest(dimension: Dimension, value: Value) -> Value:
    """Return the value, or the nearest there is; of words the first."""
    if dimension.contains(value):
        return value
    match dimension:
        case Choice(options=options):
            return options[0] if isinstance(value, str) else min(options, key=lambda each: abs(each - value))  # type: ignore[operator]
        case Int(low=low, high=high, step=step):
            return min(range(low, high + 1, step), key=lambda each: abs(each - value))  # type: ignore[operator]
        case Float(low=low, high=high):
            return min(max(low, value), high)


def _read(path: Path) -> dict[str, Dimension]:
    """Return the ranges that a file describes; ConfigError with all that is wrong with it."""
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigError(
            f"There is no search space {str(path)!r}:",
            [f"{error.strerror}. Give {', '.join(NAMES)}, or a TOML file."],
        ) from error
    except ValueError as error:  # of TOML, or of UTF-8
        raise ConfigError(f"{path} is not TOML:", [str(error)]) from error
    base, asked = said.pop("base", "small"), said.pop("ranges", {})
    problems = [f"{key} is not known here; the keys are base and ranges." for key in said]
    if base not in _BASES:
        problems.append(f"base is {base!r}; give one of {', '.join(_BASES)}.")
    if not isinstance(asked, dict):
        problems.append(f"ranges is {asked!r}; give a table of hyperparameters.")
        asked = {}
    own: dict[str, Dimension] = {}
    for name, value in asked.items():
        try:
            own[name] = _own(name, value)
        except ValueError as error:
            problems.append(str(error))
    ranges = _named(base) | own if base in _BASES else {}
    if not (ranges or problems):
        problems.append("It holds no hyperparameter; give some under [ranges].")
    wrong = asked.keys() - own.keys()  # whether what needs these has an effect is not known yet
    problems += [
        f"{name} has no effect here: {_only(given()[name])}."
        for name in _idle(ranges)
        if name in own and wrong.isdisjoint(given()[name])
    ]
    if problems:
        raise ConfigError(f"{path} is no search space:", problems)
    return ranges


def _own(name: str, said: Any) -> Dimension:
    """Return the dimension that a file gives a hyperparameter; ValueError in a sentence."""
    if name not in allowed():
        raise ValueError(unknown(name))
    if name in OF_LOADED:
        raise ValueError(f"{name} cannot be given here; --base-model and --backbones say what is searched of it.")
    limit = allowed()[name]
    if isinstance(said, dict):
        return _narrowed(name, said, limit)
    options = said if isinstance(said, list) else [said]
    if wrong := [option for option in options if not limit.contains(option)]:
        raise ValueError(f"{name} may not be {', '.join(map(repr, wrong))}; allowed: {limit.describe()}.")
    values = tuple(dict.fromkeys(limit.canonical(option) for option in options))
    if not values:
        raise ValueError(f"{name} has no value; allowed: {limit.describe()}.")
    return Choice(options=values)


def _narrowed(name: str, said: Mapping[str, Any], limit: Dimension) -> Dimension:
    """Return a range within the limit; what is not said is as there. ValueError in a sentence."""
    if isinstance(limit, Choice):
        raise ValueError(f"{name} has no range; give some of {limit.describe()}.")
    known = {key: getattr(limit, key) for key in ("low", "high", "log", "step") if hasattr(limit, key)}
    if strange := set(said) - set(known):
        raise ValueError(f"{name} has no {', '.join(sorted(strange))}; a range has {', '.join(known)}.")
    asked = {**known, **said}
    low, high, log, step = asked["low"], asked["high"], asked["log"], asked.get("step", 1)
    reason = ""
    if not (limit.contains(low) and limit.contains(high)):
        reason = f"low and high must lie in {limit.describe()}"
    elif low > high:
        reason = "low is above high"
    elif type(log) is not bool:
        reason = "log is true or false"
    elif log and low <= 0:
        reason = "a log scale starts above 0"
    elif type(step) is not int or step < 1 or step % known.get("step", 1):
        reason = f"step must be a multiple of {known.get('step', 1)}"
    elif log and step > 1:
        reason = "a log scale has no step (log = false)"
    elif isinstance(limit, Int) and (high - low) % step:
        reason = "high must be reached from low in whole steps"
    if reason:
        raise ValueError(f"{name} cannot be {dict(said)}: {reason}.")
    if isinstance(limit, Int):
        return Int(low=int(low), high=int(high), log=log, step=step)
    return Float(low=float(low), high=float(high), log=log)


def _within(dimension: Dimension, limit: Dimension) -> bool:
    match dimension:
        case Choice(options=options):
            return all(limit.contains(option) for option in options)
        case Int(low=low, high=high, step=step):
            return isinstance(limit, Int) and limit.contains(low) and limit.contains(high) and step % limit.step == 0
        case Float(low=low, high=high):
            return isinstance(limit, Float) and limit.contains(low) and limit.contains(high) and math.isfinite(low)
