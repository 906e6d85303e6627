"""How fast the default CNN trains on one core: Keras' fit as it is, the project's step, and all that was tried for it.

    PYTHONPATH=.:tests/support taskset -c 1 python tests/benchmarks/bench_training.py [--rounds 5] [--seeds 5]

Each side is a process of its own (threads and variables are a process'), started together with what it is compared
with; they train in turn, a few batches at a time. Then both arithmetics learn drawn cells, seed by seed. Takes about
fifteen minutes on an idle core. Prints the tables and writes them to results/benchmarks/training.md.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from publishing import publish
from training_learning import learn, shapes, tracing

SIDE = Path(__file__).with_name("training_side.py")
BATCHES = 4
KERAS: Mapping[str, Any] = {"fit": "uint8", "fused": False, "threads": (0, 0)}
OURS: Mapping[str, Any] = {"precision": "bfloat16"}
EXACT: Mapping[str, Any] = {}


@dataclass(frozen=True, kw_only=True)
class Side:
    """One way to train (training_side.Way) and the variables of its process."""

    name: str
    way: Mapping[str, Any]
    env: Mapping[str, str] = field(default_factory=dict)


MAIN = (
    Side(name="Keras: `fit` with its defaults, uint8 images in memory", way=KERAS),
    Side(name="our loop, as `fit` computes", way={"fused": False}),
    Side(name="+ batch normalisation as one operation (**`--precision float32`**)", way=EXACT),
    Side(name="+ bfloat16 instead of that", way={"fused": False, **OURS}),
    Side(name="+ both (**`--precision bfloat16`**)", way=OURS),
)
SMALL = tuple(
    Side(name=f"{name}, 48 px", way={**way, "image_px": 48})
    for name, way in (("Keras: `fit`", KERAS), ("`--precision float32`", EXACT), ("`--precision bfloat16`", OURS))
)
TRIED = (
    (
        Side(name="Keras: `fit`", way=KERAS),
        Side(name="float32 images in memory", way={**KERAS, "fit": "float32"}),
        Side(name="four steps an execution", way={**KERAS, "steps": 4}),
        Side(name="XLA (`jit_compile`)", way={**KERAS, "jit": True}),
    ),
    (
        Side(name="`--precision float32`", way=EXACT),
        Side(
            name="oneDNN's fast math (ONEDNN_DEFAULT_FPMATH_MODE=BF16)",
            way=EXACT,
            env={"ONEDNN_DEFAULT_FPMATH_MODE": "BF16"},
        ),
        Side(
            name="TensorFlow's own rewriting to bfloat16",
            way={"optimizer": {"auto_mixed_precision_onednn_bfloat16": True}},
        ),
        Side(name="without oneDNN (TF_ENABLE_ONEDNN_OPTS=0)", way=EXACT, env={"TF_ENABLE_ONEDNN_OPTS": "0"}),
    ),
    (
        Side(name="`--precision bfloat16`", way=OURS),
        Side(name="biases by BiasAdd instead of a sum", way={**OURS, "bias": True}),
        Side(name="Adam as one operation a weight", way={**OURS, "adam": True}),
        Side(name="the batch size compiled in", way={**OURS, "static": True}),
    ),
    (
        Side(name="`--precision bfloat16`", way=OURS),
        Side(name="without TensorFlow's fusing of operations", way={**OURS, "optimizer": {"remapping": False}}),
        Side(name="without its choice of layouts", way={**OURS, "optimizer": {"layout_optimizer": False}}),
        Side(name="threads as TensorFlow likes", way={**OURS, "threads": (0, 0)}),
    ),
    (
        Side(name="`--precision bfloat16`", way=OURS),
        Side(name="malloc keeps all memory", way={**OURS, "keep_memory": True}),
        Side(name="huge pages (GLIBC_TUNABLES)", way=OURS, env={"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}),
        Side(name="`--deterministic`", way={**OURS, "deterministic": True}),
    ),
    (
        Side(name="`--precision bfloat16`", way=OURS),
        Side(name="batches of 16", way={**OURS, "batch_size": 16}),
        Side(name="batches of 64", way={**OURS, "batch_size": 64}),
        Side(name="two threads (on one core)", way={**OURS, "threads": (2, 1)}),
    ),
)


@contextmanager
def started(side: Side) -> Iterator[subprocess.Popen[str]]:
    """Yield the side's process, which has made its first step."""
    process = subprocess.Popen(
        [sys.executable, SIDE],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **side.env},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        ask(process, side.way)
        yield process
    finally:
        process.terminate()
        process.wait()


def ask(process: "subprocess.Popen[str]", what: object) -> Any:
    """Return the answer to a line."""
    assert process.stdin
    assert process.stdout
    process.stdin.write(json.dumps(what) + "\n")
    process.stdin.flush()
    return json.loads(process.stdout.readline())


def compare(sides: Sequence[Side], *, rounds: int) -> list[list[float]]:
    """Return each side's ms an image, round by round, after one that does not count."""
    found: list[list[float]] = [[] for _ in sides]
    with ExitStack() as stack:
        processes = [stack.enter_context(started(side)) for side in sides]
        for number in range(-1, rounds):
            for side, process, times in zip(sides, processes, found, strict=True):
                images = side.way.get("batch_size", 32) * BATCHES
                times += [1000 * ask(process, BATCHES) / images] if number >= 0 else [ask(process, 1)][:0]
    for side, times in zip(sides, found, strict=True):
        print(f"{statistics.median(times):6.1f} ms an image: {side.name}", flush=True)
    return found


def rows(sides: Sequence[Side], found: Sequence[Sequence[float]], *, first: bool = True) -> list[str]:
    """Return a row of the table a side: ms an image, and how many times as fast as the first one it is."""
    lines = []
    for side, times in zip(sides, found, strict=True):
        ratios = [reference / own for reference, own in zip(found[0], times, strict=True)]
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        said = "1 |" if times is found[0] else f"**{statistics.median(ratios):.2f}** | {spread}"
        lines.append(f"| {side.name} | {statistics.median(times):.1f} | {said} |")
    return lines if first else lines[1:]


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--px", type=int, default=32, help="side of the drawn cells that are learnt")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--dry", action="store_true", help="write no file")
    options = parser.parse_args()
    main_found = compare(MAIN, rounds=options.rounds)
    small_found = compare(SMALL, rounds=options.rounds)
    tried = []
    for group in TRIED:
        found = compare(group, rounds=max(2, options.rounds - 2))
        tried += [
            f"| **{group[0].name}** | {statistics.median(found[0]):.1f} | 1 | |",
            *rows(group, found, first=False),
        ]
    learnt = learn(options.seeds, options.px, options.epochs)
    made, step = tracing(48)
    configurations, graphs = shapes()
    import keras
    import tensorflow as tf

    lines = [
        "# How fast the default CNN trains",
        "",
        "The default CNN (64, 64 and 128 filters, batch normalisation, a dense layer of 128; Adam, batches of 32) on "
        f"one core, {processor()}, TensorFlow {tf.__version__}, Keras {keras.__version__}, Python "
        f"{platform.python_version()}. Times are the processor's own, of training steps alone, without validation; "
        f"sides take turns, {BATCHES} batches at a time. Median and range of {options.rounds} rounds (of "
        f"{max(2, options.rounds - 2)} where things were tried); ratios are of one round.",
        "",
        "| 144 px | ms an image | times as fast | range |",
        "| --- | ---: | ---: | --- |",
        *rows(MAIN, main_found),
        "",
        "| 48 px | ms an image | times as fast | range |",
        "| --- | ---: | ---: | --- |",
        *rows(SMALL, small_found),
        "",
        "Keras 3 writes batch normalisation as a dozen operations on whole maps, in float32 whatever the policy, and "
        "their gradient as many again; as one operation with its gradient it is what lets bfloat16 pay. TensorFlow "
        "then fuses convolution, bias and activation by itself.",
        "",
        "## Tried",
        "",
        "Each against the bold line above it, in the same minutes, at 144 px. The noise of a line is some 0.05: "
        "`--deterministic`, which can only cost, seems to gain as much. Taken is what gains more and changes nothing "
        "that is chosen elsewhere: batches are a hyperparameter; TensorFlow's own rewriting to bfloat16 is a switch of "
        "the whole process, and would reach the scores, which are to come out again wherever the model is loaded.",
        "",
        "| what | ms an image | times as fast | range |",
        "| --- | ---: | ---: | --- |",
        *tried,
        "",
        "## What is learnt",
        "",
        f"The default CNN on drawn cells of {options.px} px, learning rate 0.0003, {options.epochs} epochs, best epoch "
        f"by validation log loss; {options.seeds} seeds, both sides with the same draws. Validation cells, mean and "
        "standard deviation over the seeds; the difference is of one seed, with its standard error.",
        "",
        "| | as Keras computes, float32 | `--precision bfloat16` | difference |",
        "| --- | ---: | ---: | ---: |",
        *learnt,
        "",
        "## A graph for each trial",
        "",
        f"Trials of one shape after another in one process, from building the model to the end of its first step, "
        f"default CNN at 48 px: {', '.join(f'{seconds:.2f}' for seconds in made)} s, where a step takes {step:.2f} s. "
        f"A graph could be kept for the next trial of its shape, but trials of one shape are rare: {configurations} "
        f"configurations drawn from the space need {graphs} graphs, even with step sizes, penalties, dropout and "
        "strengths given as numbers instead of being compiled in. So nothing is kept.",
    ]
    publish("training", lines, write=not options.dry)


def processor() -> str:
    """Return what kind of processor this is, and what it says of bfloat16."""
    told = dict(line.split(":", 1) for line in Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines())
    told = {key.strip(): value.strip() for key, value in told.items()}
    native = [flag for flag in told["flags"].split() if flag.endswith("_bf16")]
    return f"{told['model name']} ({', '.join(native) or 'no bfloat16'})"


if __name__ == "__main__":
    main()
