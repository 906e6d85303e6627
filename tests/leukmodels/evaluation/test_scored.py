"""Scores put together, and seen by patient."""

import numpy as np
import pyarrow as pa
import pytest

from leukmodels.errors import DataError
from leukmodels.evaluation.scored import Scored, by_patient, cells_of
from leukmodels.training.scoring import SCORES_SCHEMA
from toy_scores import scored

ROWS = [("a.tif", "P2", 1, 0.9), ("b.tif", "P1", 0, 0.2), ("c.tif", "P2", 1, 0.4), ("d.tif", "P3", 1, 0.5)]


def test_a_table_of_scores_becomes_rows_with_patients_by_name():
    found = Scored.from_table(pa.table([list(column) for column in zip(*ROWS, strict=True)], schema=SCORES_SCHEMA))
    assert found.patient_names == ("P1", "P2", "P3")
    assert found.patients.tolist() == [1, 0, 1, 2]
    assert found.labels.tolist() == [1, 0, 1, 1]
    assert found.scores.tolist() == [0.9, 0.2, 0.4, 0.5]
    assert found.images.tolist() == ["a.tif", "b.tif", "c.tif", "d.tif"]


def test_a_patient_has_the_mean_of_its_cells_or_the_share_that_reaches_a_threshold():
    cells = scored([1, 0, 1, 1], [0.9, 0.2, 0.4, 0.5], [2, 0, 2, 3])
    mean, share = by_patient(cells), by_patient(cells, threshold=0.5)
    assert mean.patient_names == share.patient_names == ("P0", "P2", "P3")  # P1 has no cell
    assert mean.labels.tolist() == [0, 1, 1]
    assert mean.scores == pytest.approx([0.2, 0.65, 0.5])
    assert share.scores.tolist() == [0, 0.5, 1]
    assert cells_of(cells).tolist() == [1, 2, 1]


def test_a_patient_is_no_more_leukemic_for_more_cells():
    few = scored([1, 0], [0.7, 0.3], [0, 1])
    many = scored([1] * 50 + [0] * 3, [0.7] * 50 + [0.3] * 3, [0] * 50 + [1] * 3)
    assert by_patient(many).scores == pytest.approx(by_patient(few).scores)
    assert by_patient(many, 0.5).scores.tolist() == by_patient(few, 0.5).scores.tolist()


def test_the_view_by_patient_is_its_own():
    cells = scored([1, 0, 1], [0.9, 0.2, 0.4], [0, 1, 0])
    assert by_patient(by_patient(cells)).scores.tolist() == by_patient(cells).scores.tolist()


def test_equal_scores_keep_within_0_and_1():
    assert by_patient(scored([1] * 7 + [0], [1.0] * 7 + [0.1], [0] * 7 + [1])).scores.max() <= 1


def test_a_patient_with_cells_of_both_classes_has_no_view():
    mixed = scored([1, 0, 0], [0.9, 0.1, 0.2], [0, 0, 1])
    assert len(mixed.groups) == 3
    with pytest.raises(DataError, match="1 patients have cells of both classes"):
        by_patient(mixed)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": np.array([1, 1], np.uint8)}, "labels holds \\[1\\]; expected both"),
        ({"scores": np.array([0.1, np.nan])}, "no probability"),
        ({"scores": np.array([0.1, 1.1])}, "no probability"),
        ({"scores": np.array([0.1, 0.2], np.float32)}, "dtype float32; expected float64"),
        ({"patients": np.array([0, 2], np.int32)}, "patients holds 0 to 2; expected indices of 2"),
        ({"patients": np.array([0], np.int32)}, "shape \\(1,\\); expected \\(2,\\)"),
        ({"patient_names": ("A", "A")}, "a name twice"),
        ({"images": np.array([b"a", b"b"])}, "a fixed-width string"),
        ({name: np.array([], kind) for name, kind in {"labels": "u1", "scores": "f8"}.items()}, "not one score"),
    ],
)
def test_what_does_not_fit_together_is_refused(change, message):
    parts = {
        "labels": np.array([0, 1], np.uint8),
        "scores": np.array([0.1, 0.9]),
        "patients": np.array([0, 1], np.int32),
        "patient_names": ("A", "B"),
        "images": np.array(["a", "b"]),
    }
    Scored(**parts)
    with pytest.raises(DataError, match=message):
        Scored(**{**parts, **change})
