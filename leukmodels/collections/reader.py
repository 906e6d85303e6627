"""What a reader is: the layout of one collection, and what has to be known of its images."""

from collections.abc import Callable
from dataclasses import dataclass

from leukmodels.collections.listing import Listing
from leukmodels.collections.source import Source


@dataclass(frozen=True, kw_only=True)
class Reader:
    """One layout of images.

    name                 what task files call it
    title                what reports call the collection
    layout               its folders and names, as an error says what was expected
    classes              of the collection; None: whatever the folders are called
    read                 an open place to its listing, no image opened; DataError with all that is wrong
    looks_like           whether a place has this layout, told from a few names
    limits               what its images do not say, sentences for a report
    reference_standard   where the labels come from, for a model card
    shares_controls      whether all tasks of the collection have the same controls
    can_be_drawn         whether the synthetic cohort has this layout
    unit                 what its names stand for, where it has any: patient, subject, donor
    """

    name: str
    title: str
    layout: str
    classes: tuple[str, ...] | None
    read: Callable[[Source], Listing]
    looks_like: Callable[[Source], bool]
    limits: tuple[str, ...]
    reference_standard: str
    shares_controls: bool = False
    can_be_drawn: bool = False
    unit: str = "patient"
