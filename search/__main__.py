"""``leukemia-search VERB ...``: every command of this software under one name."""

import argparse
import importlib
import sys
from collections.abc import Sequence

from leukmodels.process.command import SCRIPT, run_verb
from search import __version__

# verb -> its module, and what it does
VERBS = {
    "run": ("search.run.__main__", "search: from a folder of images to a Pareto front and an exported model"),
    "status": ("search.status", "where a study stands, or all of them"),
    "confirm": (
        "search.confirm.__main__",
        "train the front again on other patients, then open the locked test",
    ),
    "export": ("search.export.__main__", "write the preferred configuration as a folder"),
    "report": ("search.report.__main__", "write what a study found as one HTML page; studies side by side"),
    "audit": ("search.audit", "compare journal, Optuna and MLflow, trial by trial; tell MLflow what it missed"),
    "cache": ("search.cache.__main__", "show what is kept of prepared images, or free it"),
    "curate": ("search.curate.__main__", "list training cells whose label is disputed"),
    "predictor": ("leukmodels.predictor.__main__", "let an exported model answer for image files"),
}
_SHELLS = ("bash", "zsh", "tcsh")


def main(arguments: Sequence[str]) -> int:
    """Hand the arguments on to the command that they name; return its exit status."""
    given = _parser().parse_args(arguments[:1] or ["--help"])
    if given.completion:
        return _complete(arguments[1:])
    module, _ = VERBS[given.verb]
    status: int = importlib.import_module(module).main(arguments[1:])
    return status


def _parser() -> argparse.ArgumentParser:
    verbs = "\n".join(f"  {name:<10} {does}" for name, (_, does) in VERBS.items())
    parser = argparse.ArgumentParser(
        prog=SCRIPT,
        usage=f"{SCRIPT} VERB ...",
        description=f"Find the best classifier of leukemic against healthy white blood cells.\n\nverbs:\n{verbs}",
        epilog=f"`{SCRIPT} VERB --help` has the options of each; `python -m search.run --help` is the same.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("verb", choices=VERBS, nargs="?", metavar="VERB", help=argparse.SUPPRESS)
    parser.add_argument("--version", action="version", version=f"{SCRIPT} {__version__}")
    parser.add_argument(
        "--completion",
        action="store_true",
        help=f"print the completion script of a shell: {SCRIPT} --completion bash ({', '.join(_SHELLS)})",
    )
    return parser


def _complete(arguments: Sequence[str]) -> int:
    """Print what a shell has to source to complete verbs and options."""
    import shtab

    shell = next(iter(arguments), "bash")
    if shell not in _SHELLS:
        _parser().error(f"there is a completion for {', '.join(_SHELLS)}, not for {shell}")
    whole = argparse.ArgumentParser(prog=SCRIPT)
    verbs = whole.add_subparsers()
    for name, (module, does) in VERBS.items():
        made = importlib.import_module(module).parser()
        verbs.add_parser(name, parents=[made], add_help=False, help=does)
    print(shtab.complete(whole, shell=shell))
    return 0


def script() -> None:
    """Be the console script."""
    run_verb(main)


if __name__ == "__main__":
    sys.argv[0] = SCRIPT
    run_verb(main)
