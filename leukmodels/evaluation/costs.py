"""What using a model costs: each kind with its measure, and where the hypervolume ends that it is an axis of.

To add one, write a ``Cost`` and name it in ``COSTS``, or in an entry point of the group ``leukemia_search.costs`` in a
package of your own. It is then measured once a trial, can be searched for, bounded, preferred and shown.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from leukmodels.process.parts import registered

if TYPE_CHECKING:
    import keras

_LATENCY_CALLS = 20


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainedModel:
    """A model whose use is to be measured; ``predict`` gives probabilities (n,) of images (n, px, px, 3), 0..255."""

    model: "keras.Model"
    predict: Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.floating]]
    image_px: int


@dataclass(frozen=True, kw_only=True)
class Cost:
    """One kind of cost; lower is better.

    name        of the metric, in files, options and MLflow: letters, digits and _
    label       of tables and axes, with its unit
    digits      decimals that are shown
    reference   the cost at which the hypervolume ends where no ceiling says it, above 0
    limit       what the option ``--max-NAME`` is about, such as "ms an image"
    timed       whether the clock measures it, so that equal runs differ
    measure     a trained model to its cost, from 0
    """

    name: str
    label: str
    digits: int
    reference: float
    limit: str
    timed: bool
    measure: Callable[[TrainedModel], float]

    @property
    def ceiling(self) -> str:
        """The field of a study's options that bounds it."""
        return f"max_{self.name}"


def _latency(trained: TrainedModel) -> float:
    """Return the median time in ms for one image alone, on this process' threads or GPU."""
    image = np.zeros((1, trained.image_px, trained.image_px, 3), dtype=np.uint8)
    times = []
    for _ in range(_LATENCY_CALLS):
        start = time.perf_counter()
        trained.predict(image)
        times.append(time.perf_counter() - start)
    return 1000 * float(np.median(times))


LATENCY = Cost(
    name="latency_ms",
    label="latency, ms",
    digits=2,
    reference=100.0,
    limit="ms an image",
    timed=True,
    measure=_latency,
)
PARAMETERS = Cost(
    name="parameters",
    label="parameters",
    digits=0,
    reference=100e6,
    limit="weights of a model",
    timed=False,
    measure=lambda trained: int(trained.model.count_params()),
)
COSTS = registered("leukemia_search.costs", [LATENCY, PARAMETERS])
