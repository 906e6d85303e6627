"""What names of folders and files say in public collections: parts of a split, kinds of images, masks, copies."""

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise

PART_OF_WORD = {
    **dict.fromkeys(("train", "training", "trainset", "trn"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "validation"),
    **dict.fromkeys(("test", "testing", "testset", "tst"), "test"),
}

PARTS, KINDS, SIZES = "parts of a split", "kinds or portions of images", "sizes"
MAGNIFICATIONS, RANGES, SAME_FEW = "magnifications", "ranges of numbers", "the same few under every class"

_PART_FILLERS = frozenset({"set", "data", "dataset", "images", "cells", "split", "part"})
_KINDS = frozenset(
    """
    fold split eval evaluation holdout set subset part batch chunk all data dataset files folder new old misc other
    others unknown original originals orig raw img imgs image images pic pics picture pictures photo photos crop crops
    cropped cell cells patch patches resized scaled normalized normalised enhanced filtered processed preprocessed gray
    grey grayscale greyscale color colour rgb hsv seg segmented clean cleaned selected tif tiff bmp png jpg jpeg rot aug
    """.split()  # noqa: SIM905  words read best as words
)
# Made of other images: a mask is no cell, and a turned cell would stand on both sides of a split by image.
_DERIVED = frozenset(
    """
    mask masks gt groundtruth segmentation segmentations annotation annotations contour contours overlay overlays
    heatmap heatmaps thumbnail thumbnails thumbs flip flips flipped hflip vflip mirror mirrored rotate rotated rotation
    rotations augment augmented augmentation augmentations
    """.split()  # noqa: SIM905  words read best as words
)
_BESIDE_DERIVED = frozenset({"ground", "truth", "image", "images", "img", "cell", "cells", "binary", "horizontal"})
_DERIVED_SUFFIX = re.compile(
    r"(?P<of>.+?)[ _.-]+(?:(?:masks?|gt|ground[ _-]?truth|seg|segmentation|segmented|annotation|contour|overlay|binary)"
    r"|(?:[hv]?flip(?:ped)?|mirror(?:ed)?|rot(?:ated?)?|aug(?:mented)?))[ _.-]*\d*",
    re.IGNORECASE,
)
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_RANGE = re.compile(r"(\d+)\s*(?:-|–|_|to)\s*(\d+)")
_MAGNIFICATION = re.compile(
    r"(?:obj(?:ective)?|mag(?:nification)?)?[ _-]*(?:x[ _-]?{0}|{0}[ _-]?x)(?:[ _-]*(?:oil|obj|objective))?".format(
        r"(?:4|5|10|20|25|40|50|60|63|100|200|250|400|500|600|630|1000)"
    ),
    re.IGNORECASE,
)
_SIZE = re.compile(r"\d{2,4}\s*(?:px|(?:x|\*)\s*\d{2,4}(?:\s*px)?)", re.IGNORECASE)
_ROUND = 100  # images a folder: how collections are cut into folders that a file manager can show
_FEW = 5  # names that stand under every class alike: fewer patients could not be split anyway
_NEARLY = 0.8


def part_named(name: str) -> str | None:
    """Return the part of a split that a folder's name says (train, validation, test), None where it says none."""
    words = [word for word in _words(name) if word not in _PART_FILLERS and not word.isdigit() and len(word) > 1]
    return PART_OF_WORD.get(words[0]) if len(words) == 1 else None


def is_derived(name: str) -> bool:
    """Return whether a folder's name says that its images are made of others: masks, mirror images, overlays."""
    words = {word for word in _words(name) if not word.isdigit()}
    joined = "".join(_words(name))
    return joined in _DERIVED or (bool(words & _DERIVED) and words <= _DERIVED | _BESIDE_DERIVED)


def is_kind(name: str) -> bool:
    """Return whether a folder's name says what sort of images it holds, not whose or which."""
    words = [word for word in _words(name) if not word.isdigit()]
    return bool(words) and all(word in _KINDS for word in words)


def derived_from(stem: str, stems: Collection[str]) -> str | None:
    """Return whose mask or copy a file is by its stem, x for x_mask where x is among ``stems``; None for no one's."""
    match = _DERIVED_SUFFIX.fullmatch(stem)
    return match["of"] if match and match["of"] in stems else None


def not_patients(names: Mapping[str, Sequence[str]]) -> tuple[str, str] | None:
    """Return what folders between classes and images are if not patients, and their names; None where they may be.

    ``names`` are those under each class. The first is one of PARTS, KINDS, MAGNIFICATIONS, SIZES, RANGES, SAME_FEW.
    """
    found: dict[str, list[str]] = {}
    for under in names.values():
        for name in under:
            if part_named(name):
                found.setdefault(PARTS, []).append(name)
            elif is_kind(name):
                found.setdefault(KINDS, []).append(name)
        for what, are in ((MAGNIFICATIONS, _MAGNIFICATION), (SIZES, _SIZE)):
            if under and all(are.fullmatch(name) for name in under):
                found.setdefault(what, []).extend(under)
        if _are_ranges(under):
            found.setdefault(RANGES, []).extend(under)
    for what, those in found.items():
        return what, ", ".join(dict.fromkeys(those))
    if few := _same_few(names):
        return SAME_FEW, ", ".join(few)
    return None


def _words(name: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(name)]


def _are_ranges(names: Sequence[str]) -> bool:
    """Return whether all are ranges of image numbers; 19-0118 and 19-0203 are cases of a year."""
    matches = [_RANGE.fullmatch(name) for name in names]
    ranges = sorted((int(match[1]), int(match[2])) for match in matches if match)
    if not ranges or len(ranges) < len(names) or any(first >= last for first, last in ranges):
        return False
    one_after_another = len(ranges) > 1 and all(0 <= after[0] - before[1] <= 1 for before, after in pairwise(ranges))
    rounded = all((last - first + 1) % _ROUND == 0 or (last - first) % _ROUND == 0 for first, last in ranges)
    return one_after_another or rounded or (len(ranges) == 1 and ranges[0][0] <= 1)


def _same_few(names: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the names, where there are but a few and nearly every class has nearly all of them."""
    classes = {name for name, under in names.items() if under}
    counts = Counter(name for under in names.values() for name in dict.fromkeys(under))
    if len(classes) < 2 or len(counts) > _FEW:
        return []
    return list(counts) if sum(counts.values()) >= _NEARLY * len(counts) * len(classes) else []
