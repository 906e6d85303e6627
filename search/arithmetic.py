"""What numbers the trials of a study compute in: one kind for all of them, settled before the first, for good.

Trials that compute in different numbers would be compared like with unlike, so it is not each worker's choice: the
options that ``study.json`` keeps say it, and whoever goes on with the study does as they say.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from cluster.nodes import NodeState
from search.config import SearchConfig

_WHERE = "measured: results/benchmarks/training.md"


@dataclass(frozen=True, kw_only=True)
class Arithmetic:
    """The options with ``--precision`` settled, and what the user should know of it."""

    config: SearchConfig
    words: str


def settle(config: SearchConfig, states: Sequence[NodeState], *, gpus: float) -> Arithmetic:
    """Return what is computed in on these nodes, by trials of so many GPUs each."""
    without = [state.name for state in states if not state.bfloat16]
    precision = config.precision
    if precision == "auto":
        # On GPUs nothing was measured; TensorFlow multiplies float32 there in TF32 anyway.
        precision = "float32" if without or gpus else "bfloat16"
    words = f"Training in {precision}"
    if precision == "bfloat16":
        words += " on float32 weights"
        if gpus:
            words += ", as asked"
        elif without:
            words += f", which the processor of {without[0]} only imitates: --precision float32 is faster there"
        else:
            words += f", which the processors multiply by themselves ({_WHERE})"
    elif config.precision == "auto":
        words += ": bfloat16 was not measured on GPUs" if gpus else f": the processor of {without[0]} has no bfloat16"
    return Arithmetic(config=config.model_copy(update={"precision": precision}), words=f"{words}.")
