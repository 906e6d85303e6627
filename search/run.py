"""Search: ``python -m search.run --task runx1``. From a folder of cells to a Pareto front in MLflow."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from cluster.jobs import refuse_relative
from search.cli import find_study, run_verb
from search.interruption import Interrupted, interruptible
from search.options import parse


def main(arguments: Sequence[str]) -> int:
    """Run the studies that ``arguments`` ask for, one after another, and return the exit status."""
    parsed, given = parse(arguments)
    # Only now: Ray, matplotlib and Optuna take seconds to import, and --help should not.
    from cluster.session import open_session
    from search import workflow

    command = shlex.join(["python", "-m", "search.run", *arguments])
    refuse_relative({"--storage": parsed.storage, "--data": given.get("data"), "--out": parsed.out})
    storage = parsed.storage.expanduser().resolve()
    if parsed.resume:
        folder = find_study(parsed.resume, storage)
        plans = [workflow.plan_resume(folder, given=given, out=parsed.out, command=command)]
    else:
        tasks = parsed.task or workflow.tasks_of(given.get("data"))
        several = len(tasks) > 1
        plans = [
            workflow.plan_new(
                task,
                storage,
                preset=parsed.preset,
                given=given,
                name=f"{parsed.name}-{Path(task).stem}" if several and parsed.name else parsed.name,
                out=parsed.out / Path(task).stem if several and parsed.out else parsed.out,
                command=command,
            )
            for task in tasks
        ]
    print("Starting Ray ...", flush=True)
    try:
        with interruptible(), open_session(dashboard=not parsed.no_dashboard) as session, interruptible():
            succeeded = [workflow.carry_out(plan, session) for plan in plans]
    except Interrupted as interruption:
        return interruption.exit_status
    return 0 if all(succeeded) else 1


if __name__ == "__main__":
    run_verb(main)
