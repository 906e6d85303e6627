"""Deterministic runs that are equal are equal to the bit, also one that was stopped and went on."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from waiting import HANGS_S

pytestmark = pytest.mark.keras
ROOT = Path(__file__).resolve().parents[3]

PROGRAM = """
import hashlib, json, sys
from pathlib import Path
from leukmodels.process import tensorflow_runtime
tensorflow_runtime.start(threads=2, deterministic=True)
import keras
from leukmodels.training import experiment
from leukmodels.training.scoring import read_scores
from leukmodels.training.training_loop import Budget
from toy_cells import tiny, training_data

def digest(arrays):
    return hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()

def trial(folder, stop_at=0):
    def report(epoch, numbers):
        if epoch == stop_at:
            raise SystemExit
    hparams = tiny(dropout=0.3, augmentation=0.5, filters=32, class_balance="patients")
    budget = Budget(epochs=3, patience=3, checkpoint_every_s=0)
    data = training_data(image_px=16)
    experiment.run(hparams, data, budget=budget, seed=5, folder=folder, report=report, precision="bfloat16")
    model = keras.saving.load_model(folder / experiment.MODEL_FILE)
    return [digest(model.get_weights()), digest([read_scores(folder / experiment.SCORES_FILE)["score"].to_numpy()])]

place, stop_at = Path(sys.argv[1]), int(sys.argv[2])
try:
    found = trial(place, stop_at)
except SystemExit:
    found = trial(place)
print(json.dumps(found))
"""


def test_equal_trials_give_equal_bits_and_so_does_one_that_was_stopped(tmp_path: Path) -> None:
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, tmp_path / str(stop_at), str(stop_at)],
            cwd=ROOT,
            env={"PYTHONPATH": f"{ROOT}:{ROOT}/tests/support", "TF_CPP_MIN_LOG_LEVEL": "3"},
            stdout=subprocess.PIPE,
            text=True,
        )
        for stop_at in (0, 2)
    ]
    whole, stopped = (json.loads(run.communicate(timeout=HANGS_S)[0]) for run in runs)
    assert whole == stopped
    assert len(set(whole)) == 2
