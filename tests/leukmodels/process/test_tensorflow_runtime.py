import subprocess
import sys

import pytest

from leukmodels.model.build import build
from leukmodels.process import tensorflow_runtime
from toy_cells import tiny

tensorflow_runtime.start(threads=1)


def test_the_light_half_loads_no_tensorflow() -> None:
    modules = (
        "space.dimensions space.hyperparameters dataset.cells evaluation.metrics training.scoring "
        "process.files predictor"
    )
    program = f"""
import importlib, sys
for name in {modules.split()}: importlib.import_module("leukmodels." + name)
sys.exit(str(sorted({{"tensorflow", "keras", "ray", "mlflow"}} & set(sys.modules)) or ""))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""


@pytest.mark.keras
def test_threads_are_settled_by_the_first_operation() -> None:
    import tensorflow as tf

    tf.constant(1) + 1
    in_force = tf.config.threading.get_intra_op_parallelism_threads()
    assert tensorflow_runtime.set_threads(in_force)
    assert not tensorflow_runtime.set_threads(in_force + 1)
    assert tf.config.threading.get_intra_op_parallelism_threads() == in_force


@pytest.mark.keras
def test_a_gpu_that_tensorflow_does_not_see_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    import tensorflow as tf

    monkeypatch.setattr(tf.config, "list_physical_devices", lambda *_: [])
    with pytest.raises(RuntimeError, match=r"given a GPU, but TensorFlow sees none: .*\[gpu\]"):
        tensorflow_runtime.start(threads=1, gpus=0.25)
    tensorflow_runtime.start(threads=1)
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda *_: ["GPU:0"])
    monkeypatch.setattr(tf.config.experimental, "set_memory_growth", lambda *_: None)
    tensorflow_runtime.start(threads=1, gpus=0.25)


@pytest.mark.keras
def test_a_seed_settles_the_initial_weights() -> None:
    def kernel(seed: int) -> list[float]:
        tensorflow_runtime.seed_everything(seed)
        weights: list[float] = build(tiny(), image_px=8, black_background=False).get_weights()[0].ravel().tolist()
        return weights

    assert kernel(1) == kernel(1)
    assert kernel(1) != kernel(2)
