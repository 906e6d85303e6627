"""The README is true: its tree, tables, options and links."""

import argparse
import importlib
import re
import shlex
import sys
from pathlib import Path

import pytest

from leukmodels.collections.tasks import TASKS
from leukmodels.space.presets import markdown_table
from search.study.presets import PRESETS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
VERBS = {
    "search.run",
    "search.status",
    "search.export",
    "search.report",
    "search.sync",
    "search.cache",
    "leukmodels.predictor",
    "search.curate",
}


def main_of(verb):
    """Return what a verb starts: of a folder that is in its __main__."""
    folder = (ROOT / verb.replace(".", "/")).is_dir()
    return importlib.import_module(f"{verb}.__main__" if folder else verb).main


def tree():
    """Return the paths that the README's tree names."""
    block = README.split("```text\nsearch/  ")[1].split("```")[0]
    parents, paths = ["search/"], ["search/"]
    for line in block.splitlines()[1:]:
        name = line.split()[0]
        depth = (len(line) - len(line.lstrip())) // 2
        parents[depth:] = [name]
        paths.append("".join(parents))
    return paths


def test_the_tree_names_every_module_and_nothing_else():
    packages = [ROOT / name for name in ("search", "leukmodels", "cluster")]
    modules = {
        path.relative_to(ROOT).as_posix()
        for package in packages
        for path in package.rglob("*.py")
        if path.name != "__init__.py"
    }
    named = tree()
    assert len(named) == len(set(named))
    assert {path for path in named if path.endswith(".py")} == modules
    assert all((ROOT / path).exists() for path in named)


def test_the_table_of_hyperparameters_is_the_spaces():
    assert markdown_table().strip() in README


@pytest.mark.parametrize("preset", PRESETS)
def test_the_presets_are_those_of_the_config(preset):
    values = PRESETS[preset]
    row = f"| `{preset}` | {values['trials']} | {values['epochs']} | {values['image_px']} px |"
    assert row in README


def test_every_task_has_its_row():
    assert all(f"| `{name}` |" in README for name in TASKS)


def test_every_command_that_it_shows_is_accepted(monkeypatch):
    parse_args = argparse.ArgumentParser.parse_args

    def only_parse(parser, arguments):
        parse_args(parser, arguments)
        sys.exit(0)  # a wrong command line exits with 2

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", only_parse)
    blocks = "\n".join(re.findall(r"^```sh\n(.*?)^```", README, re.DOTALL | re.MULTILINE))
    commands = re.findall(r"python -m ((?:search|leukmodels)\.\w+)([^\n#]*)", blocks)
    assert {module for module, _ in commands} >= VERBS
    for module, arguments in commands:
        with pytest.raises(SystemExit, match=r"^0$"):
            main_of(module)(shlex.split(arguments))


def test_no_placeholder_is_left_in_it():
    assert "@@" not in README


def test_every_link_into_the_project_leads_somewhere():
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", README) + re.findall(r'src="([^"]+)"', README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
