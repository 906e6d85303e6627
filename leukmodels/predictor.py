"""An exported model, ready to answer for image files.

    python -m leukmodels.predictor results/runx1 cell_1.tif cell_2.tif

prints a line an image. Exit status 1 if an image could not be read, 2 if the folder holds no usable model.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field

from leukmodels.collections.tasks import sides
from leukmodels.dataset.pixels import Blocks
from leukmodels.errors import BadImageError, ConfigError
from leukmodels.images.decoding import decode, prepare
from leukmodels.model.exported import FILE, MODEL_FILE, Preparation, current_export
from leukmodels.process import command_line, tensorflow_runtime
from leukmodels.process.command import program, run_verb
from leukmodels.process.command_line import Arg
from leukmodels.process.machine import cores
from leukmodels.training import scoring

if TYPE_CHECKING:
    import keras
    import pandas as pd

DISCLAIMER = "For research use only: not a medical device, not for diagnosis."
_FILES_AT_ONCE = 256

Image = Path | str | npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the model says of one image: a score and whether it is the disease, or the error that kept it from it.

    path      of its file, None of an array
    score     probability of the task's disease, None with an error
    disease   score >= threshold, None with an error
    """

    path: Path | None
    score: float | None
    disease: bool | None
    error: str | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Predictor:
    """A model with the threshold and the image preparation that it was chosen with.

    crop_px is the side of the centre crop before resizing, None for none; disease and control name the task's classes,
    and positive and negative are what answers call them; measured says in a sentence what the model was measured to do,
    on its test where that was opened for it.
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

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Return the predictor of a folder that export wrote: one export, or several of which one is current.

        Raises ConfigError with everything that is missing or contradictory, or where the model is another than was
        measured. Nothing in the folder can run code: Keras loads in safe mode, YAML as plain values.
        """
        folder = current_export(folder)
        _refuse_missing(folder)
        preparation = Preparation.read(folder)
        file = preparation.check_model(folder)
        from leukmodels.model import build as models

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
        kept = [each.name for each in fields(cls) if each.name != "model"]
        return cls(model=model, **{name: getattr(preparation, name) for name in kept})

    def predict(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
        """Return the probability of the disease of prepared images (n, image_px, image_px, 3), shape (n,)."""
        return scoring.predict(self._scoring, Blocks.of(images))

    @cached_property
    def _scoring(self) -> scoring.Scoring:
        return scoring.scoring(self.model)

    def classify(self, images: Sequence[Image]) -> "pd.DataFrame":
        """Return a row an image: image (its path, or its number), score, disease (neither with an error), error ("").

        ``images`` are paths of files, or uint8 arrays (h, w, 3) of any size, which are prepared as files are.
        """
        import pandas as pd

        rows = [
            {
                "image": str(number if answer.path is None else answer.path),
                "score": answer.score,
                "disease": answer.disease,
                "error": answer.error or "",
            }
            for number, answer in enumerate(self.answers(images))
        ]
        return pd.DataFrame(rows, columns=["image", "score", "disease", "error"])

    def answers(self, images: Sequence[Image]) -> list[Answer]:
        """Return an answer for each image, in order; one that cannot be used gets an error, never a class."""
        chunks = (images[first : first + _FILES_AT_ONCE] for first in range(0, len(images), _FILES_AT_ONCE))
        return [answer for chunk in chunks for answer in self._answers(chunk)]

    def _answers(self, given: Sequence[Image]) -> list[Answer]:
        prepared = [self._prepare(image) for image in given]
        paths = [None if isinstance(image, np.ndarray) else Path(image) for image in given]
        images = [image for image in prepared if not isinstance(image, str)]
        scores = iter(self.predict(np.stack(images)).tolist() if images else [])
        return [
            Answer(path=path, score=None, disease=None, error=image)
            if isinstance(image, str)
            else Answer(path=path, score=(score := next(scores)), disease=score >= self.threshold)
            for path, image in zip(paths, prepared, strict=True)
        ]

    def _prepare(self, image: Image) -> npt.NDArray[np.uint8] | str:
        """Return the pixels as the model was trained on, or the reason why not."""
        try:
            if isinstance(image, np.ndarray):
                return prepare(image, image_px=self.image_px, crop_px=self.crop_px)
            return decode(Path(image).read_bytes(), image_px=self.image_px, crop_px=self.crop_px)
        except BadImageError as error:
            return str(error)
        except OSError as error:
            return f"the file cannot be read: {error.strerror}"


def table(predictor: Predictor, answers: Sequence[Answer]) -> str:
    """Return the answers as text, a line an image, with what they mean and what they are not for."""
    classes = predictor.disease, predictor.control
    positive, negative = sides(predictor.task, *classes, predictor.positive, predictor.negative)
    names = {True: positive, False: negative, None: "error"}
    width, name_width = max((len(str(answer.path)) for answer in answers), default=0), max(map(len, names.values()))
    lines = [
        f"{answer.path!s:<{width}}  {names[answer.disease]:<{name_width}}  {answer.error or f'{answer.score:.3f}'}"
        for answer in answers
    ]
    question = " against ".join(map(_side, (positive, negative), classes))
    head = f"{predictor.task}: {question}; {positive} from a score of {predictor.threshold:.3f}"
    return "\n".join([head, *filter(None, [predictor.measured]), *lines, DISCLAIMER])


def _side(word: str, classes: Sequence[str]) -> str:
    """Return what one side of a task is called, and its classes where they are called something else."""
    return word if word == " or ".join(classes) else f"{word} ({', '.join(classes)})"


class PredictorOptions(command_line.Options):
    """An exported model, and the images that it is to answer for."""

    folder: Annotated[Path, Arg(positional=True, metavar="DIR")] = Field(
        description="an exported model: model.keras and config.yaml; or results/TASK, which stands for one of them"
    )
    images: Annotated[tuple[Path, ...], Arg(positional=True, metavar="IMAGE")] = Field(
        description="image files of one white blood cell each"
    )


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    return command_line.parser(
        PredictorOptions.model_fields, prog=program("leukmodels.predictor"), description=DISCLAIMER
    )


def main(arguments: Sequence[str]) -> int:
    """Answer for the images named on the command line; return the exit status, raise UserError for a bad folder."""
    options = command_line.parse(parser(), PredictorOptions, arguments)
    folder = current_export(options.folder)
    _refuse_missing(folder)
    Preparation.read(folder).check_model(folder)  # before TensorFlow's seconds of loading
    tensorflow_runtime.start(threads=cores())
    predictor = Predictor.load(folder)
    answers = predictor.answers(options.images)
    print(table(predictor, answers))
    return 1 if any(answer.error for answer in answers) else 0


def _refuse_missing(folder: Path) -> None:
    """Raise ConfigError where a file of an exported model is not there."""
    if missing := [name for name in (MODEL_FILE, FILE) if not (folder / name).is_file()]:
        raise ConfigError(
            f"{folder} holds no exported model:",
            [f"{name} is missing; write the folder with python -m search.export." for name in missing],
        )


if __name__ == "__main__":
    run_verb(main)
