"""Tells MLflow what it does not know yet of a study: after it was down, or into another store.

python -m search.sync STUDY [--tracking-uri URI]
"""

import argparse
from collections.abc import Sequence

from leukmodels.process.command import run_verb
from search.study import arguments as cli
from search.tracking.follower import catch_up
from search.tracking.store import redacted
from search.tracking.tracker import study_uri


def main(arguments: Sequence[str]) -> int:
    """Bring MLflow up to date and print one line; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m search.sync", description=__doc__.partition("\n")[0])
    cli.add_study(parser)
    parser.add_argument(
        "--tracking-uri", metavar="URI", help="another MLflow than the study's own, e.g. http://127.0.0.1:5000"
    )
    options = parser.parse_args(arguments)
    folder = cli.find_study(options.study, options.storage)
    uri = options.tracking_uri or study_uri(folder)
    told = catch_up(folder, uri)
    news = "1 event was" if told == 1 else f"{told} events were"
    print(f"MLflow at {redacted(uri)} knows all of {folder.name}; {news} new to it.")
    return 0


if __name__ == "__main__":
    run_verb(main)
