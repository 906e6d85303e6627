"""Whether bfloat16 pays all over the search space: a step of many configurations in float32 and in bfloat16.

    PYTHONPATH=. taskset -c 1 python tests/benchmarks/bench_precision.py [--drawn 14]

Takes three minutes on an idle core. Prints the table and writes it to results/benchmarks/precision.md.
"""

import argparse
import math
import statistics
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from optuna.samplers import RandomSampler
from optuna.study import create_study

from leukmodels.model.build import build
from leukmodels.process import tensorflow_runtime
from leukmodels.space import presets
from leukmodels.space.hyperparameters import HyperParams
from leukmodels.training import compiled
from publishing import publish
from search.tuning.searcher import _draw

IMAGE_PX, BATCH, ROUNDS = 48, 32, 5
ONE_BY_ONE: Sequence[Mapping[str, Any]] = (
    {},
    {"activation": "leaky_relu"},
    {"activation": "elu"},
    {"activation": "silu"},
    {"activation": "gelu"},
    {"pooling": "average"},
    {"pooling": "stride"},
    {"normalisation": "none"},
    {"normalisation": "layer"},
    {"normalisation": "group"},
    {"augmentation": 1.0},
    {"filters": 16},
    {"filters": 16, "activation": "gelu"},
)
NAMED = ("blocks", "filters", "kernel", "activation", "pooling", "normalisation", "head", "augmentation")


def drawn(count: int) -> list[dict[str, Any]]:
    """Return configurations drawn from the space."""
    study = create_study(sampler=RandomSampler(seed=0))
    trials = [study.ask() for _ in range(count)]
    return [
        {name: _draw(trial, name, dimension) for name, dimension in presets.space("small").dimensions.items()}
        for trial in trials
    ]


def seconds(params: Mapping[str, Any]) -> tuple[float, float]:
    """Return the processor's seconds of a step in float32 and in bfloat16, by turns."""
    import keras

    hparams = HyperParams.from_dict({**params, "batch_size": BATCH})
    images = np.random.default_rng(0).integers(0, 256, (BATCH, IMAGE_PX, IMAGE_PX, 3), dtype=np.uint8)
    batch = images, (np.arange(BATCH, dtype=np.float32) % 2)[:, None], np.ones(BATCH, np.float32)
    steps = []
    for precision in ("float32", "bfloat16"):
        model = build(hparams, image_px=IMAGE_PX, black_background=False)
        compiled.compile_model(model, hparams, steps=1)
        steps.append(compiled.Graphs.of(model, precision).step)  # type: ignore[arg-type]
    times: list[list[float]] = [[], []]
    for _ in range(ROUNDS + 2):
        for step, taken in zip(steps, times, strict=True):
            start = time.process_time()
            float(step(*batch)["loss"])
            taken.append(time.process_time() - start)
    keras.utils.clear_session()
    exact, rounded = (statistics.median(taken[2:]) for taken in times)
    return exact, rounded


def row(name: str, exact: float, rounded: float) -> str:
    """Return a configuration's row."""
    line = f"| {name} | {1000 * exact / BATCH:.2f} | {1000 * rounded / BATCH:.2f} | **{exact / rounded:.2f}** |"
    print(line, flush=True)
    return line


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--drawn", type=int, default=14)
    parser.add_argument("--dry", action="store_true", help="write no file")
    options = parser.parse_args()
    tensorflow_runtime.start(threads=1)
    tensorflow_runtime.seed_everything(0)
    single = [
        row(", ".join(f"{name} {value}" for name, value in params.items()) or "the default", *seconds(params))
        for params in ONE_BY_ONE
    ]
    found, many = [], []
    for params in drawn(options.drawn):
        found.append(seconds(params))
        shown = (params[name] for name in NAMED)
        many.append(
            row(", ".join(f"{value:.2f}" if isinstance(value, float) else str(value) for value in shown), *found[-1])
        )
    total = sum(exact for exact, _ in found) / sum(rounded for _, rounded in found)
    middle = math.exp(statistics.mean(math.log(exact / rounded) for exact, rounded in found))
    lines = [
        "# Where bfloat16 pays",
        "",
        f"A training step of {BATCH} images of {IMAGE_PX} px on one core, in float32 and in bfloat16, batch "
        f"normalisation as one operation in both; medians of {ROUNDS} by turns, of the processor's own time.",
        "",
        "| the default but | float32, ms an image | bfloat16 | times as fast |",
        "| --- | ---: | ---: | ---: |",
        *single,
        "",
        f"Of {options.drawn} configurations drawn from the space, one after another, bfloat16 trains **{total:.2f}** "
        f"times as fast; the geometric mean of the ratios is {middle:.2f}.",
        "",
        f"| {', '.join(NAMED)} | float32, ms an image | bfloat16 | times as fast |",
        "| --- | ---: | ---: | ---: |",
        *many,
    ]
    publish("precision", lines, write=not options.dry)


if __name__ == "__main__":
    main()
