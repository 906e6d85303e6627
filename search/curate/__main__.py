"""Lists training cells whose label is disputed, for a search to leave out: the labels are patients', not cells'.

    python -m search.curate --task runx1 --data /data/AML-Cytomorphology_MLL_Helmholtz

writes disputed.csv and disputed.png. Exit status 2 for something to mend in the options or data.
"""

from __future__ import annotations

import platform
import shlex
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from cluster.session import open_session
from leukmodels.collections.source import Source, open_source
from leukmodels.evaluation.metrics import score
from leukmodels.label_issues.contact_sheet import draw_sheet, strips
from leukmodels.label_issues.listing import write_list
from leukmodels.label_issues.ranking import Ranking, rank
from leukmodels.label_issues.reliability import refuse_few, refuse_weak
from leukmodels.label_issues.training_cells import TrainingCells
from leukmodels.process import machine, tensorflow_runtime
from leukmodels.process.command import run_verb
from leukmodels.process.command_line import checked
from leukmodels.process.files import group_access
from leukmodels.process.progress import Teller
from leukmodels.process.words import plural, rounded_down
from leukmodels.synthetic import draw_cohort
from leukmodels.training.precision import choose_precision
from search.cache.store import PixelCache
from search.curate.options import LIST, SHEET, CurateOptions, parse, parser
from search.data.dataset import Part, cohort_place, prepare_dataset
from search.data.sharing import load_part
from search.display.text import SYNTHETIC
from search.study.config import SearchConfig
from search.study.options import find_cache

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leukmodels.collections.tasks import Task
    from leukmodels.label_issues.out_of_fold import CrossValidation, OutOfFold
    from search.data.ingest import Progress


def main(arguments: Sequence[str]) -> int:
    """Train, predict, rank and write; return the exit status, UserError for what the user can mend."""
    options = parse(arguments)
    with group_access(options.group_access):
        return _curate(options)


def _curate(options: CurateOptions) -> int:
    teller = Teller(lambda line: print(line, flush=True))
    synthetic = [] if options.data else [SYNTHETIC]
    source = _opened(options, teller)
    training = _training_cells(source, options, teller)
    for line in _who(training):
        teller.say(line)
    refuse_few(training)
    predicted = _predict(training, options, teller)
    probabilities = predicted.probabilities.mean(axis=0)
    auroc = score(training.cells.labels, probabilities).auroc
    refuse_weak(auroc, _remedy(options))
    ranking = rank(training.cells.labels, probabilities)
    among = (training.cells.labels == 1) | (options.sides == "both")
    listed = ranking.listed(among, at_most=at_most(options.share, len(training.cells)))
    out = options.place
    write_list(out / LIST, source, training, ranking, probabilities, listed)
    shown = strips(training, ranking, probabilities, listed)
    draw_sheet(out / SHEET, source, training, shown, lines=[_heading(options.found_task, training), *synthetic])
    said = _what(training, auroc, predicted.best_epochs, ranking, len(listed), options)
    for line in [*said, *synthetic, *_next(options, len(listed))]:
        teller.say(line)
    return 0


def at_most(share: float, cells: int) -> int:
    """Return how many of so many cells are no more than a share of them, as it was written: 0.29 of 100 are 29."""
    return int(Fraction(str(share)) * cells)


def _opened(options: CurateOptions, teller: Teller) -> Source:
    """Return the place of the images: the user's, or the drawn cohort that a search has."""
    if options.data is not None:
        return open_source(options.data)
    teller.say(
        "No --data given: curating a DRAWN cohort, the one that a search draws. Its cells are pictures of nobody."
    )
    cells = SearchConfig(task=options.task).cells_per_patient
    return open_source(
        draw_cohort(
            cohort_place(options.storage.expanduser().resolve(), cells),
            cells_per_patient=cells,
            progress=lambda done, total: teller.progress("Drawing cells", done, total),
        )
    )


def _training_cells(source: Source, options: CurateOptions, teller: Teller) -> TrainingCells:
    """Return the cells that a search with these options would train on; Ray reads and decodes what the cache lacks."""
    cache = PixelCache(find_cache(options.cache, options.storage), verify=options.verify)
    config = checked(SearchConfig, options.model_dump(include={"task", "data", "split_seed", "max_bad"}))
    config = config.model_copy(update={"image_px": options.px})
    with open_session(dashboard=False), cache.in_use():
        return training_cells(
            source, options.found_task, config, cache, progress=partial(teller.progress, "Reading images")
        )


def training_cells(
    source: Source, task: Task, config: SearchConfig, cache: PixelCache, *, progress: Progress | None = None
) -> TrainingCells:
    """Return the training cells of a search with this config, their pixels in memory; needs a Ray session."""
    dataset = prepare_dataset(
        source, task, config, cache, synthetic=config.data is None, cores=machine.cores(), progress=progress
    )
    part = Part.of(dataset.part("train"), source.root)
    return TrainingCells(
        cells=load_part(part, dataset.policy, cache),
        contents=tuple(part.contents),
        class_names=part.class_names,
        split=dataset.split,
        crop_px=dataset.report.crop_px,
        black_background=dataset.black_background,
        terms=dataset.terms,
        notes=dataset.report.notes,
    )


def _predict(training: TrainingCells, options: CurateOptions, teller: Teller) -> OutOfFold:
    # Only now: what is wrong with the data is said without TensorFlow.
    tensorflow_runtime.start(threads=machine.cores())
    from leukmodels.label_issues.out_of_fold import CrossValidation, predict_out_of_fold

    arithmetic = choose_precision(
        "auto",
        without=[] if machine.multiplies_bfloat16() else [platform.node()],
        gpus=tensorflow_runtime.visible_gpus(),
    )
    validation = CrossValidation(
        hparams=options.hparams,
        folds=options.folds,
        repeats=options.repeats,
        epochs=options.epochs,
        seed=options.seed,
        precision=arithmetic.precision,
    )
    teller.say(arithmetic.description)
    teller.say(_how(validation, training))
    told = partial(teller.progress, "Training")
    return predict_out_of_fold(training, validation, progress=lambda done, total: told(done, total, "epochs"))


def _heading(task: Task, training: TrainingCells) -> str:
    what = f"Training cells by rank of dispute; p: probability that a cell is {training.terms.positive}"
    return f"{task.name}: {task.question}. {what}"


def _remedy(options: CurateOptions) -> str:
    return (
        f"Let them learn more: --epochs (now {options.epochs}), --image-px (now {options.px}), or --model, an export "
        "of a search on these images."
    )


def _who(training: TrainingCells) -> list[str]:
    others = sum(part != "train" for part in training.split.part_of.values())
    terms, cells = training.terms, plural(len(training.cells), "training cell")
    whose = "" if terms.are_images else f" of {terms.count(len(training.cells.present_patients))}"
    return [
        *training.notes,
        f"{cells}{whose}; the {others:,} {terms.units} of validation and test have no part in this.",
    ]


def _how(validation: CrossValidation, training: TrainingCells) -> str:
    times = f", {validation.repeats} times over" if validation.repeats > 1 else ""
    return (
        f"Training {plural(validation.models, 'model')}: the {training.terms.units} are dealt into {validation.folds} "
        f"folds{times}; one fold is held out, one chooses the epoch, the others train."
    )


def _what(
    training: TrainingCells,
    auroc: float,
    best_epochs: Sequence[int],
    ranking: Ranking,
    listed: int,
    options: CurateOptions,
) -> list[str]:
    """Return what was found, in sentences; no share is above the true one."""
    terms, cells = training.terms, len(training.cells)
    epochs = f"{min(best_epochs)} to {max(best_epochs)}"
    whose = f" labelled {terms.positive}" if options.sides == "disease" else ""
    counts = ", ".join(
        f"{(disputed := int(ranking.disputed[own].sum())):,} of {own.sum():,} {name} cells "
        f"({rounded_down(disputed, int(own.sum()))})"
        for name in np.unique(training.class_names).tolist()
        for own in [training.class_names == name]
    )
    return [
        f"On {terms.units} they had not seen, the models agree with the labels with an AUROC of {auroc:.2f} (best "
        f"epochs {epochs}).",
        f"Disputed: {counts}.",
        f"Listed: {plural(listed, 'cell')}{whose}, {rounded_down(listed, cells, 1)} of the training cells "
        f"(--share {options.share:g}: {at_most(options.share, cells):,} at the most).",
    ]


def _next(options: CurateOptions, listed: int) -> list[str]:
    written = {"list": options.place / LIST, "pictures": options.place / SHEET}
    lines = ["", "Written:", *(f"  {name:<8}  {path}" for name, path in written.items()), ""]
    if not listed:
        return [*lines, "Nothing is listed, so there is nothing to leave out."]
    given = ["--task", options.task, *(["--data", options.data] if options.data else [])]
    given += ["--split-seed", str(options.split_seed)] if options.split_seed else []
    command = shlex.join(["python", "-m", "search.run", *given, "--exclude", str(options.place / LIST)])
    return [*lines, "Next: look at the pictures, remove lines that you disagree with, and", f"  {command}"]


__all__ = ["main", "parser", "training_cells"]

if __name__ == "__main__":
    run_verb(main)
