"""Tasks: which classes of a collection are the disease, which the control. Never hyperparameters."""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from leukmodels.collections import READERS, ReadOptions
from leukmodels.collections.reader import MIDDLES, Middle
from leukmodels.errors import ConfigError, DataError
from leukmodels.process.words import IMAGE, USUAL, Terms

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")  # it becomes a folder's name
_OPTIONAL = ("question", "positive", "negative", "middle")
_WORD_LETTERS = 40  # of a word that stands in headings and on axes
_EXAMPLE = """Expected: a text file such as
      name = "blasts"
      reader = "folders"
      disease = ["MYO"]
      control = ["LYT", "MON"]
      positive = "blast"     # what sentences call the disease, and
      negative = "mature"    # the control; without them the names of the classes
      # middle = "patient", "ignore" or "split": what the folders between class and image are"""


@dataclass(frozen=True, kw_only=True)
class Task:
    """A question of two answers: disease (label 1) against control (label 0). Raises ConfigError when it is none.

    positive and negative are what sentences call them, as before "cells"; "": the names of the classes.
    ``middle`` says what the folders between class and image are, to a reader that asks: see ``ReadOptions``.
    """

    name: str
    question: str
    reader: str
    disease: tuple[str, ...]
    control: tuple[str, ...]
    positive: str = field(default="", compare=False)
    negative: str = field(default="", compare=False)
    middle: Middle | None = None

    def __post_init__(self) -> None:
        problems = _problems(self.name, self.reader, self.disease, self.control, self.middle)
        problems += _word_problems({"positive": self.positive, "negative": self.negative})
        if problems:
            raise ConfigError(f"The task {self.name!r} cannot be used.", problems)

    @property
    def read_options(self) -> ReadOptions:
        """Return what the task says of the place that its reader is to read."""
        return ReadOptions(classes=frozenset((*self.disease, *self.control)), middle=self.middle)

    def terms(self, *, patient_level: bool) -> Terms:
        """Return what a study of this task calls what it counts and tells apart; see Listing for ``patient_level``."""
        positive, negative = sides(self.name, self.disease, self.control, self.positive, self.negative)
        return Terms(unit=READERS[self.reader].unit if patient_level else IMAGE, positive=positive, negative=negative)

    def select(self, cells: pa.Table) -> pa.Table:
        """Return the rows of the task's classes, in order, with an int8 column `label`: 1 disease, 0 control.

        Select after the split: then every task on a collection sees the same patients in the same parts.
        Raises DataError when a class has no image.
        """
        found = set(pc.unique(cells["class_name"]).to_pylist())
        missing = [name for name in (*self.disease, *self.control) if name not in found]
        if missing:
            allowed = ", ".join(sorted(found)) or "none"
            raise DataError(
                f"The images lack classes that the task {self.name!r} needs.",
                [f"No image of class {name!r}.{_nearest(name, found)} Classes found: {allowed}." for name in missing],
            )
        cells = cells.filter(pc.is_in(cells["class_name"], pa.array([*self.disease, *self.control])))
        label = pc.is_in(cells["class_name"], pa.array(self.disease)).cast(pa.int8())
        return cells.append_column("label", label)


def sides(
    name: str, disease: Iterable[str], control: Iterable[str], positive: str = "", negative: str = ""
) -> tuple[str, str]:
    """Return what sentences call a task's disease and its control: their words, or the names of the classes.

    What an older version wrote of a task of this software has no words; they are those of the task.
    """
    known = TASKS.get(name)
    positive, negative = positive or (known.positive if known else ""), negative or (known.negative if known else "")
    return positive or " or ".join(disease), negative or " or ".join(control)


def find_task(name: str) -> Task:
    """Return the task of that name, or the one that a .toml file describes; raise ConfigError when there is none."""
    if name in TASKS:
        return TASKS[name]
    if name.endswith(".toml"):
        return _load(Path(name))
    raise ConfigError(
        f"There is no task {name!r}.",
        [f"Allowed: {', '.join(TASKS)}, or the path of a task file that ends in .toml.{_nearest(name, TASKS)}"],
    )


def _load(path: Path) -> Task:
    """Return the task of a file with its keys; question, positive, negative and middle may be left out."""
    try:
        given = tomllib.loads(path.expanduser().read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigError(f"The task file {path} cannot be read.", [f"{error.strerror}.", _EXAMPLE]) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"The task file {path} cannot be read.", ["It is no UTF-8 text.", _EXAMPLE]) from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"The task file {path} cannot be read.", [f"It is no TOML: {error}.", _EXAMPLE]) from error
    problems = _key_problems(given)
    name, reader = (_text(given.get(key)) for key in ("name", "reader"))
    disease, control = (_texts(given.get(key)) for key in ("disease", "control"))
    words = {key: _text(given.get(key)) or "" for key in ("positive", "negative")}
    middle = next((one for one in MIDDLES if one == given.get("middle")), None)
    problems += _problems(name, reader, disease, control, middle) + _word_problems(words)
    if name in TASKS:
        problems.append(f"name: {name!r} is a task of this software; take another name.")
    if problems or name is None or reader is None or disease is None or control is None:
        raise ConfigError(f"The task file {path} cannot be used.", problems)
    question = given.get("question", f"{' or '.join(disease)} against {' or '.join(control)}")
    return Task(
        name=name,
        question=question,
        reader=reader,
        disease=disease,
        control=control,
        positive=words["positive"],
        negative=words["negative"],
        middle=middle,
    )


def _key_problems(given: Mapping[str, object]) -> list[str]:
    """Return what is wrong with the keys of a task file and with the types of their values."""
    keys = [each.name for each in fields(Task)]
    problems = [
        f"{key}: unknown key.{_nearest(key, keys)} Allowed: {', '.join(keys)}." for key in given if key not in keys
    ]
    problems += [f"{key}: missing." for key in keys if key not in given and key not in _OPTIONAL]
    for key in ("name", "reader", "question", "positive", "negative"):
        if key in given and _text(given[key]) is None:
            problems.append(f"{key}: must be a text, not {given[key]!r}.")
    for key in ("disease", "control"):
        if key in given and _texts(given[key]) is None:
            problems.append(f'{key}: must be a list of class names such as ["control"], not {given[key]!r}.')
    if "middle" in given and given["middle"] not in MIDDLES:
        problems.append(f"middle: {given['middle']!r} is none of {', '.join(MIDDLES)}.")
    return problems


def _problems(
    name: str | None,
    reader: str | None,
    disease: tuple[str, ...] | None,
    control: tuple[str, ...] | None,
    middle: Middle | None,
) -> list[str]:
    """Return what is wrong with the values of a task; None stands for one that is missing or of another type."""
    problems = []
    if name is not None and not _NAME.fullmatch(name):
        problems.append(f"name: {name!r} must be made of letters, digits, _ and -, since it names folders.")
    if name is not None and name.lower() == "all":
        problems.append("name: no task is called 'all', which would read as every task.")
    if reader is not None and reader not in READERS:
        problems.append(f"reader: {reader!r} is none of {', '.join(READERS)}.{_nearest(reader, READERS)}")
    if middle and reader in READERS and not READERS[reader].asks_middle:
        asking = ", ".join(name for name, one in READERS.items() if one.asks_middle)
        problems.append(f"middle: reader {reader!r} knows what its folders are; leave it out. It is for {asking}.")
    known = READERS[reader].classes if reader in READERS else None
    for key, classes in (("disease", disease), ("control", control)):
        if classes == ():
            problems.append(f"{key}: names no class; at least one is needed.")
        problems += [
            f"{key}: reader {reader!r} has no class {one!r}.{_nearest(one, known)} Allowed: {', '.join(known)}."
            for one in dict.fromkeys(classes or ())
            if known and one not in known
        ]
    return problems + [
        f"{one!r} is both disease and control." for one in sorted({*(disease or ())} & {*(control or ())})
    ]


def _word_problems(words: Mapping[str, str]) -> list[str]:
    """Return what is wrong with the words for the two classes, "" for one that is not given."""
    problems = [
        f"{key}: {word!r} must be one line of {_WORD_LETTERS} characters at the most, as it stands in sentences and "
        "tables."
        for key, word in words.items()
        if word and (not word.isprintable() or not word.strip() or len(word) > _WORD_LETTERS)
    ]
    if len(set(words.values())) == 1 and any(words.values()):
        problems.append(f"positive and negative are both {words['positive']!r}.")
    return problems


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _texts(value: object) -> tuple[str, ...] | None:
    return tuple(value) if isinstance(value, list) and all(isinstance(one, str) for one in value) else None


def _nearest(name: str, allowed: Iterable[str]) -> str:
    """Return a sentence with the allowed name that was most likely meant, or nothing."""
    lowered = {one.lower(): one for one in allowed}
    matches = get_close_matches(name.lower(), lowered, n=1)
    return f" Did you mean {lowered[matches[0]]!r}?" if matches else ""


def _leukemia(name: str, question: str, reader: str, disease: tuple[str, ...], control: str) -> Task:
    return Task(
        name=name,
        question=question,
        reader=reader,
        disease=disease,
        control=(control,),
        positive=USUAL.positive,
        negative=USUAL.negative,
    )


def _mll(name: str, leukemia: str, *disease: str) -> Task:
    return _leukemia(name, f"{leukemia} against control", "mll", disease, "control")


def _by_name(*tasks: Task) -> dict[str, Task]:
    return {task.name: task for task in tasks}


TASKS = _by_name(
    _mll("pml_rara", "PML::RARA leukemia", "PML_RARA"),
    _mll("npm1", "NPM1-mutated leukemia", "NPM1"),
    _mll("cbfb", "CBFB::MYH11 leukemia", "CBFB_MYH11"),
    _mll("runx1", "RUNX1::RUNX1T1 leukemia", "RUNX1_RUNX1T1"),
    _mll("aml", "any of the four leukemias", "PML_RARA", "NPM1", "CBFB_MYH11", "RUNX1_RUNX1T1"),
    _leukemia("b_all", "acute lymphoblastic leukemia of children against healthy", "cnmc", ("all",), "hem"),
)
