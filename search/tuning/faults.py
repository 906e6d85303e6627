"""Faults of the machine, which are no outcome of a trial: full disks, lost mounts, files that are gone, dead silence.

A worker that meets one says so and gives its trial back (``trial.run``), and the trial begins again where it stood, on
any node but those that had several in a row. Several in a row anywhere, without a report of any trial between, end the
search: something is wrong that no retry mends. A worker that says nothing for far longer than any epoch took is killed.
"""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import ray
from ray.exceptions import RayError
from ray.tune import PlacementGroupFactory
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from leukmodels.errors import StudyError, UserError

ON_A_NODE, IN_A_ROW = 3, 10
PAUSE_S = 1.0  # of a worker that met one: what is back in seconds ends no search
LEAST_SILENCE_S, UNKNOWN_SILENCE_S = 600.0, 3600.0  # the second before any epoch was seen
EPOCHS_OF_SILENCE = 10.0


def is_fault_of_the_machine(error: BaseException) -> bool:
    """Return whether an error says nothing of the configuration that met it: the system's, or this software's own."""
    return isinstance(error, (OSError, UserError)) or isinstance(error.__cause__, OSError)


class Faults:
    """How many there were in a row, on each node and in all, and which nodes are left alone for it."""

    def __init__(self, *, nodes: Callable[[], Collection[str]]) -> None:
        """``nodes`` gives the ids of the nodes that are alive: the last one is never left alone."""
        self._nodes = nodes
        self._in_a_row = 0
        self._on_node: Counter[str] = Counter()
        self.avoided: tuple[str, ...] = ()

    def report(self, node: str) -> None:
        """A trial had a report to make on a node."""
        self._in_a_row = 0
        self._on_node.pop(node, None)

    def add(self, node: str, reason: str) -> str:
        """Take note of one; return the id of the node if it is left alone from now on, "" where not.

        StudyError where there were too many in a row.
        """
        self._in_a_row += 1
        self._on_node[node] += 1
        if self._in_a_row >= IN_A_ROW:
            raise StudyError(
                f"{self._in_a_row} times in a row a worker could not go on, for no fault of its trial. The last time: "
                f"{reason.splitlines()[0]}\nNothing is lost: when that is mended, go on with --resume."
            )
        alone = {*self._nodes()} <= {*self.avoided, node}
        if self._on_node[node] < ON_A_NODE or node in self.avoided or alone:
            return ""
        self.avoided = (*self.avoided, node)
        return node

    def resources(self, bundle: PlacementGroupFactory) -> PlacementGroupFactory:
        """Return what a trial asks for, on any node but those that are left alone."""
        if not self.avoided:
            return bundle
        elsewhere = [{"ray.io/node-id": f"!in({','.join(self.avoided)})"} for _ in bundle.bundles]
        return PlacementGroupFactory(bundle.bundles, bundle_label_selector=elsewhere)


@dataclass(kw_only=True)
class _Heard:
    """Of a running trial: where its worker is, and when it was heard of last."""

    node: str
    pid: int
    at: float


class Watch:
    """Notices a worker that hangs, without a time budget: it kills one that is silent for far longer than an epoch."""

    def __init__(
        self,
        *,
        kill: Callable[[str, int], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._kill, self._clock = kill, clock
        self._running: dict[int, _Heard] = {}
        self._longest: float | None = None

    def began(self, trial: int, node: str, pid: int) -> None:
        """A trial began, or began again, in this process of that node."""
        self._running[trial] = _Heard(node=node, pid=pid, at=self._clock())

    def epoch(self, trial: int) -> None:
        """A trial reported an epoch."""
        if heard := self._running.get(trial):
            now = self._clock()
            self._longest = max(self._longest or 0.0, now - heard.at)
            heard.at = now

    def ended(self, trial: int) -> None:
        """A trial is not waited for any more."""
        self._running.pop(trial, None)

    def look(self) -> Sequence[int]:
        """Kill the workers that hang, and return their trials: Tune begins them again as those of lost workers."""
        known = self._longest
        allowed = UNKNOWN_SILENCE_S if known is None else max(LEAST_SILENCE_S, EPOCHS_OF_SILENCE * known)
        hanging = [trial for trial, heard in self._running.items() if self._clock() - heard.at > allowed]
        for trial in hanging:
            heard = self._running.pop(trial)
            self._kill(heard.node, heard.pid)
        return hanging


def living_nodes() -> list[str]:
    """Return the ids of the nodes that are alive."""
    return [node["NodeID"] for node in ray.nodes() if node["Alive"]]


def kill_process(node: str, pid: int) -> None:
    """End a process of a node at once, also one that was stopped; a node that is gone has none."""
    at_once = ray.remote(num_cpus=0, max_retries=0)(_kill).options(
        scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)
    )
    try:
        at_once.remote(pid)
    except RayError:
        return


def _kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
