"""One way to train the default CNN, in a process of its own: what bench_training.py compares.

Reads JSON lines: first the way (see Way), then a number of batches, again and again. Answers each with a line of JSON,
the first with the seconds of making and of the first step, the others with those of the batches, all of them the
processor's: what other programs take meanwhile is not counted.
"""

import ctypes
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of glibc's mallopt
Train = Callable[[int], None]


@dataclass(frozen=True, kw_only=True)
class Way:
    """How to train.

    image_px, batch_size, images   side, images a step, and images in memory
    fit           Keras' own fit on an array of this type, all else as it is by default; "": the project's step
    precision     as numerics.computing takes it
    fused         False: Keras' own batch normalisation
    steps, jit    of fit: steps an execution, and XLA
    static        the batch size is compiled in
    bias, adam    TensorFlow's single operations instead of what Keras makes of several
    keep_memory   malloc gives nothing back to the system
    threads       within an operation, and operations at once; 0: TensorFlow's choice
    optimizer     switches of TensorFlow's graph optimiser
    deterministic as the option
    """

    image_px: int = 144
    batch_size: int = 32
    images: int = 256
    fit: str = ""
    precision: Any = "float32"
    fused: bool = True
    steps: int = 1
    jit: bool = False
    static: bool = False
    bias: bool = False
    adam: bool = False
    keep_memory: bool = False
    threads: tuple[int, int] = (1, 1)
    optimizer: dict[str, bool] = field(default_factory=dict)
    deterministic: bool = False


def made(way: Way) -> Train:
    """Return what trains a number of batches this way."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras
    import tensorflow as tf

    from leukmodels.model import build
    from leukmodels.space.hyperparameters import HyperParams
    from leukmodels.training import compiled, mixed_precision

    within, at_once = way.threads
    tf.config.threading.set_intra_op_parallelism_threads(within)
    tf.config.threading.set_inter_op_parallelism_threads(at_once)
    tf.config.optimizer.set_experimental_options(way.optimizer)
    if way.deterministic:
        tf.config.experimental.enable_op_determinism()
    if not way.fused:
        mixed_precision._can_be_fused = lambda _: False  # type: ignore[assignment]
    if way.bias:
        build.layers.Conv2D = _with_bias_add(keras, tf)  # type: ignore[misc]
    keras.utils.set_random_seed(0)
    hparams = HyperParams(batch_size=way.batch_size)
    built = build.build(hparams, image_px=way.image_px, black_background=False)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (way.images, way.image_px, way.image_px, 3), dtype=np.uint8)
    labels = rng.integers(0, 2, (way.images, 1)).astype(np.float32)
    size = way.batch_size
    if way.fit:
        built.compile("adam", "binary_crossentropy", steps_per_execution=way.steps, jit_compile=way.jit or "auto")
        array = images.astype(way.fit)

        def fit(batches: int) -> None:
            with mixed_precision.computing(built, way.precision):  # is traced in the first call
                built.fit(array[: batches * size], labels[: batches * size], batch_size=size, verbose=0)

        return fit
    compiled.compile_model(built, hparams, steps=1)
    if way.adam:
        optimizer = _single_adam(keras, tf)(hparams.learning_rate)
        optimizer.build(built.trainable_variables)
        built.compile(optimizer, "binary_crossentropy", jit_compile=False)
    step = compiled.Graphs.of(built, way.precision).step
    if way.static:
        shapes = [
            tf.TensorSpec((size, *built.input_shape[1:]), tf.uint8),
            tf.TensorSpec((size, 1)),
            tf.TensorSpec(size),
        ]
        step = tf.function(lambda *batch: built.train_step(batch), shapes, autograph=False)
        with mixed_precision.computing(built, way.precision):
            step.get_concrete_function()
    weights = np.ones(size, np.float32)

    def train(batches: int) -> None:
        logs: Any = {}
        for first in range(0, batches * size, size):
            logs = step(images[first : first + size], labels[first : first + size], weights)
        float(logs["loss"])

    return train


def _with_bias_add(keras: Any, tf: Any) -> type:
    """Return a convolution that adds its bias by the operation that is made for that."""

    class Conv2D(keras.layers.Conv2D):  # type: ignore[misc]
        def call(self, maps: Any) -> Any:
            bare = self.convolution_op(maps, self.kernel)
            return self.activation(tf.nn.bias_add(bare, tf.cast(self.bias, bare.dtype)))

    return Conv2D


def _single_adam(keras: Any, tf: Any) -> type:
    """Return Adam as one operation a weight."""

    class Adam(keras.optimizers.Adam):  # type: ignore[misc]
        def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
            place, step = self._get_variable_index(variable), tf.cast(self.iterations + 1, tf.float32)
            tf.raw_ops.ResourceApplyAdam(
                var=variable.handle,
                m=self._momentums[place].value.handle,
                v=self._velocities[place].value.handle,
                beta1_power=self.beta_1**step,
                beta2_power=self.beta_2**step,
                lr=learning_rate,
                beta1=self.beta_1,
                beta2=self.beta_2,
                epsilon=self.epsilon,
                grad=gradient,
            )

    return Adam


def main() -> None:
    """Answer until nothing more is asked."""
    way = Way(**json.loads(sys.stdin.readline()))
    if way.keep_memory:
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_MAX, 0)
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
    start = time.process_time()
    train = made(way)
    built = time.process_time()
    train(1)
    print(json.dumps({"made": built - start, "first": time.process_time() - built}), flush=True)
    for line in sys.stdin:
        start = time.process_time()
        train(int(line))
        print(json.dumps(time.process_time() - start), flush=True)


if __name__ == "__main__":
    main()
