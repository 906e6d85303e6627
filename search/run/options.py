"""What ``search.run`` was asked to do: on the command line, in a file, or both; the command line wins."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic.fields import FieldInfo

from leukmodels.collections.tasks import TASKS
from leukmodels.process import command_line
from leukmodels.process.command import program
from leukmodels.process.command_line import Arg, checked, read_toml, shown, to_toml
from search.study.config import RENAMED, SearchConfig, current_names
from search.study.options import ReadingOptions, StorageOptions, find_study
from search.study.presets import DEFAULT_PRESET, PRESETS, RESUMABLE, configure, reconfigure

_DESCRIPTION = """\
Search for the best classifier of leukemic against healthy white blood cells: a study per task, its Pareto front of
recall and accuracy tracked in MLflow, the preferred configuration exported."""

_EXAMPLES = """\
examples:
  python -m search.run --task runx1                         a drawn cohort, about five minutes on two cores
  python -m search.run --task runx1 --data /data/MLL --preset thorough --gpus-per-trial 0.5
  python -m search.run --task b_all --data /data/C-NMC --min-specificity 0.7
  python -m search.run --every-task --data /data/MLL        one study for each task that the data can answer
  python -m search.run --config study.toml --dry-run        is it all there, does it fit, how long will it take?
  python -m search.run --resume runx1-20261121-191500       go on where a study was interrupted
  ray job submit --working-dir . -- python -m search.run --task runx1 --storage /shared/studies

exit status: 0 done, 1 no trial succeeded, 2 something to mend in the options or data, 130 and 143 interrupted
"""
_WHAT, _HOW, _WHERE, _BEFORE = "what to search for", "how to search", "where things go", "before it runs"
_STUDIES = ("task", "every_task", "resume")


class _What(command_line.Options):
    task: Annotated[tuple[str, ...], Arg(metavar="TASK", group=_WHAT)] = Field(
        default=(), description=f"{', '.join(TASKS)}, or a task file (.toml); several are searched one after another"
    )
    every_task: Annotated[bool, Arg(group=_WHAT)] = Field(
        default=False, description="every built-in task of the data's collection"
    )
    resume: Annotated[str | None, Arg(metavar="STUDY", group=_WHAT)] = Field(
        default=None, min_length=1, description="go on with this study: its folder, or its name in --storage"
    )
    preset: Annotated[Literal["smoke", "quick", "thorough"] | None, Arg(group=_HOW)] = Field(
        default=None, description="what is not given below (default: quick)"
    )


class _Where(ReadingOptions, StorageOptions):
    name: str | None = Field(default=None, description="name of the study (default: the task and the time)")
    out: Path | None = Field(
        default=None, description="folder of the exported configuration (default: results/<task>/<study>)"
    )
    no_dashboard: bool = Field(default=False, description="start the local Ray without its dashboard")


class _Before(command_line.Options):
    config: Annotated[Path | None, Arg(metavar="FILE")] = Field(
        default=None, description="a TOML file with any of these options, such as --print-config writes"
    )
    print_config: bool = Field(default=False, description="print all options as they are resolved, and end")
    dry_run: bool = Field(
        default=False,
        description="check options, data, split and room, say what the search will cost, and train nothing",
    )


class RunOptions(_What, _Where, _Before):
    """The options of ``search.run`` that are not the study's own (see ``SearchConfig``).

    given    those of SearchConfig that were given, by field, unchecked
    """

    given: dict[str, Any] = Field(default_factory=dict)

    @field_validator("task", mode="before")
    @classmethod
    def _may_be_one(cls, task: object) -> object:
        return (task,) if isinstance(task, str) else task

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        studies = [command_line.option(name) for name in _STUDIES if getattr(self, name)]
        if len(studies) != 1 and not (self.print_config and not studies):  # the options alone, to be filled in
            instead = f", not {' and '.join(studies)}" if studies else ""
            raise ValueError(f"give one of --task, --every-task and --resume{instead}")
        if self.resume and (self.preset or self.name):
            raise ValueError("--preset and --name are for new studies; a resumed one keeps its own")
        return self


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line; options that were not given are absent from what it returns."""
    parts = _parts()
    return command_line.parser(
        {name: field for part in parts.values() for name, field in part.items()},
        prog=program("search.run"),
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        hidden=tuple(RENAMED),
        usual={name: said for name in SearchConfig.model_fields if (said := _by_preset(name)) is not None},
        headings={name: heading for heading, part in parts.items() for name in part},
    )


def parse(arguments: Sequence[str]) -> RunOptions:
    """Return what ``arguments``, and the file that they name, ask for; ConfigError with every problem at once."""
    said = vars(parser().parse_args(arguments))
    known = {*RunOptions.model_fields, *SearchConfig.model_fields, *RENAMED} - {"given", *_Before.model_fields}
    from_file = read_toml(Path(said["config"]), known) if "config" in said else {}
    if said.keys() & {*_STUDIES}:
        from_file = {name: value for name, value in from_file.items() if name not in _STUDIES}
    said = {**current_names(from_file), **current_names(said)}
    own = {name: value for name, value in said.items() if name in RunOptions.model_fields}
    given = {name: value for name, value in said.items() if name not in own}
    return checked(RunOptions, {**own, "given": given})


def resolved(asked: RunOptions) -> str:
    """Return every option as a TOML file that asks for the same; of a study that goes on, those that may change.

    ConfigError for a study that cannot be begun or gone on with as it is asked for.
    """
    if asked.resume:
        from search.study.opened import Study  # takes longer to import than all that --help needs

        config, _ = reconfigure(Study.open(find_study(asked.resume, asked.storage)).config, asked.given)
        hidden = set(SearchConfig.model_fields) - RESUMABLE | {"preset", "name"}
    else:
        preset = asked.preset or DEFAULT_PRESET
        config = configure(preset, {**asked.given, "task": "any"})
        asked = asked.model_copy(update={"preset": preset})
        hidden = set()
    values = {**config.model_dump(mode="json"), **asked.model_dump(mode="json")}
    return "\n".join(
        f"# {heading}\n{to_toml({name: values[name] for name in fields if name not in hidden})}"
        for heading, fields in _parts().items()
        if heading != _BEFORE
    )


def _parts() -> dict[str, dict[str, FieldInfo]]:
    """Return the options by the heading that they stand under, in the order of the help."""
    config = {name: field for name, field in SearchConfig.model_fields.items() if name != "task"}
    what = dict(_What.model_fields)
    first = {name: config.pop(name) for name in ("data", "exclude")}
    return {
        _WHAT: {name: what.pop(name) for name in _STUDIES} | first,
        _HOW: what | config,
        _WHERE: dict(_Where.model_fields),
        _BEFORE: dict(_Before.model_fields),
    }


def _by_preset(name: str) -> str | None:
    """Return what the presets have for an option, None where they say nothing."""
    values = [f"{preset} {shown(values[name])}" for preset, values in PRESETS.items() if name in values]
    usual = SearchConfig.model_fields[name].default
    if not values:
        return None
    return ", ".join([*values, *([f"else {shown(usual)}"] if usual is not None and len(values) < len(PRESETS) else [])])
