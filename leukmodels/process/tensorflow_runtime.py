"""TensorFlow's process-wide settings: threads, noise, memory, seeds. Nothing happens on import."""

import contextlib
import os
import sys
from collections.abc import Iterator


def start(*, threads: int, gpus: float = 0.0, deterministic: bool = False) -> bool:
    """Make this process ready to train: quiet, with the given number of threads and GPU memory taken as needed.

    Call it before anything else uses TensorFlow. `gpus` is the share of GPUs that this process was given. With
    `deterministic` equal work gives equal bits, on one kind of machine and with as many threads. Returns what
    set_threads returns; raises RuntimeError when a GPU was given and TensorFlow sees none, which would train on the
    processor without a word.
    """
    # Read by TensorFlow's C++ half as it loads: 0 all, 1 no information, 2 no warnings, 3 no errors.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with _silent_stderr():
        import tensorflow as tf

        seen = visible_gpus()
    if gpus > 0 and not seen:
        raise RuntimeError(
            "This trial was given a GPU, but TensorFlow sees none: install the extra (pip install '.[gpu]') on every "
            "node."
        )
    # A worker that trains one model after another traces a graph for each; TensorFlow warns of that as of a mistake.
    tf.get_logger().setLevel("ERROR")
    grow_gpu_memory()
    if deterministic:
        tf.config.experimental.enable_op_determinism()
    return set_threads(threads)


@contextlib.contextmanager
def _silent_stderr() -> Iterator[None]:
    """Keep file descriptor 2 quiet: TensorFlow 2.21 writes lines there as it loads, whatever the log level says."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123  a descriptor is what is needed
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def set_threads(threads: int) -> bool:
    """Give TensorFlow's operations this many threads; return whether they are in force.

    TensorFlow takes the number once per process, before its first operation, and ignores OMP_NUM_THREADS. Later calls
    change nothing: they return True when the number is the one in force already, else False. One operation runs at a
    time (inter-op 1): within a convolution the threads have enough to do, and two pools would use twice the cores.
    """
    import tensorflow as tf

    threading = tf.config.threading
    try:
        threading.set_inter_op_parallelism_threads(1)
        threading.set_intra_op_parallelism_threads(threads)
    except RuntimeError:  # already initialised
        pass
    return bool(threading.get_intra_op_parallelism_threads() == threads)


def visible_gpus() -> int:
    """Return how many GPUs TensorFlow sees, and would train on."""
    import tensorflow as tf

    return len(tf.config.list_physical_devices("GPU"))


def grow_gpu_memory() -> None:
    """Let GPU memory grow with need, so that several trials share one GPU; no effect once a GPU is in use."""
    import tensorflow as tf

    for gpu in tf.config.list_physical_devices("GPU"):
        try:
            tf.config.experimental.set_memory_growth(gpu, True)
        except RuntimeError:  # already initialised
            return


def seed_everything(seed: int) -> None:
    """Seed Python, numpy and TensorFlow, from which Keras draws initial weights and its layers' own seeds."""
    import keras

    keras.utils.set_random_seed(seed)
