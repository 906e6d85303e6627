"""An exported model asked as a user would ask it: its answers must be those that the study recorded."""

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leukmodels.collections.source import open_source
from leukmodels.errors import BadImageError, DataError, StudyError
from leukmodels.model.exported import Verification

if TYPE_CHECKING:
    from leukmodels.predictor import Predictor

SAMPLE = 32
# The same arithmetic on another machine or device rounds elsewhere; another model or another preparation of the images
# is off by far more.
EXACT, TOLERABLE = 1e-4, 2e-2
_FILE_BYTES = 1 << 30  # of an image that the study could use


def verify(bundle: Path, *, scores: Path, images: str) -> Verification:
    """Load the model of ``bundle`` as a user would, and score the validation cells again that the study recorded.

    ``scores`` is its record, by the files' names; ``images`` is where the study read them, a folder or an address.
    StudyError where the answers are not the recorded ones. Where no image is left, only that it answers is checked.
    """
    import numpy as np

    from leukmodels.predictor import Predictor
    from leukmodels.process.machine import cores
    from leukmodels.process.tensorflow_runtime import start
    from leukmodels.training.scoring import read_scores

    start(threads=cores())
    recorded = read_scores(scores)
    predictor = Predictor.load(bundle)
    rows = np.unique(np.linspace(0, recorded.num_rows - 1, min(SAMPLE, recorded.num_rows)).astype(int))
    sample = recorded.take(rows)
    pairs = _score_again(predictor, sample.to_pylist(), images)
    if not pairs:
        px = predictor.image_px
        probe = predictor.predict(np.random.default_rng(0).integers(0, 256, (2, px, px, 3), dtype=np.uint8))
        if not np.all((probe >= 0) & (probe <= 1)):
            raise StudyError(f"The exported model does not answer with probabilities but with {probe.tolist()}.")
        note = "the images are no longer where the study read them: the model loads and answers, no score was compared"
        return Verification(checked=0, largest_difference=0.0, note=note)
    again, before = np.array(pairs).T
    largest = float(np.max(np.abs(again - before)))
    if not largest <= TOLERABLE:
        raise StudyError(
            f"The exported model scores {len(pairs)} validation cells up to {largest:.3g} away from what the study "
            f"recorded (allowed: {TOLERABLE:g}), so nothing was exported. Were the images in {images} changed since?"
        )
    note = "the recorded scores came out again"
    if largest > EXACT:
        note += ", with the rounding of another device"
    return Verification(checked=len(pairs), largest_difference=largest, note=note)


def _score_again(predictor: "Predictor", cells: list[dict[str, Any]], images: str) -> list[tuple[float, float]]:
    """Return today's score and the recorded one of each cell whose image can still be read."""
    import numpy as np

    from leukmodels.images.decoding import decode

    pixels, recorded = [], []
    try:
        source = open_source(images)
        for cell in cells:
            with suppress(OSError, BadImageError):
                data = source.read(f"{source.root.rstrip('/')}/{cell['image']}", max_bytes=_FILE_BYTES)
                pixels.append(decode(data, image_px=predictor.image_px, crop_px=predictor.crop_px))
                recorded.append(cell["score"])
    except DataError:  # nobody answers there any more: each further cell would be waited for
        pass
    return list(zip(predictor.predict(np.stack(pixels)).tolist(), recorded, strict=True)) if pixels else []
