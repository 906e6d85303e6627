"""The split: every patient in exactly one of train, validation and test, the same for every task on a collection."""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from leukmodels.collections.listing import shorten
from leukmodels.errors import ConfigError, DataError
from leukmodels.process.files import written_aside
from leukmodels.process.words import USUAL, Terms, plural

PARTS = ("train", "validation", "test")


@dataclass(frozen=True, kw_only=True)
class Split:
    """The part of every patient. A patient is a key, so none can be in two parts."""

    part_of: Mapping[str, str]

    @cached_property
    def fingerprint(self) -> str:
        """Return the sha256 of the sorted lines `patient<TAB>part`: equal for two splits that are the same."""
        lines = "".join(f"{patient}\t{part}\n" for patient, part in sorted(self.part_of.items()))
        return hashlib.sha256(lines.encode()).hexdigest()

    def patients(self, part: str) -> tuple[str, ...]:
        """Return the patients of one part, sorted."""
        return tuple(sorted(patient for patient, its_part in self.part_of.items() if its_part == part))

    def assign(self, cells: pa.Table) -> pa.Table:
        """Return the cells with the column `part` set to their patient's.

        Raises DataError when a patient is not in the split, when the collection's own test or validation would go to a
        part before it, or when the same content (column `content`, if there) would stand in two parts.
        """
        names = pc.unique(cells["patient"])
        problems = [f"Patient {name!r} is not in the split." for name in names.to_pylist() if name not in self.part_of]
        if problems:
            raise DataError("The images do not belong to this split; split them anew.", shorten(problems))
        parts = pa.array([self.part_of[name] for name in names.to_pylist()], pa.string())
        part = parts.take(pc.index_in(cells["patient"], names))
        if "part" in cells.column_names:
            problems += [
                f"Patient {name!r} is of the collection's own {own}."
                for name, own in own_parts(cells).items()
                if PARTS.index(own) > PARTS.index(self.part_of[name])
            ]
            cells = cells.drop_columns("part")
        cells = cells.append_column("part", part)
        if "content" in cells.column_names:
            problems += [f"The image of the content {content} stands in two parts." for content in _leaks(cells)]
        if problems:
            raise DataError(
                "The split puts images where they would leak; join duplicates, then split.", shorten(problems)
            )
        return cells

    def save(self, path: Path) -> None:
        """Write the split as JSON: the patients of each part and the fingerprint."""
        parts = {part: self.patients(part) for part in PARTS}
        text = json.dumps({"fingerprint": self.fingerprint, **parts}, indent=1, ensure_ascii=False)
        with written_aside(path) as aside:
            aside.write_text(text + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> "Split":
        """Return a saved split; raise DataError when it is not one or was changed since."""
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            pairs = [(str(patient), part) for part in PARTS for patient in stored[part]]
            fingerprint = stored["fingerprint"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(f"{path} cannot be read as a split.", [f"{type(error).__name__}: {error}"]) from error
        split = cls(part_of=dict(pairs))
        problems = [f"Patient {name!r} stands {n} times." for name, n in Counter(p for p, _ in pairs).items() if n > 1]
        if split.fingerprint != fingerprint:
            problems.append(f"Its fingerprint is {split.fingerprint}, but {fingerprint} was written with it.")
        if problems:
            raise DataError(f"{path} was changed by hand; restore it or start a new study.", problems)
        return split


def split_patients(
    cells: pa.Table,
    *,
    seed: int = 0,
    validation: float = 0.2,
    test: float = 0.2,
    required: Collection[str] | None = None,
    terms: Terms = USUAL,
) -> Split:
    """Return a split of the patients, each class by itself in the given proportions of its patients.

    `cells` needs the columns class_name, patient and part. Split the whole collection, not one task's classes: then the
    controls lie in the same parts for every task. A patient whom the collection puts into a part (column part) stays
    there with all cells, in the last of them where copies joined several; what a class has of its own is not split off
    of its others, who are what `validation` and `test` are proportions of. Patients are ordered by a hash of seed and
    name, so a new patient moves at most a few of the others. A patient of several classes counts as one of the class it
    has most cells of.

    `required` names the classes that must have a patient in every part (None: all); raises DataError when one cannot.
    Any other class that cannot goes to training, but for patients with a part of their own. What is required decides
    whether the split succeeds, never where a patient lies. `terms` are what errors call whom they count.
    """
    if not (validation > 0 and test > 0 and validation + test < 1):
        raise ConfigError(
            "These parts of the patients cannot be split off.",
            [f"validation {validation} and test {test} must be above 0 and leave some of 1 for training."],
        )
    every = set(pc.unique(cells["class_name"]).to_pylist())
    wanted = every if required is None else set(required)
    counts = cells.group_by(["patient", "class_name"]).aggregate([([], "count_all")]).to_pylist()
    own = own_parts(cells)
    patients: dict[str, list[str]] = defaultdict(list)
    for patient, class_name in _main_classes(counts).items():
        patients[class_name].append(patient)
    part_of: dict[str, str] = {}
    problems = [_too_few(class_name, 0, PARTS, terms) for class_name in sorted(wanted - every)]
    for class_name, members in sorted(patients.items()):
        part_of |= {patient: own[patient] for patient in members if patient in own}
        free = sorted(set(members) - own.keys(), key=lambda patient: _order(seed, patient))
        needed = [part for part in PARTS if part not in {own.get(patient) for patient in members}]
        if len(free) < len(needed):
            if class_name in wanted:
                problems.append(_too_few(class_name, len(free), needed, terms))
            part_of |= dict.fromkeys(free, "train")
            continue
        n_test = _share(len(free), test, len(needed) - 1) if "test" in needed else 0
        n_validation = _share(len(free), validation, n_test + ("train" in needed)) if "validation" in needed else 0
        part_of |= dict.fromkeys(free[:n_test], "test")
        part_of |= dict.fromkeys(free[n_test : n_test + n_validation], "validation")
        part_of |= dict.fromkeys(free[n_test + n_validation :], "train")
    if not problems:
        problems = _gaps([row for row in counts if row["class_name"] in wanted], part_of, terms)
    if problems:
        raise DataError(f"The {terms.units} cannot be split into train, validation and test.", problems)
    return Split(part_of=part_of)


def own_parts(cells: pa.Table) -> dict[str, str]:
    """Return the part that the collection puts each patient into, the last of several; none of those in no part."""
    pairs = cells.group_by(["patient", "part"]).aggregate([]).to_pylist()
    known = sorted((PARTS.index(pair["part"]), pair["patient"]) for pair in pairs if pair["part"])
    return {patient: PARTS[place] for place, patient in known}


def settle_parts(cells: pa.Table) -> tuple[pa.Table, str]:
    """Return the cells with copies of a content in the last part that the collection puts one into, and a note on them.

    `cells` needs the columns content and part. The note is "" where no content stands in two of the collection's parts.
    """
    pairs = cells.group_by(["content", "part"]).aggregate([]).to_pylist()
    known = sorted((PARTS.index(pair["part"]), pair["content"]) for pair in pairs if pair["part"])
    last = {content: PARTS[place] for place, content in known}
    several = len(known) - len(last)
    if not several:
        return cells, ""
    parts = [last.get(content, "") for content in cells["content"].to_pylist()]
    note = (
        f"{plural(several, 'image')} with the same bytes in two of the collection's own parts: each counts once, in "
        "the last of train, validation and test."
    )
    return cells.set_column(cells.column_names.index("part"), "part", pa.array(parts, pa.string())), note


def _share(n: int, proportion: float, kept: int) -> int:
    """Return how many of n patients a part takes: at least one, and leaving ``kept`` for others."""
    return min(max(1, round(n * proportion)), n - kept)


def _order(seed: int, patient: str) -> str:
    return hashlib.sha256(f"{seed}:{patient}".encode()).hexdigest()


def _main_classes(counts: Sequence[Mapping[str, str | int]]) -> dict[str, str]:
    """Return the class that each patient has most cells of, the first by name among equals."""
    ranked = sorted(counts, key=lambda row: (-int(row["count_all"]), str(row["class_name"])), reverse=True)  # best last
    return {str(row["patient"]): str(row["class_name"]) for row in ranked}


def _too_few(class_name: str, n: int, needed: Sequence[str], terms: Terms) -> str:
    alike = "Identical images" if terms.are_images else f"{terms.units.capitalize()} joined by identical images"
    return (
        f"Class {class_name!r} has {terms.count(n)} to split, but needs at least {len(needed)}: one each for "
        f"{', '.join(needed)}. ({alike} count as one.)"
    )


def _gaps(counts: Sequence[Mapping[str, str | int]], part_of: Mapping[str, str], terms: Terms) -> list[str]:
    """Return the classes that some part lacks, which only patients of several classes can cause."""
    parts: dict[str, set[str]] = defaultdict(set)
    for row in counts:
        parts[str(row["class_name"])].add(part_of[str(row["patient"])])
    return [
        f"Class {name!r} has no {terms.unit} in {', '.join(set(PARTS) - found)}; more {terms.units} of it are needed."
        for name, found in sorted(parts.items())
        if len(found) < len(PARTS)
    ]


def _leaks(cells: pa.Table) -> list[str]:
    """Return the contents that stand in more than one part."""
    per_content = cells.group_by("content").aggregate([("part", "count_distinct")])
    return list(per_content.filter(pc.greater(per_content["part_count_distinct"], 1))["content"].to_pylist())
