"""What numbers trainings that are compared compute in: one kind for all of them, settled before the first, for good.

Trainings that compute in different numbers would be compared like with unlike, so it is not each worker's choice: the
options that a study keeps in its ``study.json`` say it, and whoever goes on with the study does as they say.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

Precision: TypeAlias = Literal["float32", "bfloat16"]

_WHERE = "measured: results/benchmarks/training.md"


@dataclass(frozen=True, kw_only=True)
class Arithmetic:
    """What is computed in, and what the user should know of it."""

    precision: Precision
    description: str


def choose_precision(asked: Precision | Literal["auto"], *, without: Sequence[str], gpus: float) -> Arithmetic:
    """Return what is computed in on machines of which those named ``without`` do not multiply bfloat16 themselves.

    ``gpus`` is how many of them a training has.
    """
    # On GPUs nothing was measured; TensorFlow multiplies float32 there in TF32 anyway.
    precision = asked if asked != "auto" else "float32" if without or gpus else "bfloat16"
    words = f"Training in {precision}"
    if precision == "bfloat16":
        words += " on float32 weights"
        if gpus:
            words += ", as asked"
        elif without:
            words += f", which the processor of {without[0]} only imitates: --precision float32 is faster there"
        else:
            words += f", which the processors multiply by themselves ({_WHERE})"
    elif asked == "auto":
        words += ": bfloat16 was not measured on GPUs" if gpus else f": the processor of {without[0]} has no bfloat16"
    return Arithmetic(precision=precision, description=f"{words}.")
