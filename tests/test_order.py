"""What an epoch visits, in bags of one patient."""

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from leukmodels.order import epoch_order, rows_of_epoch
from toy_cells import cells, folder, stream, tiny


def owned(patients):
    """Return cells of these patients: of odd ones leukemic."""
    patients = np.array(patients, dtype=np.int32)
    some = cells(n=len(patients))
    names = tuple(f"P{i}" for i in range(patients.max() + 1))
    return replace(some, patients=patients, labels=(patients % 2).astype(np.uint8), patient_names=names)


OWNERS = st.lists(st.integers(0, 5), min_size=1, max_size=80)


@given(OWNERS, st.sampled_from([4, 8, 16]), st.integers(0, 3), st.sampled_from(["none", "weights"]))
def test_every_bag_is_of_one_patient_and_every_cell_is_in_one(patients, bag, seed, class_balance):
    some = owned(patients)
    hparams = tiny(instances="mean", bag=bag, class_balance=class_balance)
    order = epoch_order(some, hparams, seed=seed, epoch=1)
    bags = some.patients[order].reshape(-1, bag)
    assert (bags == bags[:, :1]).all()
    assert set(order.tolist()) == set(range(len(some)))
    counts = np.bincount(some.patients)
    assert len(order) == sum(-(-count // bag) * bag for count in counts)
    whole = sum(count // bag for count in counts) * bag
    assert len(set(order[:whole].tolist())) == whole  # what comes again fills the last bags
    assert (order == epoch_order(some, hparams, seed=seed, epoch=1)).all()
    assert rows_of_epoch(some, hparams) <= len(order) < rows_of_epoch(some, hparams) + bag * len(counts)


def test_bags_are_balanced_over_patients_too():
    some = owned([0] * 30 + [1] * 5 + [2] * 5)
    order = epoch_order(some, tiny(instances="top_k", bag=4, class_balance="patients"), seed=0, epoch=1)
    shares = [
        np.bincount(
            some.patients[
                epoch_order(some, tiny(instances="top_k", bag=4, class_balance="patients"), seed=0, epoch=epoch)
            ],
            minlength=3,
        )
        for epoch in range(200)
    ]
    np.testing.assert_allclose(np.mean(shares, axis=0) / np.sum(shares) * 200, [0.25, 0.5, 0.25], atol=0.03)
    assert len(order) % 4 == 0


def test_without_bags_nothing_comes_twice():
    some = owned([0, 1, 2, 3] * 5)
    assert sorted(epoch_order(some, tiny(), seed=0, epoch=1)) == list(range(20))
    assert rows_of_epoch(some, tiny()) == 20


def test_bags_from_shards_stay_near_the_windows():
    """All but the bags that are filled at the end come from a window as it is read, or the one before."""
    some = owned([0, 1] * 64)
    with folder() as place:
        pixels = stream(place, np.zeros((128, 2, 2, 3), np.uint8), rows_a_shard=16, window_shards=2)
        order = epoch_order(replace(some, pixels=pixels), tiny(instances="mean", bag=8), seed=0, epoch=1)
        shards = order // 16
        windows = [set(shards[first : first + 32].tolist()) for first in range(0, 128, 32)]
        assert all(len(window) <= 2 for window in windows)
