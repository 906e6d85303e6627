#!/usr/bin/env bash
# Syne Tune 0.16.0: its multi-objective ASHA stops a trial that is better than all others in every objective.
#
# MOASHA promotes a trial whose rank among those of a rung is within the best 1/eta. It takes the ranks from
# NonDominatedPriority, whose answer for the rows [worst, best, middle] one would expect to be their places, [2, 0, 1].
# It is the rows in their order, best first: [1, 2, 0]. MOASHA reads that as places, so whom it stops depends on the
# order in which trials arrive. Of the 120 orders in which five trials can arrive, each better than the one before it in
# both objectives, the best one is stopped in 20 (eta = 3); a rule that ranks would stop it in none.
# Where it touches this project: tests/benchmarks/replay_peers.py, results/benchmarks/replay.md ("its sort mended").
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check syne-tune==0.16.0 numpy pandas 2> "$folder/pip.log" ||
    { cat "$folder/pip.log"; exit 2; }
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
from datetime import datetime
from itertools import permutations

import numpy as np
from syne_tune.backend.trial_status import Trial
from syne_tune.config_space import uniform
from syne_tune.optimizer.scheduler import SchedulerDecision
from syne_tune.optimizer.schedulers.multiobjective.moasha import MOASHA
from syne_tune.optimizer.schedulers.multiobjective.multiobjective_priority import NonDominatedPriority

order = NonDominatedPriority()(np.array([[3.0, 3.0], [1.0, 1.0], [2.0, 2.0]]))  # to be minimised
print("priority of rows [worst, best, middle]:", [int(each) for each in order])
assert [int(each) for each in order] == [1, 2, 0]

stopped = 0
for values in permutations((0.1, 0.3, 0.5, 0.7, 0.9)):
    scheduler = MOASHA(
        config_space={"x": uniform(0, 1)},
        metrics=["recall", "accuracy"],
        do_minimize=False,
        time_attr="epoch",
        max_t=9,
        grace_period=1,
        reduction_factor=3,
        random_seed=0,
    )
    decisions = {}
    for number, value in enumerate(values):
        trial = Trial(trial_id=number, config=scheduler.suggest().config, creation_time=datetime(2026, 1, 1))
        scheduler.on_trial_add(trial)
        decisions[value] = scheduler.on_trial_result(trial, {"epoch": 1, "recall": value, "accuracy": value})
    stopped += decisions[0.9] != SchedulerDecision.CONTINUE
print(f"orders of arrival in which the best of five trials is stopped: {stopped} of 120")
assert stopped == 20
PY
