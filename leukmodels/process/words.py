"""Words that many messages need."""

from dataclasses import dataclass

IMAGE = "image"


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What sentences, tables and headings call what a study counts and tells apart: its data's own words.

    unit       what is independent of the others, dealt to the parts as a whole and resampled for intervals: "patient",
               "subject", or IMAGE where the collection names nobody
    positive   the class that is looked for, as it stands before "cells": "leukemic"
    negative   the other: "healthy"
    """

    unit: str
    positive: str
    negative: str

    @property
    def units(self) -> str:
        """The unit in the plural."""
        return f"{self.unit}s"

    @property
    def are_images(self) -> bool:
        """Whether each image stands for itself, as nobody knows whose it is."""
        return self.unit == IMAGE

    def count(self, number: int) -> str:
        """Return so many units: 1 patient, 2 patients."""
        return plural(number, self.unit)

    def side(self, label: int) -> str:
        """Return the class of a label, 1 or 0."""
        return self.positive if label else self.negative


USUAL = Terms(unit="patient", positive="leukemic", negative="healthy")


def plural(count: int, noun: str) -> str:
    """Return a count with its noun: 1 image, 2 images, 12,034 images."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def rounded_down(part: int, whole: int, digits: int = 0) -> str:
    """Return a share in percent that is never above the true one: 996 of 1,000 are 99 %; "0 %" of nothing."""
    scale = 10**digits
    return f"{100 * scale * part // whole / scale if whole else 0:.{digits}f} %"
