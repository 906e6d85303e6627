"""Every script of this folder starts: what it imports there is, and its options can be asked for.

Peers that are not in the tests' environment are stood in for. One process for all, as TensorFlow takes seconds to load.
"""

import ast
import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
OURS = ("search", "leukmodels", "cluster")
SCRIPTS = sorted(path.stem for path in HERE.glob("*.py") if not path.stem.startswith("test_"))

PROGRAM = """
import contextlib, importlib, importlib.util, io, json, sys, traceback, types
from unittest.mock import MagicMock

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
for script in json.loads(sys.argv[1]):
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            module = importlib.import_module(script)
            if script.startswith("bench_"):
                sys.argv = [script, "--help"]
                with contextlib.suppress(SystemExit):
                    module.main()
    except BaseException:
        failures[script] = traceback.format_exc(limit=-2)
print(json.dumps(failures))
"""


@pytest.fixture(scope="module")
def failures():
    """Return what keeps scripts from starting, by script."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(SCRIPTS)],
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'tests' / 'support'}:{HERE}", "PATH": "/usr/bin:/bin", "HOME": str(HERE)},
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


@pytest.mark.parametrize("script", SCRIPTS)
def test_what_it_imports_later_there_is_too(script):
    """Imports within functions, which starting does not run."""
    for node in ast.walk(ast.parse((HERE / f"{script}.py").read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in (
            "search",
            "leukmodels",
            "cluster",
        ):
            path = ROOT / node.module.replace(".", "/")
            source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
            assert source.is_file(), node.module
            names = {name.name for name in node.names}
            missing = [name for name in names if name not in defined(source) and not (path / f"{name}.py").is_file()]
            missing = [name for name in missing if not (path / name).is_dir()]
            assert missing == [], node.module


def defined(source):
    """Return the names that a module has at its top."""
    found = set()
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                found.add(name)
            case ast.Name(id=name, ctx=ast.Store()):
                found.add(name)
            case ast.ImportFrom(names=names) | ast.Import(names=names):
                found |= {each.asname or each.name for each in names}
    return found


def test_a_name_that_has_moved_is_noticed():
    assert "distribution" not in defined(ROOT / "search" / "tuning" / "searcher.py")
    assert "distribution" in defined(ROOT / "search" / "tuning" / "optuna_study.py")
    assert importlib.util.find_spec("search.tuning.optuna_study")
