"""What a reader is: the layout of one collection, and what has to be known of its images."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

from leukmodels.collections.listing import Listing
from leukmodels.collections.source import Source

Middle = Literal["patient", "ignore", "split"]
MIDDLES: tuple[Middle, ...] = get_args(Middle)

# A limit of images that are the user's own.
UNKNOWN_ORIGIN = (
    "Where these images come from is not known to this software: laboratory, stain, scanner and how the labels were "
    "made are for the reader to judge."
)


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """What a task says of the place that a reader is to read; most readers know their layout and need none of it.

    classes   of the task, which alone decide what the layout is; empty: all classes that there are
    middle    what a folder between class and image is: a patient, nothing, or a part of the user's own split; None:
              a patient, unless the names say otherwise
    """

    classes: frozenset[str] = frozenset()
    middle: Middle | None = None


@dataclass(frozen=True, kw_only=True)
class Reader:
    """One layout of images.

    name                 what task files call it
    title                what reports call the collection
    layout               its folders and names, as an error says what was expected
    classes              of the collection; None: whatever the folders are called
    read                 an open place, and what the task says of it, to its listing, no image opened; DataError with
                         all that is wrong
    looks_like           whether a place has this layout, told from a few names
    limits               what its images do not say, sentences for a report
    reference_standard   where the labels come from, for a model card
    shares_controls      whether all tasks of the collection have the same controls
    can_be_drawn         whether the synthetic cohort has this layout
    unit                 what its names stand for, where it has any: patient, subject, donor
    asks_middle          whether ``middle`` of a task file means something to it
    """

    name: str
    title: str
    layout: str
    classes: tuple[str, ...] | None
    read: Callable[[Source, ReadOptions], Listing]
    looks_like: Callable[[Source], bool]
    limits: tuple[str, ...]
    reference_standard: str
    shares_controls: bool = False
    can_be_drawn: bool = False
    unit: str = "patient"
    asks_middle: bool = False
