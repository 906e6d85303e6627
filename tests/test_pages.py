"""The pages are true: README and docs/, their trees, tables, commands, options and links."""

import argparse
import importlib
import re
import shlex
import sys
import tomllib
from pathlib import Path

import pytest

from leukmodels.collections.tasks import TASKS
from leukmodels.space.presets import markdown_table
from search.__main__ import VERBS
from search.study.presets import PRESETS

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TEXT = {path: path.read_text(encoding="utf-8") for path in PAGES}
PACKAGES = [ROOT / name for name in ("search", "leukmodels", "cluster")]


def page(name):
    return TEXT[ROOT / "docs" / name]


def tree():
    """Return the paths that the architecture's tree names."""
    block = page("architecture.md").split("```text\n")[1].split("```")[0]
    parents, paths = [], []
    for line in block.splitlines():
        name = line.split()[0]
        depth = (len(line) - len(line.lstrip())) // 2
        parents[depth:] = [name]
        paths.append("".join(parents))
    return paths


def test_the_tree_names_every_module_and_nothing_else():
    modules = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in package.rglob("*.py")
        if path.name != "__init__.py"
    }
    named = tree()
    assert len(named) == len(set(named))
    assert {path for path in named if path.endswith(".py")} == modules
    assert all((ROOT / path).exists() for path in named)


def test_the_readme_names_every_room():
    rooms = [path for package in PACKAGES for path in package.iterdir() if (path / "__init__.py").is_file()]
    assert [room.name for room in rooms if not re.search(rf"\b{room.name}\b", TEXT[ROOT / "README.md"])] == []


def test_the_table_of_hyperparameters_is_the_spaces():
    assert markdown_table().strip() in page("hyperparameters.md")


@pytest.mark.parametrize("preset", PRESETS)
def test_the_presets_are_those_of_the_config(preset):
    values = PRESETS[preset]
    row = f"| `{preset}` | {values['trials']} | {values['epochs']} | {values['image_px']} px |"
    assert row in page("search.md")


def test_every_task_has_its_row():
    assert all(f"| `{name}` |" in page("data.md") for name in TASKS)


def test_every_verb_is_shown_and_every_command_is_accepted(monkeypatch):
    parse_args = argparse.ArgumentParser.parse_args

    def only_parse(parser, arguments):
        parse_args(parser, arguments)
        sys.exit(0)  # a wrong command line exits with 2

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", only_parse)
    blocks = "\n".join(block for text in TEXT.values() for block in re.findall(r"^```sh\n(.*?)^```", text, re.S | re.M))
    commands = re.findall(r"python -m ((?:search|leukmodels)\.\w+)([^\n#>]*)", blocks)
    entries = {module.removesuffix(".__main__"): module for module, _ in VERBS.values()}
    assert {module for module, _ in commands} >= entries.keys()
    for module, arguments in commands:
        with pytest.raises(SystemExit, match=r"^0$"):
            importlib.import_module(entries.get(module, module)).main(shlex.split(arguments))


def test_every_option_that_a_page_names_there_is():
    known = {
        option
        for module, _ in VERBS.values()
        for action in importlib.import_module(module).parser()._actions
        for option in action.option_strings
    }
    known |= {"--version", "--completion"}
    old = {"--eta", "--grace", "--spacing", "--plateau", "--bounds"}  # named in changes.md, and understood
    foreign = {"--working-dir", "--head", "--dashboard-host", "--generate", "--backend-store-uri", "--check"}
    for path, text in TEXT.items():
        named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text))
        assert named - known - foreign - (old if path.name == "changes.md" else set()) == set(), path.name


def test_every_link_into_the_project_leads_somewhere():
    for path, text in TEXT.items():
        links = re.findall(r"\]\((?!https?:)([^)#]+)\)", text) + re.findall(r'src="([^"]+)"', text)
        assert [link for link in links if not (path.parent / link).exists()] == [], path.name


def test_every_page_is_linked_from_the_readme_and_every_table_of_results_from_the_benchmarks():
    readme, benchmarks = TEXT[ROOT / "README.md"], page("benchmarks.md")
    assert [path.name for path in PAGES[1:] if f"docs/{path.name}" not in readme] == []
    tables = (ROOT / "results" / "benchmarks").glob("*.md")
    assert [path.name for path in tables if f"benchmarks/{path.name})" not in benchmarks] == []


def test_every_block_of_toml_is_toml():
    for text in TEXT.values():
        for block in re.findall(r"^```toml\n(.*?)^```", text, re.S | re.M):
            tomllib.loads(block)


def test_the_readme_is_a_card():
    words = len(re.sub(r"```.*?```", "", TEXT[ROOT / "README.md"], flags=re.S).split())
    assert words <= 1000
