"""The hyperparameters: each is declared here once, with its range, default and meaning.

The defaults are the CNN that the published work on these images used (64, 64 and 128 filters, each block followed by
batch normalisation and max pooling, then a dense layer of 128); it is the first trial of every study. Its layers are
the published ones; how batch normalisation keeps its statistics is not (model.BATCH_NORM_MOMENTUM, and
normalisation.settle).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from difflib import get_close_matches
from typing import Any

from leukmodels.errors import ConfigError
from leukmodels.space import Choice, Dimension, Float, Int, Value


def _searched(default: Value, dimension: Dimension, meaning: str) -> Any:
    assert dimension.contains(default), f"default {default!r} lies outside {dimension.describe()}"
    return field(default=default, metadata={"dimension": dimension, "meaning": meaning})


@dataclass(frozen=True, kw_only=True)
class HyperParams:
    """One point of the search space; a value outside its range raises ConfigError."""

    blocks: int = _searched(
        3, Int(low=2, high=5), "convolution blocks, each halving the image while it has 4 px or more"
    )
    filters: int = _searched(64, Int(low=8, high=128, step=8), "filters of the first block")
    widen: str = _searched(
        "last",
        Choice(options=("none", "last", "each")),
        "which blocks double the filters of the one before (512 at most)",
    )
    kernel: int = _searched(3, Choice(options=(3, 5)), "side of the convolution kernels in px")
    activation: str = _searched(
        "relu", Choice(options=("relu", "leaky_relu", "elu", "gelu", "silu")), "activation of hidden layers"
    )
    pooling: str = _searched(
        "max",
        Choice(options=("max", "average", "stride")),
        "how a block halves the image; stride: its convolution does",
    )
    normalisation: str = _searched(
        "batch", Choice(options=("none", "batch", "layer", "group")), "normalisation after each activation"
    )
    head: str = _searched(
        "flatten",
        Choice(options=("flatten", "gap", "gmp")),
        "feature map to vector: as it is (halved on while over 65,536 values), global average or maximum",
    )
    dense_units: int = _searched(128, Int(low=16, high=256, log=True), "nodes of the dense layer")
    dropout: float = _searched(0.0, Float(low=0.0, high=0.6), "share of the dense layer's nodes dropped in training")
    l2: float = _searched(
        0.0,
        Choice(options=(0.0, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2)),
        "L2 penalty on kernels; with adamw the decoupled weight decay instead",
    )
    optimizer: str = _searched(
        "adam", Choice(options=("adam", "adamw", "sgd", "rmsprop")), "sgd has Nesterov momentum 0.9"
    )
    learning_rate: float = _searched(1e-3, Float(low=1e-5, high=1e-2, log=True), "step size of the optimizer")
    batch_size: int = _searched(32, Choice(options=(16, 32, 64, 128)), "images in a training step")
    augmentation: float = _searched(
        0.0, Float(low=0.0, high=1.0), "strength of flips, rotation and light and colour jitter; 0 switches them off"
    )
    class_balance: str = _searched(
        "none",
        Choice(options=("none", "weights", "patients")),
        "weights: rarer class weighs more; patients: draw a class, then a patient, then an image",
    )

    def __post_init__(self) -> None:
        if problems := _out_of_range(asdict(self)):
            raise ConfigError("These hyperparameters cannot be used:", problems)

    @classmethod
    def from_dict(cls, mapping: Mapping[str, Value]) -> "HyperParams":
        """Return the point a mapping describes, defaults for what it leaves out.

        Raises ConfigError with all unknown names and all values out of range.
        """
        dimensions = space()
        known = {name: value for name, value in mapping.items() if name in dimensions}
        problems = [_unknown(name) for name in mapping if name not in dimensions] + _out_of_range(known)
        if problems:
            raise ConfigError("These hyperparameters cannot be used:", problems)
        values: dict[str, Any] = {name: dimensions[name].canonical(value) for name, value in known.items()}
        return cls(**values)

    def to_dict(self) -> dict[str, Value]:
        """Return name -> value in order of declaration, ready for JSON or YAML."""
        return asdict(self)


def space() -> dict[str, Dimension]:
    """Return name -> dimension in order of declaration."""
    return {f.name: f.metadata["dimension"] for f in fields(HyperParams)}


def defaults() -> dict[str, Value]:
    """Return name -> default: the published CNN, the first trial of every study."""
    return HyperParams().to_dict()


def markdown_table() -> str:
    """Return the table of all hyperparameters as the README shows it, without a final newline."""
    rows = (
        f"| `{f.name}` | {f.metadata['dimension'].describe()} | {f.default} | {f.metadata['meaning']} |"
        for f in fields(HyperParams)
    )
    return "\n".join(["| hyperparameter | range | default | meaning |", "| --- | --- | --- | --- |", *rows])


def _out_of_range(values: Mapping[str, Value]) -> list[str]:
    dimensions = space()
    return [
        f"{name} is {value!r}; allowed: {dimensions[name].describe()}."
        for name, value in values.items()
        if not dimensions[name].contains(value)
    ]


def _unknown(name: str) -> str:
    nearest = get_close_matches(name, space(), n=1)
    hint = f"did you mean {nearest[0]}?" if nearest else f"allowed: {', '.join(space())}."
    return f"{name} is not a hyperparameter; {hint}"
