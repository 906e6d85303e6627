"""What others have published on these images: the figures that a result is set beside.

The level (cell or patient) and the split are named with each: a split by image has cells of one patient on both sides,
so what it gives is too good.
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Anchor:
    """A published result; None where a figure was not given. The words are as precise as the source allows."""

    tasks: tuple[str, ...]
    who: str
    level: str
    split: str
    recall: float | None = None
    accuracy: float | None = None
    specificity: float | None = None
    auroc: float | None = None
    note: str = ""


def _slides(task: str, accuracy: float, recall: float) -> Anchor:
    return Anchor(
        tasks=(task,),
        who="published CNN (slides)",
        level="800 + 800 cells",
        split="not stated; by image is likely",
        accuracy=accuracy,
        recall=recall,
    )


ANCHORS = (
    _slides("pml_rara", 0.895, 0.88),
    _slides("npm1", 0.88, 0.86),
    _slides("cbfb", 0.84, 0.75),
    _slides("runx1", 0.91, 0.94),
    Anchor(
        tasks=("aml",),
        who="ResNet18, ImageNet weights",
        level="cells",
        split="by patient",
        recall=0.951,
        accuracy=0.955,
        auroc=0.992,
    ),
    Anchor(
        tasks=("aml",),
        who="the same ResNet18",
        level="cells",
        split="by image",
        recall=0.973,
        accuracy=0.970,
        auroc=0.9955,
        note="what a split by image adds",
    ),
    Anchor(
        tasks=("aml",),
        who="SCEMILA, Hehr 2023",
        level="patients",
        split="by patient, five folds",
        note="control against AML without an error; doi:10.1371/journal.pdig.0000187",
    ),
    Anchor(
        tasks=("pml_rara",),
        who="SCEMILA, Hehr 2023",
        level="patients",
        split="by patient, five folds",
        note="F1 0.86 (standard deviation of the folds 0.05) among four AML types and control; "
        "doi:10.1371/journal.pdig.0000187",
    ),
    Anchor(
        tasks=("b_all",),
        who="published CNN, tuned (children)",
        level="125 cells",
        split="by image",
        recall=0.911,
        accuracy=0.824,
        specificity=0.67,
        note="recall 0.83 to 0.96 with 95 % confidence",
    ),
    Anchor(
        tasks=("b_all",),
        who="Prellberg 2019",
        level="1,867 cells",
        split="the collection's preliminary test, by subject",
        recall=0.930,
        specificity=0.838,
        auroc=0.955,
        note="of a healthy subject's cells 26 % to all are answered rightly",
    ),
    Anchor(
        tasks=("b_all",),
        who="Albzour 2026, EfficientNet-B1",
        level="1,867 cells",
        split="the collection's preliminary test, by subject",
        recall=0.87,
        specificity=0.80,
        auroc=0.913,
        note="a random split adds 0.04 to the AUROC",
    ),
    Anchor(
        tasks=("b_all",),
        who="small CNNs at 96 px, no ImageNet weights",
        level="1,867 cells",
        split="the collection's preliminary test, by subject",
        note="balanced accuracy 0.63 to 0.67, after 0.92 in validation",
    ),
    Anchor(
        tasks=("b_all",),
        who="winner of the challenge, Pan 2019",
        level="2,586 cells",
        split="the collection's final test, used as a whole",
        note="weighted F1 0.910",
    ),
)


def anchors_of(task: str) -> tuple[Anchor, ...]:
    """Return what was published on a task; nothing on a user's own."""
    return tuple(anchor for anchor in ANCHORS if task in anchor.tasks)
