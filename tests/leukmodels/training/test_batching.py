"""What an epoch visits: all cells, balanced, or in bags of one patient."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leukmodels.dataset.cells import Cells
from leukmodels.dataset.pixels import Blocks
from leukmodels.training.batching import bag_size, epoch_order, rows_of_epoch
from toy_cells import cells, folder, stream, tiny


def owned(patients):
    """Return cells of these patients: of odd ones leukemic."""
    patients = np.array(patients, dtype=np.int32)
    some = cells(n=len(patients))
    names = tuple(f"P{i}" for i in range(patients.max() + 1))
    return replace(some, patients=patients, labels=(patients % 2).astype(np.uint8), patient_names=names)


OWNERS = st.lists(st.integers(0, 5), min_size=1, max_size=80)


@given(OWNERS, st.sampled_from([4, 8, 16]), st.integers(0, 3), st.sampled_from(["none", "weights"]))
def test_every_bag_is_of_one_patient_and_an_epoch_is_about_as_long(patients, bag, seed, class_balance):
    some = owned(patients)
    hparams = tiny(instances="mean", bag=bag, class_balance=class_balance)
    size = bag_size(some, hparams)
    counts = np.unique(some.patients, return_counts=True)[1]
    assert size <= min(bag, np.median(counts))
    order = epoch_order(some, hparams, seed=seed, epoch=1)
    bags = some.patients[order].reshape(-1, size)
    assert (bags == bags[:, :1]).all()
    assert set(some.patients[order]) == set(some.patients)
    assert len(order) == rows_of_epoch(some, hparams)
    assert abs(len(order) - len(some)) <= size / 2 * len(counts) + size
    whole = np.sort(np.concatenate([part for part in order.reshape(-1, size) if len(set(part)) == size] or [order]))
    assert (np.bincount(whole) <= 2).all()  # what comes again fills one bag of its patient
    assert (order == epoch_order(some, hparams, seed=seed, epoch=1)).all()


def test_every_cell_is_visited_within_some_epochs():
    some = owned([0] * 9 + [1] * 5 + [2] * 12)
    hparams = tiny(instances="top_k", bag=8)
    seen = {row for epoch in range(40) for row in epoch_order(some, hparams, seed=0, epoch=epoch).tolist()}
    assert seen == set(range(len(some)))


def test_a_patient_with_cells_of_both_classes_has_bags_of_each():
    some = owned([0] * 16 + [1] * 16)
    mixed = replace(some, labels=(np.arange(32) % 2).astype(np.uint8))
    labels = mixed.labels[epoch_order(mixed, tiny(instances="mean", bag=8), seed=0, epoch=1)].reshape(-1, 8)
    assert (labels == labels[:, :1]).all()
    assert sorted(labels[:, 0]) == [0, 0, 1, 1]


def test_without_patients_there_are_no_bags():
    """Every cell is then a patient of its own."""
    some = owned(range(30))
    hparams = tiny(instances="mean", bag=16)
    assert bag_size(some, hparams) == 1
    assert sorted(epoch_order(some, hparams, seed=0, epoch=1)) == list(range(30))


def test_bags_are_balanced_over_patients_too():
    some = owned([0] * 40 + [1] * 8 + [2] * 8)
    hparams = tiny(instances="top_k", bag=4, class_balance="patients")
    visited = np.concatenate([epoch_order(some, hparams, seed=0, epoch=epoch) for epoch in range(200)])
    np.testing.assert_allclose(np.bincount(some.patients[visited]) / len(visited), [0.25, 0.5, 0.25], atol=0.03)


def test_bags_come_in_random_order():
    """The last batches, which batch normalisation settles on, are of all patients."""
    some = owned([patient for patient in range(20) for _ in range(17)])
    order = epoch_order(some, tiny(instances="mean", bag=4), seed=0, epoch=1)
    assert len(set(some.patients[order[-80:]])) > 8


def test_without_bags_nothing_comes_twice():
    some = owned([0, 1, 2, 3] * 5)
    assert sorted(epoch_order(some, tiny(), seed=0, epoch=1)) == list(range(20))
    assert rows_of_epoch(some, tiny()) == 20


@pytest.mark.parametrize("class_balance", ["none", "patients"])
def test_bags_from_shards_are_of_a_window_so_that_each_shard_is_read_once(class_balance):
    patients = np.random.default_rng(0).integers(0, 12, 1024)
    some = owned(patients)
    with folder() as place:
        pixels = stream(place, np.zeros((1024, 2, 2, 3), np.uint8), rows_a_shard=32, window_shards=8)
        order = epoch_order(
            replace(some, pixels=pixels), tiny(instances="mean", bag=8, class_balance=class_balance), seed=0, epoch=1
        )
        bags = some.patients[order].reshape(-1, 8)
        assert (bags == bags[:, :1]).all()
        assert sum(len(np.unique(window // 32)) for window in pixels.windows(order)) == 32


@given(seed=st.integers(0, 2**32), epoch=st.integers(1, 1000))
def test_an_epoch_is_a_permutation_that_depends_on_seed_and_epoch_alone(seed: int, epoch: int) -> None:
    some = cells()
    order = epoch_order(some, tiny(class_balance="none"), seed=seed, epoch=epoch)
    assert sorted(order) == list(range(len(some)))
    assert (order == epoch_order(some, tiny(class_balance="weights"), seed=seed, epoch=epoch)).all()
    assert (order != epoch_order(some, tiny(class_balance="none"), seed=seed, epoch=epoch + 1)).any()


def test_balanced_sampling_gives_classes_and_then_patients_equal_shares() -> None:
    patients = np.repeat([0, 1, 2], [6000, 3000, 1000]).astype(np.int32)
    uneven = Cells(
        pixels=Blocks.of(np.zeros((10_000, 1, 1, 3), np.uint8)),
        labels=(patients == 2).astype(np.uint8),
        patients=patients,
        patient_names=("A", "B", "C"),
        image_ids=np.array(["x"] * 10_000),
    )
    order = epoch_order(uneven, tiny(class_balance="patients"), seed=0, epoch=1)
    shares = np.bincount(patients[order]) / len(order)
    np.testing.assert_allclose(shares, [0.25, 0.25, 0.5], atol=0.02)


@pytest.mark.parametrize(
    ("counts", "bag", "size"),
    [
        ([8, 8, 8], 8, 8),
        ([8, 8, 8], 16, 8),
        ([7, 7, 7], 8, 4),  # the power of 2 below
        ([9, 9, 9], 16, 8),
        ([4, 4, 100], 16, 4),  # the median, which one large patient does not raise
        ([1, 1, 100], 16, 1),
        ([8, 9], 16, 8),  # 8.5
    ],
)
def test_the_size_of_a_bag_is_the_power_of_two_within_the_median(counts, bag, size):
    some = owned(np.repeat(np.arange(len(counts)), counts))
    assert bag_size(some, tiny(instances="mean", bag=bag)) == size


@pytest.mark.parametrize(
    ("count", "rows"),
    [(8, 8), (9, 8), (10, 12), (11, 12), (12, 12), (1, 4), (2, 4), (5, 4), (6, 8)],
)
def test_half_a_bag_is_filled_up_and_less_waits(count, rows):
    """Bags of 4: 10 cells are two and a half; a single cell is all there is of its patient. Others have 4 each."""
    some = owned(np.repeat(np.arange(4), [count, 4, 4, 4]))
    hparams = tiny(instances="mean", bag=4)
    assert bag_size(some, hparams) == 4
    order = epoch_order(some, hparams, seed=0, epoch=1)
    assert np.bincount(some.patients[order]).tolist() == [rows, 4, 4, 4]
    assert rows_of_epoch(some, hparams) == rows + 12
