"""Byte-identical images: each content is kept once, and patients that share one are one patient in every split."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from leukmodels.collections.listing import SHOWN, natural_key
from leukmodels.process.words import USUAL, Terms, plural

_NAMED = 4  # members in the name of a joined patient; where no patients are known a group can be hundreds of images


@dataclass(frozen=True, kw_only=True)
class Deduplicated:
    """The images to use, those left out, and who was joined; every image is in exactly one of the two tables."""

    cells: pa.Table  # one row a content; `patient` is the joined patient ("20+21"), `subject` who it was before
    removed: pa.Table  # the columns as given, and `reason`
    joined: tuple[tuple[str, ...], ...]  # the subjects of each joined patient, in natural order

    def describe(self, terms: Terms = USUAL) -> str:
        """Return a sentence that says whose images were found under several names; "" when nobody's were.

        Where nobody is named, that an image is there twice joins nobody.
        """
        if not self.joined or terms.are_images:
            return ""
        names = ", ".join(map(_name, self.joined[:SHOWN]))
        more = len(self.joined) - SHOWN
        others = f" and {plural(more, 'more group')}" if more > 0 else ""
        each = " each" if len(self.joined) > 1 else ""
        return f"{terms.units.capitalize()} {names}{others} share images and count as one {terms.unit}{each}."


def join_duplicates(cells: pa.Table) -> Deduplicated:
    """Return the cells with each content once, the first in order, and with patients that share a content joined.

    `cells` has the columns of CELL_SCHEMA and `content`, without nulls. A content that stands under two classes has a
    wrong label somewhere: every copy of it is removed, and it joins nobody.
    """
    content, hashes = _encode(cells["content"])
    classes, class_names = _encode(cells["class_name"])
    patients, subjects = _encode(cells["patient"])
    _, first = np.unique(content, return_index=True)
    classes_of: dict[int, set[str]] = defaultdict(set)
    for code, class_code in _distinct_pairs(content, classes):
        classes_of[code].add(class_names[class_code])
    disputed = np.array([len(classes_of[code]) > 1 for code in range(len(hashes))], dtype=bool)[content]
    copied = ~disputed & (first[content] != np.arange(len(content)))

    groups = _connected(_distinct_pairs(content[~disputed], patients[~disputed]))
    joined = [tuple(sorted((subjects[code] for code in group), key=natural_key)) for group in groups]
    joined.sort(key=lambda group: natural_key(group[0]))
    name_of = {subject: _name(group) for group in joined for subject in group}
    names = pa.array([name_of.get(subject, subject) for subject in subjects], pa.string()).take(pa.array(patients))
    renamed = cells.set_column(cells.column_names.index("patient"), "patient", names)

    removed = disputed | copied
    reasons = [
        f"the same bytes stand under the classes {' and '.join(sorted(classes_of[content[row]]))}"
        if disputed[row]
        else f"the same bytes as {cells['path'][first[content[row]]]}"
        for row in np.flatnonzero(removed)
    ]
    return Deduplicated(
        cells=renamed.append_column("subject", cells["patient"]).filter(pa.array(~removed)),
        removed=cells.filter(pa.array(removed)).append_column("reason", pa.array(reasons, pa.string())),
        joined=tuple(joined),
    )


def _encode(column: pa.ChunkedArray) -> tuple[npt.NDArray[np.int64], list[str]]:
    """Return a column as codes and the value of each code."""
    assert column.null_count == 0
    encoded = column.combine_chunks().dictionary_encode()
    return encoded.indices.to_numpy().astype(np.int64), encoded.dictionary.to_pylist()


def _distinct_pairs(a: npt.NDArray[np.int64], b: npt.NDArray[np.int64]) -> list[tuple[int, int]]:
    """Return the pairs of two columns of codes, each once, sorted."""
    width = int(b.max(initial=0)) + 1
    pairs = np.unique(a * width + b)
    return list(zip((pairs // width).tolist(), (pairs % width).tolist(), strict=True))


def _connected(pairs: Sequence[tuple[int, int]]) -> list[list[int]]:
    """Return the groups of two and more patients that contents connect, from pairs of content and patient."""
    if not pairs:
        return []
    contents, patients = np.array(pairs).T
    count = int(contents.max()) + 1
    links = coo_array((np.ones(len(pairs)), (contents, count + patients)), shape=(count + int(patients.max()) + 1,) * 2)
    _, group = connected_components(links, directed=False)
    members: dict[int, list[int]] = defaultdict(list)
    for patient in np.unique(patients).tolist():
        members[int(group[count + patient])].append(patient)
    return [each for each in members.values() if len(each) > 1]


def _name(group: Sequence[str]) -> str:
    """Return the name of a joined patient; its first subject is in no other group, so no two share a name."""
    return "+".join(group) if len(group) <= _NAMED else f"{group[0]}+{len(group) - 1} others"
