from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial.distance import mahalanobis

from leukmodels.domain.gaussian import Gaussian


def vectors(n: int = 200, d: int = 3, seed: int = 0) -> np.ndarray[Any, np.dtype[np.float32]]:
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) + 5).astype(np.float32)


def test_distances_are_mahalanobis_distances() -> None:
    known, asked = vectors(), vectors(seed=1)
    gaussian = Gaussian.fit(known, floor=1e-6)
    scale = known.std(axis=0, dtype=np.float64)
    # d cells without correlation are known beforehand
    correlations = (np.corrcoef(known.T.astype(np.float64)) * 200 + 3 * np.eye(3)) / 203
    inverse = np.linalg.inv(correlations * np.outer(scale, scale))
    expected = [mahalanobis(each, known.mean(axis=0, dtype=np.float64), inverse) / np.sqrt(3) for each in asked]
    np.testing.assert_allclose(np.exp(gaussian.logs(asked)), expected, rtol=1e-4)


def test_a_number_that_never_differed_counts_as_spread_by_the_floor() -> None:
    known = vectors()
    known[:, 1] = 7
    gaussian = Gaussian.fit(known, floor=0.1)
    assert gaussian.scale[1] == pytest.approx(0.1)
    assert gaussian.standardised(np.array([[5, 7.3, 5]], np.float32))[0, 1] == pytest.approx(3, abs=1e-4)


def test_fewer_cells_than_numbers_have_no_distance_of_nought_from_their_own_plane() -> None:
    gaussian = Gaussian.fit(vectors(n=4, d=20), floor=0.1)
    logs = gaussian.logs(vectors(n=50, d=20, seed=1))
    assert np.isfinite(logs).all()
    assert gaussian.logs(gaussian.mean[None])[0] == pytest.approx(np.log(1e-3))


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    gaussian = Gaussian.fit(vectors(), floor=0.1)
    gaussian.save(tmp_path / "cloud.npy")
    loaded = Gaussian.load(tmp_path / "cloud.npy")
    for name in ("mean", "scale", "whitening"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(gaussian, name))


GOOD = np.column_stack([np.zeros(2), np.ones(2), np.eye(2)]).astype(np.float32)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (GOOD.astype(np.float64), "float64 of shape"),
        (GOOD[:, :3], r"shape \(2, 3\); expected float32 \(d, d \+ 2\)"),
        (GOOD[0], "shape"),
        (np.where(GOOD == 1, np.nan, GOOD), "no spread"),
        (GOOD * np.float32([1, 0, 1, 1]), "no spread"),
        (np.array([[None]], dtype=object), r"allow_pickle|Python objects"),
    ],
)
def test_a_file_of_anything_else_is_refused(array: Any, message: str, tmp_path: Path) -> None:
    np.save(tmp_path / "cloud.npy", array, allow_pickle=True)
    with pytest.raises(ValueError, match=message):
        Gaussian.load(tmp_path / "cloud.npy")


def test_a_header_that_promises_more_than_there_is_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "cloud.npy", GOOD)
    content = (tmp_path / "cloud.npy").read_bytes()
    (tmp_path / "cloud.npy").write_bytes(content[:-4])
    with pytest.raises(ValueError, match=r"mmap|size"):
        Gaussian.load(tmp_path / "cloud.npy")
