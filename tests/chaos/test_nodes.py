"""Nodes that are lost while a study runs on them. Slow: each starts a cluster of its own."""

import os
import sys
import threading
from pathlib import Path

import pytest
from ray.cluster_utils import Cluster

import drivers
import toy
from ledgers import check_ledgers_agree
from search.study.records import TrialState
from waiting import wait_until

pytestmark = pytest.mark.slow
TRIALS, EPOCHS = 16, 5


def two_nodes(folder: Path) -> None:
    """Drive the toy study on two nodes, one of which is killed, all its processes at once, when trials train on it."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    lost = cluster.add_node(num_cpus=1)
    os.environ["RAY_ADDRESS"] = cluster.address

    def lose_it() -> None:
        wait_until(lambda: drivers.count(folder, "epoch") >= 8, "trials to train")
        cluster.remove_node(lost, allow_graceful=False)

    threading.Thread(target=lose_it, daemon=True).start()
    toy.drive_toy(folder, seconds=0.4, trials=TRIALS, epochs=EPOCHS, plateau=0)
    assert len(cluster.list_all_nodes()) == 1, "the study ended before the node was lost"


@pytest.mark.fault("nodes", "a node is killed while trials train on it", "its trials go on elsewhere; each ends once")
def test_a_lost_node_costs_its_trials_an_epoch(tmp_path, empty_store):
    (tmp_path / "mlflow.db").write_bytes(empty_store.read_bytes())
    assert drivers.run_alone(__file__, tmp_path / "study", "two_nodes") == 0
    record = check_ledgers_agree(tmp_path / "study", trials=TRIALS)
    assert record.count(TrialState.COMPLETE) == TRIALS
    assert all(len(trial.epochs) == EPOCHS for trial in record.trials.values())


def a_bad_node(folder: Path) -> None:
    """Drive the toy study on two nodes, on one of which every trial finds the disk full."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    bad = cluster.add_node(num_cpus=1)
    os.environ["RAY_ADDRESS"] = cluster.address
    toy.drive_toy(folder, seconds=0.5, full_on=bad.node_id, trials=24, epochs=EPOCHS, plateau=0)


@pytest.mark.fault(
    "nodes", "the disk of one node is full", "it is left alone after three faults in a row, and no trial is lost"
)
def test_a_node_with_faults_in_a_row_is_left_alone(tmp_path, empty_store):
    (tmp_path / "mlflow.db").write_bytes(empty_store.read_bytes())
    assert drivers.run_alone(__file__, tmp_path / "study", "a_bad_node") == 0
    record = check_ledgers_agree(tmp_path / "study", trials=24)
    assert record.count(TrialState.COMPLETE) == 24
    assert drivers.count(tmp_path / "study", "node_left_alone") == 1
    assert 3 <= len([*(tmp_path / "study" / "trials").glob("*/full-*")]) <= 6


if __name__ == "__main__":
    {"two_nodes": two_nodes, "a_bad_node": a_bad_node}[sys.argv[2]](Path(sys.argv[1]))
