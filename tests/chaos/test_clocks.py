"""A driver whose clock is set while a study runs. Slow: it starts a Ray of its own."""

import itertools
import sys
import threading
import time
from pathlib import Path

import pytest

import drivers
import toy
from ledgers import check_ledgers_agree
from search.study import journal
from search.study.folder import StudyFolder
from search.study.records import TrialState
from waiting import HANGS_S, wait_until

pytestmark = pytest.mark.slow
TRIALS, EPOCHS, HOUR, DAY = 12, 4, 3600, 86_400


def set_clocks(folder: Path) -> None:
    """Drive the toy study by a clock that is set back an hour after eight epochs, and on by a day after twenty."""
    true = time.time
    moved = 0

    def set_them() -> None:
        nonlocal moved
        for epochs, by in ((8, -HOUR), (20, DAY)):
            wait_until(lambda due=epochs: drivers.count(folder, "epoch") >= due, f"{epochs} epochs")
            moved = by

    time.time = lambda: true() + moved
    threading.Thread(target=set_them, daemon=True).start()
    toy.drive_toy(folder, seconds=0.2, trials=TRIALS, epochs=EPOCHS, time_budget=HANGS_S, plateau=0)


@pytest.mark.fault(
    "clocks",
    "the driver's clock is set back an hour, then on by a day",
    "the time budget does not notice; each trial ends once, in the journal's order",
)
def test_a_clock_that_is_set_changes_nothing_but_times(tmp_path, empty_store):
    (tmp_path / "mlflow.db").write_bytes(empty_store.read_bytes())
    assert drivers.run_alone(__file__, tmp_path / "study") == 0
    record = check_ledgers_agree(tmp_path / "study", trials=TRIALS)
    assert record.count(TrialState.COMPLETE) == TRIALS
    times = [event["time"] for event in journal.read(StudyFolder(tmp_path / "study").journal)]
    steps = [after - before for before, after in itertools.pairwise(times)]
    assert min(steps) < -HOUR / 2, "the clock was never set back"
    assert max(steps) > DAY / 2, "the clock was never set on"


if __name__ == "__main__":
    set_clocks(Path(sys.argv[1]))
