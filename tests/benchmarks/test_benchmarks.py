"""Every script of this folder starts: what it imports there is, and its options can be asked for.

Peers that are not in the tests' environment are stood in for. One process for all, as TensorFlow takes seconds to load.
"""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
OURS = ("search", "leukmodels", "cluster")
SCRIPTS = sorted(path.stem for path in HERE.glob("*.py") if not path.stem.startswith("test_"))
ASKED = [script for script in SCRIPTS if "ArgumentParser(" in (HERE / f"{script}.py").read_text(encoding="utf-8")]
BROKEN = {  # what must be noticed
    "moved_at_the_top": "from search.tuning.searcher import distribution",
    "options_clash": """
import argparse

parser = argparse.ArgumentParser()
parser.add_argument("--seeds")
parser.add_argument("--seeds")
parser.parse_args()
""",
    "options_refused": "if __name__ == '__main__':\n    raise SystemExit(2)",
    "options_ignored": "def main(): ...",
}

PROGRAM = """
import contextlib, importlib, importlib.util, io, json, runpy, sys, traceback, types

class Stub(types.ModuleType):
    __path__ = []

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})

class Peers:
    def find_spec(self, name, path=None, target=None):
        top = name.split(".")[0]
        if top in ABSENT:
            return importlib.util.spec_from_loader(name, self)

    def create_module(self, spec):
        return Stub(spec.name)

    def exec_module(self, module):
        pass

PEERS = ["keras_tuner", "syne_tune", "psutil", "dill"]
ABSENT = {name for name in PEERS if importlib.util.find_spec(name) is None}
if "keras_tuner" in ABSENT:  # syne-tune is there without what its own searchers need
    ABSENT.add("syne_tune")
    for name in [name for name in sys.modules if name.split(".")[0] == "syne_tune"]:
        del sys.modules[name]
sys.meta_path.insert(0, Peers())

from leukmodels.process import tensorflow_runtime
tensorflow_runtime.start(threads=1)
failures = {}
started, asked = json.loads(sys.argv[1])
for script in started:
    try:
        importlib.import_module(script)
        if script in asked:
            sys.argv = [script, "--help"]
            try:
                with contextlib.redirect_stdout(io.StringIO()):
                    runpy.run_module(script, run_name="__main__")
            except SystemExit as end:
                assert end.code == 0, f"--help ends with {end.code}"
            else:
                raise AssertionError("--help is not heeded")
    except BaseException:
        failures[script] = traceback.format_exc(limit=-2)
print(json.dumps(failures))
"""


@pytest.fixture(scope="module")
def failures(tmp_path_factory):
    """Return what keeps scripts from starting, by script."""
    broken, home = tmp_path_factory.mktemp("broken"), tmp_path_factory.mktemp("home")
    for script, text in BROKEN.items():
        (broken / f"{script}.py").write_text(text, encoding="utf-8")
    path = ":".join(map(str, (ROOT, ROOT / "tests" / "support", HERE, broken)))
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps([[*SCRIPTS, *BROKEN], [*ASKED, *BROKEN]])],
        # A home of its own: Matplotlib and Keras write their caches there.
        env={"PYTHONPATH": path, "PATH": "/usr/bin:/bin", "HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.keras
@pytest.mark.parametrize("script", SCRIPTS)
def test_it_starts(script, failures):
    assert script not in failures, failures[script]


@pytest.mark.keras
@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("moved_at_the_top", "cannot import name 'distribution'"),
        ("options_clash", "conflicting option string: --seeds"),
        ("options_refused", "--help ends with 2"),
        ("options_ignored", "--help is not heeded"),
    ],
)
def test_what_does_not_start_is_noticed(script, why, failures):
    assert why in failures[script]


@pytest.mark.parametrize("script", [script for script in SCRIPTS if script.startswith("bench_")])
def test_every_benchmark_says_how_it_is_run(script):
    assert script in ASKED


@pytest.mark.parametrize("script", SCRIPTS)
def test_what_it_imports_later_there_is_too(script):
    """Imports within functions, which starting does not run."""
    assert missing((HERE / f"{script}.py").read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("from search.tuning.optuna_study import distribution", []),
        ("from search.tuning import optuna_study", []),
        ("def late():\n    from search.tuning.searcher import distribution", ["search.tuning.searcher.distribution"]),
        ("from search.tuning.gone import distribution", ["search.tuning.gone.distribution"]),
        ("from numpy import gone", []),
    ],
)
def test_a_name_that_has_moved_is_noticed(text, expected):
    assert missing(text) == expected


def test_only_names_at_the_top_are_defined():
    text = """
import numpy as np
if np:
    A = [b for b in ()]
def c(d):
    e = 1
class F:
    g = 1
"""
    assert defined(text) == {"np", "A", "c", "F"}


def missing(text):
    """Return what a script imports of this project, anywhere in it, and is not there, by full name."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in OURS:
            path = ROOT / node.module.replace(".", "/")
            source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
            there = defined(source.read_text(encoding="utf-8")) if source.is_file() else set()
            there |= {each.stem for each in path.glob("*") if each.is_dir() or each.suffix == ".py"}
            found += [f"{node.module}.{each.name}" for each in node.names if each.name not in there]
    return found


def defined(text):
    """Return the names that a module has at its top."""
    found, nodes = set(), [ast.parse(text)]
    for node in nodes:  # grows by what is within, but for scopes of their own
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                found.add(name)
            case ast.Name(id=name, ctx=ast.Store()):
                found.add(name)
            case ast.ImportFrom(names=names) | ast.Import(names=names):
                found |= {each.asname or each.name for each in names}
            case ast.comprehension():
                pass
            case _:
                nodes.extend(ast.iter_child_nodes(node))
    return found
