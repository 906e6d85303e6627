"""Confirm a study's front: train it again on other patients, then open the locked test patients, once, for the best.

python -m search.confirm STUDY [--members 6] [--folds 4] [--seeds 2] [--choose 3] [--keep-locked | --again]
"""

import argparse
import shlex
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from cluster.jobs import refuse_relative
from leukmodels.process import command_line
from leukmodels.process.command import program, run_verb
from leukmodels.process.command_line import parse
from leukmodels.process.files import group_access
from search.confirm.options import ConfirmOptions
from search.study.disclosure import Disclosure
from search.study.options import find_cache
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
    options = parse(parser(), ConfirmOptions, arguments)
    refuse_relative({"--storage": options.storage, "--cache": options.cache, "--data": options.data})
    folder = options.find()
    # Only now: Ray and matplotlib take seconds to import, and --help should not.
    from search.run.planning import plan_again

    told = options.model_dump(include={"data", "concurrency", "gpus_per_trial"}, exclude_none=True)
    plan = plan_again(
        folder,
        given=told,
        cache=find_cache(options.cache, folder.path.parent),
        command=shlex.join(["python", "-m", "search.confirm", *arguments]),
    )
    return _carry_out(replace(plan, verify=options.verify), options)


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    return command_line.parser(
        ConfirmOptions.model_fields,
        prog=program("search.confirm"),
        description="Train a study's front again with several seeds and patient folds, rank it by the means, and then "
        "open the locked test patients, once, for the chosen few.",
        epilog=_EXAMPLES,
        hidden=("bounds",),
    )


def _carry_out(plan: "Plan", options: ConfirmOptions) -> int:
    from cluster.session import open_session
    from search.confirm.confirmation import confirm
    from search.report.write import tell_mlflow, write_page

    print("Starting Ray ...", flush=True)
    try:
        with (
            group_access(plan.config.group_access),
            interruptible(),
            open_session(dashboard=not options.no_dashboard) as session,
            interruptible(),
        ):
            confirm(plan, options, session)
    except Interrupted as interruption:
        print(f"Interrupted by {interruption.signal}; what is done is kept. Go on with the same command.", flush=True)
        return interruption.exit_status
    study = shlex.quote(str(plan.folder.path))
    disclosure = Disclosure(identifiers=options.with_identifiers, pictures=options.with_pictures)
    print(f"\nWritten: {write_page(plan.folder, disclosure=disclosure)}\n{tell_mlflow(plan.folder)}")
    print(f"\nNext:\n  python -m search.{'confirm' if options.keep_locked else 'export'} {study}")
    return 0


if __name__ == "__main__":
    run_verb(main)
