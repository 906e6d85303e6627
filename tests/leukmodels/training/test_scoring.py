from pathlib import Path

import numpy as np
import pytest

from leukmodels.model.build import build
from leukmodels.process import tensorflow_runtime
from leukmodels.training.scoring import predict, read_scores, scoring, write_scores
from toy_cells import cells, images_of, tiny

tensorflow_runtime.start(threads=1)


@pytest.mark.keras
@pytest.mark.parametrize("batch_size", [1, 16, 64])
def test_scores_do_not_depend_on_the_batch(batch_size: int) -> None:
    some = cells(n=20)
    model = build(tiny(), image_px=8, black_background=False)
    scores = predict(scoring(model), some.pixels, batch_size=batch_size)
    assert (scores.shape, scores.dtype) == ((20,), np.float64)
    np.testing.assert_allclose(scores, model.predict_on_batch(images_of(some))[:, 0], rtol=1e-5)


def test_written_scores_are_read_back_in_order(tmp_path: Path) -> None:
    some = cells(n=5)
    scores = np.linspace(0, 1, 5)
    path = tmp_path / "trial" / "scores.parquet"
    write_scores(path, some, scores)
    table = read_scores(path).to_pydict()
    assert table["image"] == some.image_ids.tolist()
    assert table["patient"] == ["T0", "T1", "T2", "T3", "T0"]
    assert table["label"] == [0, 1, 0, 1, 0]
    assert table["score"] == scores.tolist()
    assert [file.name for file in path.parent.iterdir()] == ["scores.parquet"]
