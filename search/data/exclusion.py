"""Cells that a list leaves out of training (``--exclude``), and what else the list names.

The split is made before, so that every patient stays on the same side with the list and without it. Cells of validation
and test patients are what results are measured on: no list takes one away.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from leukmodels.collections.source import Source
from leukmodels.dataset.contents import sha256_of
from leukmodels.errors import DataError
from leukmodels.label_issues.listing import Listed, read_list
from leukmodels.process.words import Terms, plural

_PLACES = {"validation": "are validation cells", "test": "are test cells"}


@dataclass(frozen=True, kw_only=True, eq=False)
class Exclusion:
    """The cells that are left, those left out (path, content, reason), and what the user should read of it."""

    cells: pa.Table
    excluded: pa.Table
    notes: tuple[str, ...] = ()


def leave_out(cells: pa.Table, found: pa.Table, source: Source, exclude: str | None, terms: Terms) -> Exclusion:
    """Return the task's ``cells`` without the training cells that the list names.

    ``cells`` are split, each content once; ``found`` are all files with their contents, so that a path names its
    content whichever copy of it was kept. ConfigError for a list that is none, DataError for one that names no training
    cell or leaves a class without any.
    """
    if exclude is None:
        reason = pa.array([], pa.string())
        return Exclusion(cells=cells, excluded=cells.slice(0, 0).append_column("reason", reason))
    listed = read_list(Path(exclude))
    contents, lost = _contents(listed, found, source)
    named = pc.is_in(cells["content"], pa.array(contents, pa.string()))
    training = pc.equal(cells["part"], "train")
    excluded = cells.filter(pc.and_(named, training))
    left = cells.filter(pc.invert(pc.and_(named, training)))
    kept = cells.filter(pc.and_(named, pc.invert(training)))
    elsewhere = Counter(kept["part"].to_pylist())
    unknown = lost + len(contents) - excluded.num_rows - kept.num_rows
    others = [f"{elsewhere[part]:,} {words}" for part, words in _PLACES.items() if elsewhere[part]]
    others += [f"{unknown:,} are no cells of this study"] if unknown else []
    if problems := _problems(listed, excluded, left, others):
        raise DataError("The list of --exclude cannot be used:", problems)
    reasons = pa.array([f"listed in {listed.path.name}"] * excluded.num_rows, pa.string())
    return Exclusion(
        cells=left,
        excluded=excluded.append_column("reason", reasons),
        notes=(_words(listed, excluded, left, others, bool(elsewhere), terms),),
    )


def _contents(listed: Listed, found: pa.Table, source: Source) -> tuple[list[str], int]:
    """Return the contents that a list names, each once, and how many of its keys are of no file that could be read."""
    contents = dict(zip(found["path"].to_pylist(), found["content"].to_pylist(), strict=True))
    root = source.root.rstrip("/")
    if listed.column == "sha256":
        by_hash = _by_sha256(listed, contents, source)
        named = [by_hash.get(sha256, "") for sha256 in listed.keys]
    else:
        named = [contents.get(f"{root}/{image}", "") for image in listed.keys]
    return sorted(set(named) - {""}), named.count("")


def _by_sha256(listed: Listed, contents: Mapping[str, str], source: Source) -> dict[str, str]:
    """Return the content of each SHA-256: of the files where the list says they are, of all where that is not enough.

    Contents are known by another hash, so files are read for this one.
    """
    root = source.root.rstrip("/")
    there = {path for place in listed.places for path in (place, f"{root}/{place}") if path in contents}
    found: dict[str, str] = {}
    for paths in (there, contents.keys() - there):
        if set(listed.keys) - found.keys():
            one_each = {contents[path]: path for path in sorted(paths) if contents[path]}
            found |= zip(sha256_of(source, [*one_each.values()], [*one_each]), one_each, strict=True)
    return found


def _problems(listed: Listed, excluded: pa.Table, left: pa.Table, others: list[str]) -> list[str]:
    if not excluded.num_rows:
        seen = f": {', '.join(others)}" if others else ""
        return [
            f"None of the {plural(len(listed.keys), 'image')} that {listed.path} names is a training cell of this "
            f"study{seen}. Is it of other data, another task or another --split-seed?"
        ]
    training = set(left.filter(pc.equal(left["part"], "train"))["class_name"].to_pylist())
    return [
        f"{listed.path} names every training cell of the class {name!r}; leave some of them."
        for name in sorted(set(excluded["class_name"].to_pylist()) - training)
    ]


def _words(
    listed: Listed, excluded: pa.Table, left: pa.Table, others: list[str], split_differs: bool, terms: Terms
) -> str:
    """Return what became of all that the list names."""
    emptied = set(excluded["patient"].to_pylist()) - set(left["patient"].to_pylist())
    whole = bool(emptied) and not terms.are_images
    patients = f", all cells of {terms.count(len(emptied))} among them" if whole else ""
    kept = f" Of the others {', '.join(others)}; nothing is taken from validation or test." if others else ""
    hint = " Was the list made with another --split-seed?" if split_differs else ""
    return (
        f"Of {plural(len(listed.keys), 'image')} that {listed.path} names, {excluded.num_rows:,} are left out of "
        f"training{patients}.{kept}{hint}"
    )
