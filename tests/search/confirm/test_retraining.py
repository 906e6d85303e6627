"""A confirmation with the Keras models of a real study, trained and asked in Ray's workers."""

import json

import numpy as np
import pytest
from sklearn.metrics import recall_score

from confirming import PX, events, searched
from leukmodels.dataset.pixels import Blocks
from leukmodels.dataset.split import Split
from leukmodels.images.decoding import decode
from leukmodels.model.build import build, load
from leukmodels.process import tensorflow_runtime
from leukmodels.space.hyperparameters import HyperParams
from leukmodels.training.scoring import predict, read_scores, scoring
from search.confirm.confirmation import confirm
from search.confirm.options import ConfirmOptions
from search.run.planning import plan_again

pytestmark = pytest.mark.keras


@pytest.fixture
def place(session, tmp_path):
    """Return a study whose trials have models, as good as their random weights."""
    folder = searched(tmp_path, blocks=2, filters=8, dense_units=16)
    tensorflow_runtime.start(threads=1)
    for number in range(3):
        params = events(folder, "trial_started")[number]["params"]
        build(HyperParams.from_dict(params), image_px=PX, black_background=False).save(
            folder.trial(number) / "model.keras"
        )
    return folder


def test_keras_models_are_trained_again_probed_and_asked_about_the_test(place, session, tmp_path):
    plan = plan_again(place, given={}, cache=tmp_path / "cache", command="confirm")
    asked = ConfirmOptions(study="study", members=1, folds=3, seeds=1, choose=1)
    ranking = confirm(plan, asked, session)
    retrained = events(place, "retrained") + events(place, "retrained", by_image=True)
    assert len(retrained) == 3 * len(ranking) + 3
    assert not any(event["reason"] for event in retrained)
    assert not [*place.confirmed.rglob("*.keras"), *place.confirmed.rglob("*.npz")]  # checkpoints would fill the disk
    names = [probe["name"] for probe in json.loads((place.confirmed / "probes.json").read_text())]
    assert names[-1] == "the model, split by image"
    split, root = Split.load(place.split), tmp_path / "mll"
    for event in events(place, "tested"):
        table = read_scores(place.confirmed / "test" / "1" / f"{event['trial']}.parquet")
        assert {*table["patient"].to_pylist()} == {*split.patients("test")}
        images = [decode((root / name).read_bytes(), image_px=PX, crop_px=None) for name in table["image"].to_pylist()]
        own = predict(scoring(load(place.trial(event["trial"]) / "model.keras")), Blocks.of(np.stack(images)))
        np.testing.assert_allclose(table["score"].to_numpy(), own, atol=1e-5)
        assert event["metrics"]["recall"] == recall_score(table["label"].to_numpy(), table["score"].to_numpy() >= 0.5)
        examples = json.loads((place.confirmed / "test" / "1" / str(event["trial"]) / "examples.json").read_text())
        assert {example["patient"] for example in examples} <= {*split.patients("test")}
