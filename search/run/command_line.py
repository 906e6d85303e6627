"""The command line of ``python -m search.run``, made from SearchConfig so that no option is said twice."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from leukmodels.collections.tasks import TASKS
from search.study.arguments import add_cache, add_storage
from search.study.config import SearchConfig
from search.study.presets import PRESETS, option

_DESCRIPTION = """\
Search for the best classifier of leukemic against healthy white blood cells: a study per task, its Pareto front of
recall and accuracy tracked in MLflow, the preferred configuration exported."""

_METAVARS = {
    "data": "DIR|URI",
    "exclude": "FILE",
    "space": "NAME|FILE",
    "base_model": "STUDY|DIR|FILE",
    "backbones": "LIST",
    "warm_start": "STUDY",
    "objectives": "LIST",
}

_EXAMPLES = """\
examples:
  python -m search.run --task runx1                         a drawn cohort, about five minutes on two cores
  python -m search.run --task runx1 --data /data/MLL --preset thorough --gpus-per-trial 0.5
  python -m search.run --task b_all --data /data/C-NMC --min-specificity 0.7
  python -m search.run --every-task --data /data/MLL        one study for each task that the data can answer
  python -m search.run --resume runx1-20261121-191500       go on where a study was interrupted
  ray job submit --working-dir . -- python -m search.run --task runx1 --storage /shared/studies

exit status: 0 done, 1 no trial succeeded, 2 something to mend in the options or data, 130 and 143 interrupted
"""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser; options that are not given are absent from what it returns, so presets can fill them."""
    parser = argparse.ArgumentParser(
        prog="python -m search.run",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    what = parser.add_argument_group("what to search for")
    asked = what.add_mutually_exclusive_group(required=True)
    asked.add_argument(
        "--task", action="append", metavar="TASK", help=f"{', '.join(TASKS)}, or a task file (.toml); may be repeated"
    )
    asked.add_argument("--every-task", action="store_true", help="every built-in task of the data's collection")
    asked.add_argument("--resume", metavar="STUDY", help="go on with this study: its folder, or its name in --storage")
    search = parser.add_argument_group("how to search")
    search.add_argument("--preset", choices=PRESETS, help="what is not given below (default: quick)")
    for name in SearchConfig.model_fields:
        if name != "task":
            _add_field(what if name in ("data", "exclude") else search, name)
    where = parser.add_argument_group("where things go")
    where.add_argument("--name", help="name of the study (default: the task and the time)")
    add_storage(where)
    add_cache(where)
    where.add_argument(
        "--out", type=Path, metavar="DIR", help="folder of the exported configuration (default: results/<task>)"
    )
    where.add_argument("--no-dashboard", action="store_true", help="start the local Ray without its dashboard")
    return parser


def parse(arguments: Sequence[str]) -> tuple[argparse.Namespace, dict[str, Any]]:
    """Return the parsed arguments, and apart from them the fields of SearchConfig that were given."""
    parser = build_parser()
    parsed = parser.parse_args(arguments)
    if parsed.resume and (parsed.preset or parsed.name):
        parser.error("--preset and --name are for new studies; a resumed one keeps its own")
    given = {name: value for name, value in vars(parsed).items() if name in SearchConfig.model_fields}
    given.pop("task")
    return parsed, given


def _add_field(group: argparse._ArgumentGroup, name: str) -> None:
    field = SearchConfig.model_fields[name]
    choices = get_args(field.annotation) if get_origin(field.annotation) is Literal else None
    kinds = (str,) if choices else (*get_args(field.annotation), field.annotation)
    kind = next(kind for kind in kinds if kind is not type(None))
    by_preset = [f"{preset} {_shown(values[name])}" for preset, values in PRESETS.items() if name in values]
    usual = "" if field.default is None else _shown(field.default)
    default = ", ".join([*by_preset, *([f"else {usual}"] if usual and 0 < len(by_preset) < len(PRESETS) else [])])
    shown = default or (f"default: {usual}" if usual else "")
    if kind is bool:
        group.add_argument(
            option(name), dest=name, action="store_true", default=argparse.SUPPRESS, help=field.description
        )
        return
    group.add_argument(
        option(name),
        dest=name,
        type=kind,
        default=argparse.SUPPRESS,
        choices=choices,
        metavar=None if choices else _METAVARS.get(name, {int: "N", float: "X", str: "URI"}[kind]),
        help=f"{field.description}{f' ({shown})' if shown else ''}",
    )


def _shown(value: str | float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}" if isinstance(value, float) else value
