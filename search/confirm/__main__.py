"""Confirm a study's front: train it again on other patients, then open the locked test patients, once, for the best.

python -m search.confirm STUDY [--members 6] [--folds 4] [--seeds 2] [--choose 3] [--keep-locked | --again]
"""

import argparse
import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cluster.jobs import refuse_relative
from leukmodels.process.command import run_verb
from search.confirm.options import ConfirmOptions
from search.study.arguments import add_bounds, add_cache, add_study, find_cache, find_study, number
from search.tuning.signals import Interrupted, interruptible

if TYPE_CHECKING:
    from search.run.planning import Plan

_EXAMPLES = """examples:
  python -m search.confirm runx1-1                  6 of the front, 4 folds, 2 seeds; then the test patients, once
  python -m search.confirm runx1-1 --keep-locked    rank the front only; nobody sees the test patients
  python -m search.confirm runx1-1 --again          open the test patients a second time; the report counts it

Stopped or killed, it goes on with the same command. What it found is in the study's journal, in STUDY/confirmed, and
on the page that search.report writes.
"""


def main(arguments: Sequence[str]) -> int:
    """Confirm the study that ``arguments`` name."""
    given = _parser().parse_args(arguments)
    asked = ConfirmOptions(
        members=given.members,
        folds=given.folds,
        seeds=given.seeds,
        choose=given.choose,
        min_recall=given.min_recall,
        sure=given.bounds == "patients",
        again=given.again,
        locked=given.keep_locked,
    )
    refuse_relative({"--storage": given.storage, "--cache": given.cache, "--data": given.data})
    folder = find_study(given.study, given.storage)
    # Only now: Ray and matplotlib take seconds to import, and --help should not.
    from search.run.planning import plan_again

    told = {"data": given.data, "concurrency": given.concurrency, "gpus_per_trial": given.gpus_per_trial}
    plan = plan_again(
        folder,
        given={name: value for name, value in told.items() if value is not None},
        cache=find_cache(given.cache, folder.path.parent),
        command=shlex.join(["python", "-m", "search.confirm", *arguments]),
    )
    return _carry_out(plan, asked, dashboard=not given.no_dashboard)


def _carry_out(plan: "Plan", asked: ConfirmOptions, *, dashboard: bool) -> int:
    from cluster.session import open_session
    from search.confirm.confirmation import confirm
    from search.report.write import tell_mlflow, write_page

    print("Starting Ray ...", flush=True)
    try:
        with interruptible(), open_session(dashboard=dashboard) as session, interruptible():
            confirm(plan, asked, session)
    except Interrupted as interruption:
        print(f"Interrupted by {interruption.signal}; what is done is kept. Go on with the same command.", flush=True)
        return interruption.exit_status
    study = shlex.quote(str(plan.folder.path))
    print(f"\nWritten: {write_page(plan.folder)}\n{tell_mlflow(plan.folder)}")
    print(f"\nNext:\n  python -m search.{'confirm' if asked.locked else 'export'} {study}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m search.confirm",
        description="Train a study's front again with several seeds and patient folds, rank it by the means, and then "
        "open the locked test patients, once, for the chosen few.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_study(parser)
    usual = ConfirmOptions()
    numbers = (
        ("--members", usual.members, "members of the front to train again, at the most; the default CNN comes on top"),
        (
            "--folds",
            usual.folds,
            "parts of the training and validation patients; one is asked about, one chooses the epoch",
        ),
        (
            "--seeds",
            usual.seeds,
            "how often the patients are dealt into folds, the models' seeds being others each time",
        ),
        ("--choose", usual.choose, "models to open the test patients for, at the most; the default CNN comes on top"),
    )
    for name, value, words in numbers:
        parser.add_argument(name, type=int, default=value, metavar="N", help=f"{words} (default: %(default)s)")
    parser.add_argument(
        "--min-recall",
        type=number(0, 1, "number from 0 to 1"),
        metavar="X",
        help="first of these models take the one, and the threshold, with the highest accuracy at this recall, 0 to 1",
    )
    add_bounds(parser)
    look = parser.add_mutually_exclusive_group()
    look.add_argument("--keep-locked", action="store_true", help="rank only; leave the test patients locked")
    look.add_argument("--again", action="store_true", help="open the test patients although they were before")
    where = parser.add_argument_group("where")
    where.add_argument("--data", metavar="DIR", help="the images, if they are no longer where the study read them")
    add_cache(where)
    where.add_argument("--concurrency", type=int, metavar="N", help="models at once (default: as the study's trials)")
    where.add_argument("--gpus-per-trial", type=float, metavar="N", help="GPUs of one model (default: as the study's)")
    where.add_argument("--no-dashboard", action="store_true", help="start no Ray dashboard")
    return parser


if __name__ == "__main__":
    run_verb(main)
