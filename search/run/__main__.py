"""Search: ``python -m search.run --task runx1``. From a folder of cells to a Pareto front in MLflow."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cluster.jobs import refuse_relative
from leukmodels.process.command import run_verb
from search.run.command_line import parse
from search.study.arguments import find_cache, find_study
from search.tuning.signals import Interrupted, interruptible

if TYPE_CHECKING:
    from search.run.planning import Plan


def main(arguments: Sequence[str]) -> int:
    """Run the studies that ``arguments`` ask for, one after another, and return the exit status."""
    parsed, given = parse(arguments)
    # Only now: Ray, matplotlib and Optuna take seconds to import, and --help should not.
    from search.run import planning

    command = shlex.join(["python", "-m", "search.run", *arguments])
    resumed = Path(parsed.resume) if parsed.resume and "/" in parsed.resume else None
    refuse_relative(
        {
            "--storage": parsed.storage,
            "--cache": parsed.cache,
            "--data": given.get("data"),
            "--exclude": given.get("exclude"),
            "--out": parsed.out,
            "--resume": resumed,
        }
    )
    storage = parsed.storage.expanduser().resolve()
    out = parsed.out and parsed.out.expanduser().resolve()
    cache = find_cache(parsed.cache, storage)
    if parsed.resume:
        folder = find_study(parsed.resume, storage)
        plans = [planning.plan_resume(folder, given=given, out=out, cache=cache, command=command)]
    else:
        tasks = parsed.task or planning.tasks_of(given.get("data"))
        several = len(tasks) > 1
        plans = [
            planning.plan_new(
                task,
                storage,
                preset=parsed.preset or "quick",
                given=given,
                name=f"{parsed.name}-{Path(task).stem}" if several and parsed.name else parsed.name,
                out=out / Path(task).stem if several and out else out,
                cache=cache,
                command=command,
            )
            for task in tasks
        ]
        planning.refuse_collisions(plans)
    return _carry_out(plans, dashboard=not parsed.no_dashboard)


def _carry_out(plans: Sequence["Plan"], *, dashboard: bool) -> int:
    from cluster.session import open_session
    from search.run.workflow import carry_out

    succeeded = True
    try:
        for plan in plans:
            print("Starting Ray ...", flush=True)
            # A session each: the cells of a study stay in shared memory until its session ends.
            with interruptible(), open_session(dashboard=dashboard) as session, interruptible():
                succeeded &= carry_out(plan, session)
    except Interrupted as interruption:
        if not_begun := [plan.task.name for plan in plans if not plan.folder.exists]:
            print(f"Interrupted by {interruption.signal}; not begun: {', '.join(not_begun)}.", flush=True)
        return interruption.exit_status
    return 0 if succeeded else 1


if __name__ == "__main__":
    run_verb(main)
