"""An exported model answers for image files.

    python -m leukmodels.predictor results/runx1 cell_1.tif cell_2.tif

prints a line an image. The images of a call are one set, such as the cells of a patient. What is unlike the cells that
the model was trained on, an image by itself or the set, gets no answer, and with --answer-unlike one that is marked.
Exit status 1 if an image could not be read or is unlike, 2 if the folder holds no usable model.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field

from leukmodels.model.exported import current_export
from leukmodels.predictor.predictor import Predictor, read_preparation
from leukmodels.predictor.table import DISCLAIMER, table
from leukmodels.process import command_line, tensorflow_runtime
from leukmodels.process.command import program, run_verb
from leukmodels.process.command_line import Arg
from leukmodels.process.machine import cores


class PredictorOptions(command_line.Options):
    """An exported model, and the images that it is to answer for."""

    folder: Annotated[Path, Arg(positional=True, metavar="DIR")] = Field(
        description="an exported model: model.keras and config.yaml; or results/TASK, which stands for one of them"
    )
    images: Annotated[tuple[Path, ...], Arg(positional=True, metavar="IMAGE")] = Field(
        description="image files of one white blood cell each, of one patient"
    )
    answer_unlike: bool = Field(
        default=False, description="answer, marked, for images that are unlike the model's training cells, too"
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
    read_preparation(folder)  # before TensorFlow's seconds of loading
    tensorflow_runtime.start(threads=cores())
    predictor = Predictor.load(folder)
    answers = predictor.answers(options.images, answer_unlike=options.answer_unlike)
    print(table(predictor, answers))
    return 1 if any(answer.error or answer.unlike for answer in answers) else 0


if __name__ == "__main__":
    run_verb(main)
