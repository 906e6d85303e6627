"""Search: ``python -m search.run --task runx1``. From a folder of cells to a Pareto front in MLflow."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cluster.jobs import inside_job, refuse_relative
from leukmodels.process.command import run_verb
from leukmodels.process.files import group_access
from search.run.options import parse, parser, resolved
from search.tuning.signals import Interrupted, interruptible

if TYPE_CHECKING:
    from search.run.planning import Plan


def main(arguments: Sequence[str]) -> int:
    """Run the studies that ``arguments`` ask for, one after another, and return the exit status."""
    asked = parse(arguments)
    # Only now: Ray, matplotlib and Optuna take seconds to import, and --help should not.
    from search.run.planning import plans_of

    resumed = Path(asked.resume) if asked.resume and "/" in asked.resume else None
    refuse_relative(
        {
            "--storage": asked.storage,
            "--cache": asked.cache,
            "--data": asked.given.get("data"),
            "--exclude": asked.given.get("exclude"),
            "--out": asked.out,
            "--resume": resumed,
        }
    )
    if asked.print_config:
        print(resolved(asked), end="")
        return 0
    plans = plans_of(asked, command=shlex.join(["python", "-m", "search.run", *arguments]))
    if asked.dry_run:
        from search.run.dry_run import dry_run

        return dry_run(plans)
    return _carry_out(plans, dashboard=not asked.no_dashboard)


def _carry_out(plans: Sequence["Plan"], *, dashboard: bool) -> int:
    from cluster.session import open_session
    from cluster.shipping import shipping_note
    from search.run.workflow import carry_out

    if inside_job() and (note := shipping_note(Path.cwd())):
        print(note, flush=True)

    succeeded = True
    try:
        for plan in plans:
            print("Starting Ray ...", flush=True)
            # A session each: the cells of a study stay in shared memory until its session ends.
            with (
                group_access(plan.config.group_access),
                interruptible(),
                open_session(dashboard=dashboard) as session,
                interruptible(),
            ):
                succeeded &= carry_out(plan, session)
    except Interrupted as interruption:
        if not_begun := [plan.task.name for plan in plans if not plan.folder.exists]:
            print(f"Interrupted by {interruption.signal}; not begun: {', '.join(not_begun)}.", flush=True)
        return interruption.exit_status
    return 0 if succeeded else 1


__all__ = ["main", "parser"]

if __name__ == "__main__":
    run_verb(main)
