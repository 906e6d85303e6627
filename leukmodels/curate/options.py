"""What the command line of ``python -m leukmodels.curate`` asks for, checked before anything is read."""

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from leukmodels.collections.place import absolute_place
from leukmodels.collections.tasks import TASKS, Task, find_task
from leukmodels.dataset.folds import FEWEST
from leukmodels.errors import ConfigError
from leukmodels.space.hyperparameters import HyperParams

IMAGE_PX = 48
LIST, SHEET = "disputed.csv", "disputed.png"

_DESCRIPTION = """\
List the training cells whose label is most disputed. A cell's label is its patient's, and many cells of a patient with
leukemia are healthy. Models are trained on some of the training patients and asked about the cells of others; the cells
that they take for the other class are ranked. Patients of validation and test have no part in it."""
_RANGES: Mapping[str, tuple[float, float]] = {
    "image_px": (8, 1024),
    "epochs": (1, 10_000),
    "folds": (FEWEST, 100),
    "repeats": (1, 100),
    "seed": (0, 2**31 - 1),
    "split_seed": (0, 2**31 - 1),
    "share": (0.001, 1.0),
    "max_bad": (0.0, 1.0),
}


@dataclass(frozen=True, kw_only=True)
class Request:
    """What was asked for; every value lies in its range.

    task_name    as it was given: a name, or the path of a file
    data         where the images are, absolute; None for a drawn cohort
    out          a folder, there or not, that can be written and holds no LIST
    both_sides   cells of patients without the disease are listed too
    """

    task_name: str
    task: Task
    data: str | None
    out: Path
    hparams: HyperParams
    image_px: int
    epochs: int
    folds: int
    repeats: int
    seed: int
    split_seed: int
    share: float
    both_sides: bool
    max_bad: float


def parse(argv: Sequence[str]) -> Request:
    """Return what is asked for; ConfigError with every problem at once."""
    given = _parser().parse_args(argv)
    problems: list[str] = []
    task, data, model = None, None, dict[str, Any]()
    hparams = HyperParams()
    try:
        task = find_task(given.task)
        if given.data is None and task.reader != "mll":
            problems.append(
                f"--data: task {task.name} needs images of its own, as a drawn cohort has not the layout of the reader "
                f"{task.reader!r}."
            )
    except ConfigError as error:
        problems.append(_as_one("--task", error))
    try:
        data = None if given.data is None else absolute_place(given.data)
    except ValueError as error:  # the place is not repeated: it may hold a password
        problems.append(f"--data: {error}.")
    try:
        if given.model:
            model = _read_config(given.model)
            hparams = _from_scratch(HyperParams.from_dict(model["hyperparameters"]))
    except ConfigError as error:
        problems.append(_as_one("--model", error))
    numbers = {name: getattr(given, name) for name in _RANGES}
    if numbers["image_px"] is None:
        numbers["image_px"] = model.get("image_px", IMAGE_PX)
    for name, (low, high) in _RANGES.items():
        if type(numbers[name]) is not type(low) or not low <= numbers[name] <= high:
            problems.append(f"--{name.replace('_', '-')} is {numbers[name]}; give a number from {low:,} to {high:,}.")
    out = given.out
    if out is None and task is not None:
        out = Path("results", *([] if given.data else ["synthetic"]), f"{task.name}-disputed")
    problems += _unfit(out) if out else []
    if problems or task is None:
        raise ConfigError("These options cannot be used:", problems)
    return Request(
        task_name=given.task,
        task=task,
        data=data,
        out=out,
        hparams=hparams,
        both_sides=given.sides == "both",
        **numbers,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m leukmodels.curate",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--task", required=True, help=f"{', '.join(TASKS)}, or a task file (.toml)")
    parser.add_argument("--data", metavar="DIR|URI", help="images, as for a search (default: a drawn cohort)")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="folder of the list and its pictures (default: results/<task>-disputed, of a drawn cohort "
        "results/synthetic/<task>-disputed)",
    )
    parser.add_argument(
        "--model",
        type=Path,
        metavar="CONFIG",
        help="an exported folder or its config.yaml, whose hyperparameters are used: of a network from scratch "
        "(default: the default ones)",
    )
    for name, default, meaning in (
        ("--image-px", None, f"side of the images the models see (default: that of --model, else {IMAGE_PX})"),
        ("--epochs", 6, "epochs a model trains at the most (default: 6)"),
        ("--folds", 5, "parts of the patients; one is asked about, one chooses the epoch (default: 5)"),
        ("--repeats", 2, "how often the patients are dealt into folds; the answers are averaged (default: 2)"),
        ("--seed", 0, "seed of the folds and the models (default: 0)"),
        ("--split-seed", 0, "seed of the patient split, that of the search to come (default: 0)"),
    ):
        parser.add_argument(name, type=int, default=default, metavar="N", help=meaning)
    parser.add_argument(
        "--share",
        type=float,
        default=0.1,
        metavar="X",
        help="of the training cells are listed at the most, fewer where fewer are disputed: further down the list more "
        "of the cells are right (default: 0.1)",
    )
    parser.add_argument(
        "--sides",
        choices=("disease", "both"),
        default="disease",
        help="whose disputed cells are listed: only those of patients with the disease, as a patient without it has no "
        "leukemic cell, so that there the models are wrong; or both, where every cell was labelled by itself (default: "
        "disease)",
    )
    parser.add_argument(
        "--max-bad",
        type=float,
        default=0.01,
        metavar="X",
        help="share of unusable image files above which nothing is trained (default: 0.01)",
    )
    return parser


def _as_one(option: str, error: ConfigError) -> str:
    return f"{option}: {error.heading} {' '.join(error.problems)}"


def _from_scratch(hparams: HyperParams) -> HyperParams:
    """Return the hyperparameters; ConfigError where they need weights, which an export does not hold apart."""
    if hparams.backbone == "cnn":
        return hparams
    raise ConfigError(
        f"It starts from loaded weights (backbone {hparams.backbone}), and here models train from scratch.",
        ["Give an export whose backbone is cnn, or leave --model out."],
    )


def _unfit(out: Path) -> list[str]:
    """Return why a list cannot be written to a folder, which need not be there yet; nothing is left behind."""
    try:
        if (out / LIST).exists():
            return [f"--out: {out / LIST} is there, perhaps shortened by hand; give another --out, or move it away."]
        there = next(each for each in (out.absolute(), *out.absolute().parents) if each.exists())
        if not there.is_dir():
            return [f"--out {out}: {there} is a file; give a folder."]
        with tempfile.TemporaryFile(dir=there):
            return []
    except OSError as error:
        return [f"--out {out} cannot be written ({error.strerror}); give another folder."]


def _read_config(path: Path) -> dict[str, Any]:
    """Return an exported configuration, its hyperparameters among it; ConfigError where it is none."""
    file = path / "config.yaml" if path.is_dir() else path
    expected = "Give a folder that python -m search.export wrote, or the config.yaml in it."
    try:
        config = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{file} cannot be read:", [f"{error.strerror}.", expected]) from error
    except (ValueError, yaml.YAMLError) as error:
        raise ConfigError(f"{file} is not YAML.", [expected]) from error
    if not isinstance(config, dict) or not isinstance(config.get("hyperparameters"), dict):
        raise ConfigError(f"{file} holds no hyperparameters.", [expected])
    return config
