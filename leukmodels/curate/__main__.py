"""Lists training cells whose label is disputed, for a search to leave out: the labels are patients', not cells'.

    python -m leukmodels.curate --task runx1 --data /data/AML-Cytomorphology_MLL_Helmholtz

writes disputed.csv and disputed.png. Exit status 2 for something to mend in the options or data.
"""

from __future__ import annotations

import math
import platform
import shlex
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from leukmodels.collections.listing import counted
from leukmodels.collections.source import Source, open_source
from leukmodels.curate.contact_sheet import draw_sheet, strips
from leukmodels.curate.issues import write_list
from leukmodels.curate.options import LIST, SHEET, Request, parse
from leukmodels.curate.ranking import Ranking, rank
from leukmodels.curate.training_cells import Gathered, gather
from leukmodels.evaluation.metrics import score
from leukmodels.process import machine, tensorflow_runtime
from leukmodels.process.command import run_verb
from leukmodels.process.progress import Teller
from leukmodels.synthetic import draw_cohort
from leukmodels.training.precision import choose_precision

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from leukmodels.collections.tasks import Task
    from leukmodels.curate.out_of_fold import Answers, Inquiry

SYNTHETIC = "SYNTHETIC DATA: the cells were drawn by a program; nothing here says anything about leukemia."


def main(argv: Sequence[str]) -> int:
    """Train, ask, rank and write; return the exit status, UserError for what the user can mend."""
    request = parse(argv)
    teller = Teller(lambda line: print(line, flush=True))
    synthetic = [] if request.data else [SYNTHETIC]
    with _opened(request, teller) as source:
        gathered = gather(
            source,
            request.task,
            image_px=request.image_px,
            split_seed=request.split_seed,
            max_bad=request.max_bad,
            progress=teller.progress,
        )
        for line in _who(gathered):
            teller.say(line)
        answers = _ask(gathered, request, teller)
        probabilities = answers.probabilities.mean(axis=0)
        ranking = rank(gathered.cells.labels, probabilities)
        among = (gathered.cells.labels == 1) | request.both_sides
        listed = ranking.listed(among, at_most=math.ceil(request.share * len(gathered.cells)))
        write_list(request.out / LIST, gathered, ranking, probabilities, listed)
        shown = strips(gathered, ranking, probabilities, listed)
        draw_sheet(request.out / SHEET, source, gathered, shown, lines=[_heading(request.task), *synthetic])
    for line in [*_what(gathered, answers, ranking, len(listed), request), *synthetic, *_next(request, len(listed))]:
        teller.say(line)
    return 0


@contextmanager
def _opened(request: Request, teller: Teller) -> Iterator[Source]:
    """Yield the place of the images; a drawn cohort lasts as long as it is needed."""
    if request.data is not None:
        yield open_source(request.data)
        return
    teller.say(
        "No --data given: curating a DRAWN cohort, the one that a search draws. Its cells are pictures of nobody."
    )
    with tempfile.TemporaryDirectory() as folder:
        yield open_source(
            draw_cohort(
                Path(folder) / "cohort",
                classes=(*request.task.disease, *request.task.control),
                progress=lambda done, total: teller.progress("Drawing cells", done, total),
            )
        )


def _ask(gathered: Gathered, request: Request, teller: Teller) -> Answers:
    tensorflow_runtime.start(
        threads=machine.cores()
    )  # only now: what is wrong with the data is said without TensorFlow
    from leukmodels.curate.out_of_fold import Inquiry, ask

    arithmetic = choose_precision(
        "auto",
        without=[] if machine.multiplies_bfloat16() else [platform.node()],
        gpus=tensorflow_runtime.visible_gpus(),
    )
    inquiry = Inquiry(
        hparams=request.hparams,
        folds=request.folds,
        repeats=request.repeats,
        epochs=request.epochs,
        seed=request.seed,
        precision=arithmetic.precision,
    )
    teller.say(arithmetic.description)
    teller.say(_how(inquiry))
    return ask(gathered, inquiry, progress=lambda done, total: teller.progress("Training", done, total, "epochs"))


def _heading(task: Task) -> str:
    disease = task.disease[0] if len(task.disease) == 1 else "disease"
    return f"{task.name}: {task.question}. Training cells by rank of dispute; p: probability of {disease}"


def _who(gathered: Gathered) -> list[str]:
    others = sum(part != "train" for part in gathered.split.part_of.values())
    patients = counted(len(gathered.cells.present_patients), "patient")
    return [
        *gathered.notes,
        f"{counted(len(gathered.cells), 'training cell')} of {patients}; the {others:,} patients of validation and "
        "test have no part in this.",
    ]


def _how(inquiry: Inquiry) -> str:
    times = f", {inquiry.repeats} times over" if inquiry.repeats > 1 else ""
    return (
        f"Training {counted(inquiry.models, 'model')}: the patients are dealt into {inquiry.folds} folds{times}; one "
        "fold is asked about, one chooses the epoch, the others train."
    )


def _what(gathered: Gathered, answers: Answers, ranking: Ranking, listed: int, request: Request) -> list[str]:
    """Return what was found, in sentences."""
    labels = gathered.cells.labels
    auroc = score(labels, answers.probabilities.mean(axis=0)).auroc
    epochs = f"{min(answers.best_epochs)} to {max(answers.best_epochs)}"
    whose = " of patients with the disease" if not request.both_sides else ""
    counts = ", ".join(
        f"{ranking.disputed[own].sum():,} of {own.sum():,} {name} cells ({ranking.disputed[own].mean():.0%})"
        for name in np.unique(gathered.class_names).tolist()
        for own in [gathered.class_names == name]
    )
    return [
        f"Asked about patients they had not seen, the models agree with the labels with an AUROC of {auroc:.2f} (best "
        f"epochs {epochs}).",
        f"Disputed: {counts}.",
        f"Listed: {counted(listed, 'cell')}{whose}, {listed / len(labels):.1%} of the training cells (at the most "
        f"--share {request.share:g}).",
    ]


def _next(request: Request, listed: int) -> list[str]:
    written = {"list": request.out / LIST, "pictures": request.out / SHEET}
    lines = ["", "Written:", *(f"  {name:<8}  {path}" for name, path in written.items()), ""]
    if not listed:
        return [*lines, "No label is disputed, so there is nothing to leave out."]
    options = ["--task", request.task_name, *(["--data", request.data] if request.data else [])]
    options += ["--split-seed", str(request.split_seed)] if request.split_seed else []
    command = shlex.join(["python", "-m", "search.run", *options, "--exclude", str(request.out / LIST)])
    return [*lines, "Next: look at the pictures, remove lines that you disagree with, and", f"  {command}"]


if __name__ == "__main__":
    run_verb(main)
