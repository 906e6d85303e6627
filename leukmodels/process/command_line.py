"""Options of a command, declared once as a pydantic model: its command line, a TOML file and all checks follow.

    class ExportOptions(Options):
        study: Annotated[str, Arg(positional=True, metavar="STUDY")] = Field(description="the study's folder")
        dry_run: bool = Field(default=False, description="write nothing")

    options = parse(parser(ExportOptions.model_fields, prog="...", description="..."), ExportOptions, arguments)

Everything that is wrong with options is said at once, in sentences, whether a command line or a file gave them.
"""

import argparse
import difflib
import json
import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType, NoneType
from typing import Any, Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.fields import FieldInfo

from leukmodels.errors import ConfigError

_METAVARS = {int: "N", float: "X", Path: "DIR"}


class Options(BaseModel):
    """What a command was asked for; descriptions of the fields are its help."""

    model_config = ConfigDict(frozen=True, extra="forbid")


T = TypeVar("T", bound=BaseModel)


@dataclass(frozen=True, kw_only=True)
class Arg:
    """How a field looks on the command line, where its type does not say it.

    flag         its spelling, where that is not the field's
    metavar      what stands for the value in the help
    positional   whether it is given by its place and not by its name
    group        the heading that it stands under
    const        the value of an option that is given without one
    """

    flag: str | None = None
    metavar: str | None = None
    positional: bool = False
    group: str = ""
    const: Any = None


def option(name: str) -> str:
    """Return the command line's spelling of a field."""
    return "--" + name.replace("_", "-")


def parser(
    fields: Mapping[str, FieldInfo],
    *,
    prog: str,
    description: str,
    epilog: str = "",
    hidden: Sequence[str] = (),
    usual: Mapping[str, str] = MappingProxyType({}),
    headings: Mapping[str, str] = MappingProxyType({}),
) -> argparse.ArgumentParser:
    """Return the parser of a command with these fields; what was not given is absent from what it returns.

    ``hidden`` are older spellings that the model still takes; ``usual`` says of some fields what they are if not
    given, ``headings`` under what they stand in the help.
    """
    made = argparse.ArgumentParser(
        prog=prog,
        description=description,
        epilog=epilog or None,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
    )
    groups: dict[str, argparse._ArgumentGroup] = {}
    for name, field in fields.items():
        heading = headings.get(name, _arg(field).group)
        if heading and heading not in groups:
            groups[heading] = made.add_argument_group(heading)
        _add(groups[heading] if heading else made, name, field, usual.get(name))
    for old in hidden:
        made.add_argument(option(old), dest=old, help=argparse.SUPPRESS)
    return made


def parse(made: argparse.ArgumentParser, model: type[T], arguments: Sequence[str]) -> T:
    """Return what ``arguments`` ask for; ConfigError with every problem at once."""
    return checked(model, vars(made.parse_args(arguments)))


def checked(model: type[T], given: Mapping[str, Any], heading: str = "These options cannot be used:") -> T:
    """Return the options of these values, those that are absent by default; ConfigError with every problem at once."""
    try:
        return model(**given)
    except ValidationError as error:
        raise ConfigError(heading, [sentence(model, problem) for problem in error.errors()]) from None


def read_toml(path: Path, known: Collection[str]) -> dict[str, Any]:
    """Return the options of a TOML file, by field; ConfigError where it is none, or has others than ``known``."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read:", [f"{error.strerror}."]) from error
    except ValueError as error:
        raise ConfigError(f"{path} is not TOML:", [f"{error}."]) from error
    given = {key.replace("-", "_"): value for key, value in values.items()}
    if unknown := [key for key in given if key not in known]:
        raise ConfigError(f"{path} cannot be used:", [_unknown(key, known) for key in unknown])
    return given


def to_toml(values: Mapping[str, Any]) -> str:
    """Return options, by field, as a TOML file that gives them again, a line each; without a value as a comment."""
    keys = {name: name.replace("_", "-") for name in values}
    return "".join(
        f"# {keys[name]} =\n" if value in (None, []) else f"{keys[name]} = {json.dumps(value)}\n"
        for name, value in values.items()
    )


def sentence(model: type[BaseModel], problem: Any) -> str:
    """Return one of pydantic's errors as a sentence: the option, the value, and what it takes."""
    if not problem["loc"]:  # of options together
        return f"{problem['msg'].removeprefix('Value error, ')}."
    name = str(problem["loc"][0])
    if problem["type"] == "extra_forbidden":
        return _unknown(name, model.model_fields)
    shown = name.upper() if name in model.model_fields and _arg(model.model_fields[name]).positional else option(name)
    if problem["type"] == "missing":
        return f"{shown} is missing."
    if problem["type"] == "value_error":
        # The value may be the password that is being refused.
        return f"{shown}: {problem['msg'].removeprefix('Value error, ')}."
    return f"{shown} is {problem['input']!r}; give {allowed(model.model_fields[name])}."


def allowed(field: FieldInfo) -> str:
    """Return what a field takes, in words."""
    choices, kind = _choices(field), _kind(field)
    if choices:
        return f"one of {', '.join(map(str, choices))}"
    if kind not in (int, float):
        return "a value"
    words = {"ge": "from {:,}", "gt": "above {:,}", "le": "to {:,}", "lt": "below {:,}"}
    said = [
        form.format(getattr(bound, key))
        for bound in field.metadata
        for key, form in words.items()
        if hasattr(bound, key)
    ]
    return " ".join(["a whole number" if kind is int else "a number", *said])


def _add(where: argparse._ActionsContainer, name: str, field: FieldInfo, usual: str | None) -> None:
    arg, kind, several = _arg(field), _kind(field), get_origin(_plain(field)) in (tuple, list)
    said = f"{field.description}{_default(field) if usual is None else usual and f' ({usual})'}".replace("%", "%%")
    if kind is bool:
        action = argparse.BooleanOptionalAction if field.default is True else "store_true"
        where.add_argument(option(arg.flag or name), dest=name, action=action, help=said)
        return
    choices = _choices(field)
    how: dict[str, Any] = {
        "metavar": None if choices else arg.metavar or _METAVARS.get(kind, name.upper()),
        "help": said,
    }
    if choices:
        how["choices"] = choices
    if arg.positional:
        how["nargs"] = ("+" if field.is_required() else "*") if several else None if field.is_required() else "?"
        where.add_argument(name, **how)
        return
    if several:
        how |= {"nargs": "+", "action": "extend"}
    elif arg.const is not None:
        how |= {"nargs": "?", "const": arg.const}
    where.add_argument(option(arg.flag or name), dest=name, **how)


def _default(field: FieldInfo) -> str:
    usual = None if field.is_required() else field.get_default(call_default_factory=True)
    return "" if usual is None or isinstance(usual, bool) or usual == () else f" (default: {shown(usual)})"


def shown(value: object) -> str:
    """Return a value as the help shows it."""
    return f"{value:,}" if isinstance(value, int) else f"{value:g}" if isinstance(value, float) else str(value)


def _arg(field: FieldInfo) -> Arg:
    return next((each for each in field.metadata if isinstance(each, Arg)), Arg())


def _plain(field: FieldInfo) -> Any:
    """Return a field's type without None."""
    kinds = [kind for kind in get_args(field.annotation) if kind is not NoneType]
    optional = NoneType in get_args(field.annotation)
    return kinds[0] if optional else field.annotation


def _kind(field: FieldInfo) -> Any:
    """Return the type of a field's value, or of each of its values."""
    plain = _plain(field)
    if get_origin(plain) in (tuple, list):
        return get_args(plain)[0]
    return str if get_origin(plain) is Literal else plain


def _choices(field: FieldInfo) -> tuple[Any, ...]:
    plain = _plain(field)
    return get_args(plain) if get_origin(plain) is Literal else ()


def _unknown(key: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(key, known, n=1)
    return f"{key} is no option{f'; did you mean {near[0]}?' if near else '.'}"
