"""An exported model, ready to answer for image files and arrays."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
import numpy.typing as npt

from leukmodels.collections.source import LocalFolder
from leukmodels.dataset.pixels import Blocks
from leukmodels.domain.training_domain import Likeness, TrainingDomain
from leukmodels.errors import BadImageError, ConfigError
from leukmodels.images.decoding import decode, most_bytes, prepare, side_px, square_px
from leukmodels.model.exported import FILE, MODEL_FILE, Preparation, current_export
from leukmodels.training import scoring

if TYPE_CHECKING:
    import keras
    import pandas as pd

_FILES_AT_ONCE = 256

Image = Path | str | npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the model says of one image: a score and whether it is the disease, or what kept it from an answer.

    path      of its file, None of an array
    score     probability of the task's disease; None with an error, and of an unlike image unless asked for
    disease   score >= threshold, None where there is no score
    error     why the image cannot be used
    unlike    in what the image, or all that were asked for together, is unlike the training cells
    """

    path: Path | None
    score: float | None
    disease: bool | None
    error: str | None = None
    unlike: str | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class _Prepared:
    """The pixels of an image as the model was trained on, and the side of the square that they were scaled from."""

    pixels: npt.NDArray[np.uint8]
    side_px: int


@dataclass(frozen=True, kw_only=True)
class _Scored:
    score: float
    beside: Likeness | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Predictor:
    """A model with the threshold and the image preparation that it was chosen with.

    crop_px is the side of the centre crop before resizing, None for none; disease and control name the task's classes,
    and positive and negative are what answers call them; measured says in a sentence what the model was measured to do,
    on its test where that was opened for it; domain is what its training cells look like, None where the export does
    not say; a synthetic model's were drawn.
    """

    model: "keras.Model"
    threshold: float
    image_px: int
    crop_px: int | None
    task: str
    disease: tuple[str, ...]
    control: tuple[str, ...]
    positive: str = ""
    negative: str = ""
    measured: str = ""
    synthetic: bool = False
    domain: TrainingDomain | None = None

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Return the predictor of a folder that export wrote: one export, or several of which one is current.

        Raises ConfigError with everything that is missing or contradictory, or where the model is another than was
        measured. Nothing in the folder can run code: Keras loads in safe mode, YAML as plain values.
        """
        folder = current_export(folder)
        preparation = read_preparation(folder)
        from leukmodels.model import build as models

        file = folder / MODEL_FILE
        try:
            model = models.load(file)
        except Exception as error:  # Keras raises anything from OSError to KeyError on damaged files
            raise ConfigError(f"{file} is not a model of this software:", [str(error)]) from error
        px = preparation.image_px
        if model.input_shape != (None, px, px, 3):
            raise ConfigError(
                f"The files in {folder} do not belong together:",
                [f"{FILE} says image_px {px}; {MODEL_FILE} takes images of shape {model.input_shape}."],
            )
        kept = {each.name for each in fields(cls)} - {"model", "domain"}
        return cls(
            model=model,
            domain=TrainingDomain.load(folder, preparation.domain) if preparation.domain else None,
            **{name: getattr(preparation, name) for name in kept},
        )

    def predict(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
        """Return the probability of the disease of prepared images (n, image_px, image_px, 3), shape (n,).

        Whatever the images are: ``answers`` and ``classify`` leave out those that are unlike the training cells.
        """
        return scoring.predict(self._scoring, Blocks.of(images))

    @cached_property
    def _scoring(self) -> scoring.Scoring:
        return scoring.scoring(self.model)

    def score(self, images: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float32]]:
        """Return what ``predict`` does, and the features (n, d) that the model's last layer makes it of."""
        return scoring.predict_with_features(self._featuring, images)

    @cached_property
    def _featuring(self) -> scoring.Featuring:
        return scoring.featuring(self.model)

    def classify(self, images: Sequence[Image], *, answer_unlike: bool = False) -> "pd.DataFrame":
        """Return a row an image: image (its path, or its number), score, disease, unlike, error, synthetic.

        ``images`` are paths of files, or uint8 arrays (h, w, 3) as they were taken, which are prepared as files are;
        one set, such as the cells of a patient. ``unlike`` says in what an image, or the whole set, is unlike the
        training cells, ``error`` why it cannot be used, both "" where there is nothing to say; with either there is no
        answer (score and disease), but for unlike images where ``answer_unlike``. ``synthetic`` is whether the model
        was trained on drawn cells.
        """
        import pandas as pd

        rows = [
            {
                "image": str(number if answer.path is None else answer.path),
                "score": answer.score,
                "disease": answer.disease,
                "unlike": answer.unlike or "",
                "error": answer.error or "",
                "synthetic": self.synthetic,
            }
            for number, answer in enumerate(self.answers(images, answer_unlike=answer_unlike))
        ]
        return pd.DataFrame(rows, columns=["image", "score", "disease", "unlike", "error", "synthetic"])

    def answers(self, images: Sequence[Image], *, answer_unlike: bool = False) -> list[Answer]:
        """Return an answer for each image of a set, in order; one that cannot be used gets an error, never a class.

        One that is unlike the training cells, by itself or with the others, gets a class where ``answer_unlike``.
        """
        chunks = (images[first : first + _FILES_AT_ONCE] for first in range(0, len(images), _FILES_AT_ONCE))
        seen = [each for chunk in chunks for each in self._look_at(chunk)]
        return [
            self._answer(None if isinstance(image, np.ndarray) else Path(image), each, unlike, answer_unlike)
            for image, each, unlike in zip(images, seen, self._unlike(seen), strict=True)
        ]

    def _answer(self, path: Path | None, seen: _Scored | str, unlike: str | None, answer_unlike: bool) -> Answer:
        if isinstance(seen, str):
            return Answer(path=path, score=None, disease=None, error=seen)
        if unlike and not answer_unlike:
            return Answer(path=path, score=None, disease=None, unlike=unlike)
        return Answer(path=path, score=seen.score, disease=seen.score >= self.threshold, unlike=unlike)

    def _unlike(self, seen: Sequence[_Scored | str]) -> list[str | None]:
        """Return in what each image of the set is unlike the training cells, None where in nothing that is known."""
        beside = {row: each.beside for row, each in enumerate(seen) if isinstance(each, _Scored) and each.beside}
        said = dict(zip(beside, self.domain.unlike([*beside.values()]) if self.domain else (), strict=True))
        return [said.get(row) or None for row in range(len(seen))]

    def _look_at(self, given: Sequence[Image]) -> list[_Scored | str]:
        """Return of each image what the model and the domain say, or the reason why it cannot be used."""
        prepared = [self._prepare(image) for image in given]
        usable = [image for image in prepared if isinstance(image, _Prepared)]
        scored = iter(self._score(usable) if usable else [])
        return [next(scored) if isinstance(image, _Prepared) else image for image in prepared]

    def _score(self, usable: Sequence[_Prepared]) -> list[_Scored]:
        images = np.stack([image.pixels for image in usable])
        if self.domain is None:
            return [_Scored(score=score, beside=None) for score in self.predict(images).tolist()]
        scores, features = self.score(images)
        beside = self.domain.beside(images, features, [image.side_px for image in usable])
        return [_Scored(score=score, beside=each) for score, each in zip(scores.tolist(), beside, strict=True)]

    def _prepare(self, image: Image) -> _Prepared | str:
        """Return the pixels as the model was trained on, or the reason why not."""
        try:
            if isinstance(image, np.ndarray):
                pixels = prepare(image, image_px=self.image_px, crop_px=self.crop_px)
                return _Prepared(pixels=pixels, side_px=square_px(*image.shape[1::-1], crop_px=self.crop_px))
            # As a collection's files are: a pipe is not waited for, and a huge file not read to its end.
            data = LocalFolder(root=str(Path(image).parent)).read(str(image), max_bytes=most_bytes())
            pixels = decode(data, image_px=self.image_px, crop_px=self.crop_px)
            return _Prepared(pixels=pixels, side_px=side_px(data, crop_px=self.crop_px))
        except BadImageError as error:
            return str(error)
        except OSError as error:
            return f"the file cannot be read: {error.strerror}"


def read_preparation(folder: Path) -> Preparation:
    """Return how images are prepared for the exported model in ``folder``, without loading it.

    ConfigError where a file is missing, or the model is another than was measured.
    """
    if missing := [name for name in (MODEL_FILE, FILE) if not (folder / name).is_file()]:
        raise ConfigError(
            f"{folder} holds no exported model:",
            [f"{name} is missing; write the folder with python -m search.export." for name in missing],
        )
    preparation = Preparation.read(folder)
    preparation.check_model(folder)
    return preparation
