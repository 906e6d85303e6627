"""Successive halving over several objectives: after which epochs a trial is compared, and who trains on.

Asynchronous (Li et al. 2020, arXiv:1810.05934; over several objectives Schmucker et al. 2021, arXiv:2106.12639): at a
rung, an epoch of grace_period x rung_factor^k, a trial is ranked at once among all that reached it before, and is
promoted where it is among the best 1/reduction_factor of them. Nobody waits for anybody. (In the papers both factors
are eta. But each comparison loses some of what would have ended on the front, so few that lie far apart lose less:
results/benchmarks/defaults.md.)

A trial is judged by what it would hand in if it ended there: the metrics of its best epoch so far. One that ended by
itself (patience) stands in the rungs above with its outcome, so that others are measured against it there too.

What a rung holds follows from the records alone. So a resumed study has the rungs that it was killed with.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from search.selection.nondominated import rank
from search.study.config import SearchConfig
from search.study.objectives import Objectives
from search.study.records import RungDecision, StudyRecord, TrialRecord


@dataclass(frozen=True, kw_only=True)
class RungSchedule:
    """Where the rungs are: the first after ``grace_period`` epochs, each further after ``rung_factor`` times as many.

    All lie below ``epochs``; of so many trials on one as ``reduction_factor`` says, one trains on.
    """

    reduction_factor: int
    grace_period: int
    rung_factor: int
    epochs: int

    @classmethod
    def of(cls, config: SearchConfig) -> "RungSchedule":
        """Return where ``config`` has trials compared; without rungs where nobody is to be stopped."""
        grace = config.grace_period if config.scheduler == "asha" else config.epochs
        return cls(
            reduction_factor=config.reduction_factor,
            grace_period=grace,
            rung_factor=config.rung_factor,
            epochs=config.epochs,
        )

    @property
    def rungs(self) -> tuple[int, ...]:
        """The epochs after which trials are compared; none where no epoch would be saved."""
        found = []
        rung = self.grace_period
        while rung < self.epochs:
            found.append(rung)
            rung *= self.rung_factor
        return tuple(found)

    def describe(self) -> str:
        """Return in a sentence who is stopped."""
        if not self.rungs:
            return f"No trial is stopped early: each may train to epoch {self.epochs}."
        epochs = " and ".join(filter(None, [", ".join(map(str, self.rungs[:-1])), str(self.rungs[-1])]))
        when = f"epoch{'s' if len(self.rungs) > 1 else ''} {epochs}"
        share = f"1/{self.reduction_factor}"
        return f"Trials are compared after {when} of {self.epochs}: the best {share} of those there train on."

    def complete(self, trials: int) -> int:
        """Return how many of ``trials`` pass every rung, at the least."""
        return max(1, trials // int(self.reduction_factor ** len(self.rungs)))

    def quota(self, size: int) -> int:
        """Return how many of ``size`` trials on a rung train on."""
        return -(-size // self.reduction_factor)


class RungTable:
    """Who stands on each rung; ``take`` whatever changed, and ``judge`` who has come to one."""

    def __init__(self, ladder: RungSchedule, objectives: Objectives, record: StudyRecord) -> None:
        self.ladder, self._objectives = ladder, objectives
        # rung -> trial -> (losses, violation)
        self._standing: dict[int, dict[int, tuple[tuple[float, ...], float]]] = {rung: {} for rung in ladder.rungs}
        for trial in record.trials.values():
            self.add(trial)

    def add(self, trial: TrialRecord) -> None:
        """Put the trial on the rungs that it has reached and does not stand on yet."""
        for rung, standing in self._standing.items():
            if trial.number not in standing and (metrics := trial.metrics_at(rung)):
                standing[trial.number] = (self._objectives.minimised(metrics), self._objectives.violation(metrics))

    def decide(self, number: int, rung: int) -> RungDecision:
        """Return where the trial stands on a rung that it is on."""
        standing = dict(sorted(self._standing[rung].items()))  # equal ones by number, live and resumed
        losses, violations = zip(*standing.values(), strict=True)
        order = rank(np.array(losses), violations)
        place = list(standing).index(number)
        return RungDecision(
            rung=rung,
            rank=1 + int(np.flatnonzero(order == place)[0]),
            size=len(standing),
            quota=self.ladder.quota(len(standing)),
        )

    def holds(self, rung: int) -> Mapping[int, tuple[tuple[float, ...], float]]:
        """Return losses and violation of each trial on a rung, by its number."""
        return self._standing[rung]
