"""The hyperparameters: each is declared here once, with its range, default, meaning and when it has an effect.

The defaults are the CNN that the published work on these images used (64, 64 and 128 filters, each block followed by
batch normalisation and max pooling, then a dense layer of 128); it is the first trial of every study. Its layers are
the published ones; how batch normalisation keeps its statistics is not (cnn.BATCH_NORM_MOMENTUM, and
normalisation.settle). A default switches off whatever the published CNN does not have.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from difflib import get_close_matches
from typing import Any, TypeAlias

from leukmodels.errors import ConfigError
from leukmodels.space.dimensions import Choice, Dimension, Float, Int, Value

Given: TypeAlias = Mapping[str, Dimension]

BASE = "base"

MOST_BLOCKS = 5
PRETRAINED = ("mobilenet_v3_small", "mobilenet_v3_large", "efficientnet_v2_b0", "efficientnet_v2_s", "resnet50_v2")
_OWN: Given = {"backbone": Choice(options=("cnn",))}
_LOADED: Given = {"backbone": Choice(options=(BASE, *PRETRAINED))}
_AUGMENTED: Given = {"augmentation": Float(low=1e-9, high=1.0)}  # above 0


def _searched(default: Value, dimension: Dimension, meaning: str, given: Given | None = None) -> Any:
    assert dimension.contains(default), f"default {default!r} lies outside {dimension.describe()}"
    return field(default=default, metadata={"dimension": dimension, "meaning": meaning, "given": given or {}})


def _choice(default: Value, options: tuple[Value, ...], meaning: str, given: Given | None = None) -> Any:
    return _searched(default, Choice(options=options), meaning, given)


@dataclass(frozen=True, kw_only=True)
class HyperParams:
    """One point of the search space; a value outside its range raises ConfigError.

    A hyperparameter is declared after those that its effect depends on.
    """

    backbone: str = _choice(
        "cnn",
        ("cnn", BASE, *PRETRAINED),
        "what turns an image into a feature map: convolution blocks from scratch, the base model's (--base-model), or "
        "a network pre-trained on ImageNet (--backbones)",
    )
    blocks: int = _searched(
        3, Int(low=2, high=MOST_BLOCKS), "convolution blocks, each halving the image while it has 4 px or more", _OWN
    )
    filters: int = _searched(64, Int(low=8, high=128, step=8), "filters of the first block", _OWN)
    widen: str = _choice(
        "last",
        ("none", "last", "each"),
        "which blocks double the filters of the one before (512 at most)",
        _OWN,
    )
    kernel: int = _choice(3, (3, 5), "side of the convolution kernels in px", _OWN)
    convolution: str = _choice(
        "plain", ("plain", "separable"), "separable: a filter a channel, then a 1 x 1 convolution (not the first)", _OWN
    )
    residual: str = _choice(
        "no", ("no", "yes"), "yes: a block adds what it gets to what it makes, from the second block on", _OWN
    )
    stochastic_depth: float = _searched(
        0.0,
        Float(low=0.0, high=0.4),
        "share of images for which a block only passes on what it gets, in training",
        {**_OWN, "residual": Choice(options=("yes",))},
    )
    activation: str = _choice(
        "relu",
        ("relu", "leaky_relu", "elu", "gelu", "silu"),
        "activation of hidden layers; of a loaded body, of the dense layer alone",
    )
    pooling: str = _choice(
        "max",
        ("max", "average", "stride", "blur"),
        "how a block halves the image; stride: its convolution does; blur: maximum, then a blur against aliasing",
        _OWN,
    )
    normalisation: str = _choice(
        "batch", ("none", "batch", "layer", "group"), "normalisation after each activation", _OWN
    )
    spatial_dropout: float = _searched(
        0.0, Float(low=0.0, high=0.4), "share of a block's channels dropped in training", _OWN
    )
    edges: str = _choice(
        "none",
        ("none", "laplacian", "log", "sobel"),
        "filter before the first block: Laplacian, Laplacian of Gaussian, or Sobel's gradient magnitude",
        _OWN,
    )
    edges_sigma: float = _choice(
        1.0, (1.0, 1.5, 2.0), "width of the Gaussian in px", {**_OWN, "edges": Choice(options=("log",))}
    )
    edges_use: str = _choice(
        "append",
        ("append", "subtract", "subtract_learned"),
        "edges become channels of their own, or are subtracted with a fixed or a learned weight",
        {**_OWN, "edges": Choice(options=("laplacian", "log"))},
    )
    colour: str = _choice(
        "rgb", ("rgb", "gray", "green"), "what is seen of the colours; green: where nuclei are darkest", _OWN
    )
    loaded_blocks: int = _searched(
        5,
        Int(low=1, high=MOST_BLOCKS),
        "blocks, from the first, that start with the base model's weights",
        {"backbone": Choice(options=(BASE,))},
    )
    frozen_blocks: int = _searched(
        0,
        Int(low=0, high=MOST_BLOCKS),
        "loaded blocks, from the first, that do not train (a block ends where the map is halved)",
        _LOADED,
    )
    loaded_rate: float = _searched(
        1.0, Float(low=0.01, high=1.0, log=True), "learning rate of loaded blocks, times that of the others", _LOADED
    )
    resolution: float = _choice(
        1.0, (0.5, 0.75, 1.0), "side of the images the model works on, times that of the prepared ones"
    )
    head: str = _choice(
        "flatten",
        ("flatten", "gap", "gmp", "both"),
        "feature map to vector: as it is (halved on while over 65,536 values), global average, maximum, or both",
    )
    dense_units: int = _searched(128, Int(low=16, high=256, log=True), "nodes of the dense layer")
    dropout: float = _searched(0.0, Float(low=0.0, high=0.6), "share of the dense layer's nodes dropped in training")
    l1: float = _choice(
        0.0, (0.0, 1e-7, 1e-6, 1e-5, 1e-4), "L1 penalty on kernels (those of pre-trained networks aside)"
    )
    l2: float = _choice(
        0.0,
        (0.0, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2),
        "L2 penalty on the same kernels; with adamw the decoupled weight decay, of all, instead",
    )
    loss: str = _choice(
        "crossentropy",
        ("crossentropy", "generalised", "bootstrapped"),
        "generalised cross-entropy and bootstrapped targets trust labels less",
    )
    label_smoothing: float = _searched(
        0.0,
        Float(low=0.0, high=0.2),
        "share of each label that is replaced by 0.5",
        {"loss": Choice(options=("crossentropy",))},
    )
    generalised_q: float = _searched(
        0.7,
        Float(low=0.1, high=1.0),
        "from cross-entropy (0) to absolute error (1)",
        {"loss": Choice(options=("generalised",))},
    )
    bootstrapped_beta: float = _searched(
        0.8,
        Float(low=0.5, high=0.95),
        "share of the label in the target; the rest is the answer",
        {"loss": Choice(options=("bootstrapped",))},
    )
    instances: str = _choice(
        "single",
        ("single", "mean", "top_k"),
        "what the loss is of: each cell, or a bag of one patient's cells (their mean, the mean of the highest)",
    )
    bag: int = _choice(8, (4, 8, 16), "cells in a bag", {"instances": Choice(options=("mean", "top_k"))})
    top_share: float = _searched(
        0.5, Float(low=0.1, high=0.9), "share of a bag's cells that count", {"instances": Choice(options=("top_k",))}
    )
    optimizer: str = _choice("adam", ("adam", "adamw", "sgd", "rmsprop"), "sgd has Nesterov momentum 0.9")
    learning_rate: float = _searched(1e-3, Float(low=1e-5, high=1e-2, log=True), "step size of the optimizer")
    schedule: str = _choice("constant", ("constant", "cosine"), "cosine: down to 0 over all epochs")
    warm_up: float = _searched(
        0.0, Float(low=0.0, high=0.2), "share of all steps over which the step size rises from 0"
    )
    batch_size: int = _choice(32, (16, 32, 64, 128), "images in a training step")
    augmentation: float = _searched(
        0.0, Float(low=0.0, high=1.0), "strength of flips, rotation and light and colour jitter; 0 switches them off"
    )
    rotation: float = _searched(
        1.0, Float(low=0.0, high=1.0), "rotation's share of that strength (1: any angle)", _AUGMENTED
    )
    brightness: float = _searched(
        1.0, Float(low=0.0, high=1.0), "brightness' share of it (1: 20 % either way)", _AUGMENTED
    )
    contrast: float = _searched(
        1.0, Float(low=0.0, high=1.0), "contrast's share of it (1: 20 % either way)", _AUGMENTED
    )
    tint: float = _searched(
        1.0, Float(low=0.0, high=1.0), "share of it of each colour channel (1: 10 % either way)", _AUGMENTED
    )
    class_balance: str = _choice(
        "none",
        ("none", "weights", "patients"),
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
        dimensions = allowed()
        known = {name: value for name, value in mapping.items() if name in dimensions}
        problems = [unknown(name) for name in mapping if name not in dimensions] + _out_of_range(known)
        if problems:
            raise ConfigError("These hyperparameters cannot be used:", problems)
        values: dict[str, Any] = {name: dimensions[name].canonical(value) for name, value in known.items()}
        return cls(**values)

    def to_dict(self) -> dict[str, Value]:
        """Return name -> value in order of declaration, ready for JSON or YAML."""
        return asdict(self)


def allowed() -> dict[str, Dimension]:
    """Return name -> all that the hyperparameter can be, in order of declaration."""
    return {f.name: f.metadata["dimension"] for f in fields(HyperParams)}


def given() -> dict[str, Given]:
    """Return name -> others, and where each must lie for the hyperparameter to have an effect."""
    return {f.name: f.metadata["given"] for f in fields(HyperParams)}


def meanings() -> dict[str, str]:
    """Return name -> what the hyperparameter does, in a line."""
    return {f.name: f.metadata["meaning"] for f in fields(HyperParams)}


def defaults() -> dict[str, Value]:
    """Return name -> default: the published CNN, the first trial of every study."""
    return HyperParams().to_dict()


def unknown(name: str) -> str:
    """Return in a sentence that no hyperparameter has this name, and which may have been meant."""
    nearest = get_close_matches(name, allowed(), n=1)
    hint = f"did you mean {nearest[0]}?" if nearest else f"allowed: {', '.join(allowed())}."
    return f"{name} is not a hyperparameter; {hint}"


def _out_of_range(values: Mapping[str, Value]) -> list[str]:
    dimensions = allowed()
    return [
        f"{name} is {value!r}; allowed: {dimensions[name].describe()}."
        for name, value in values.items()
        if not dimensions[name].contains(value)
    ]
