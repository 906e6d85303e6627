"""What a search would do, said before it does it: options, images, split and room checked, the cost foretold.

No image is decoded and no trial is trained; the default configuration trains for a few seconds on noise.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from cluster.session import open_session
from leukmodels import collections
from leukmodels.collections.listing import CELL_SCHEMA
from leukmodels.dataset.split import PARTS, split_patients
from leukmodels.process import tensorflow_runtime
from leukmodels.process.progress import duration
from leukmodels.process.words import Terms, plural
from leukmodels.space.hyperparameters import HyperParams
from leukmodels.synthetic.classes import CLASSES
from leukmodels.synthetic.patients import list_patients
from search.display.console import Console
from search.run.planning import Plan
from search.run.resources import StudyResources
from search.study.config import SearchConfig, objectives_of
from search.study.opened import Study
from search.study.records import TrialState
from search.tuning.successive_halving import RungSchedule


def dry_run(plans: Sequence[Plan]) -> int:
    """Print what each study would do and cost; ProblemsError with all that keeps one from running."""
    for plan in plans:
        config, task = plan.config, plan.task
        ended = _ended(plan)
        planned = plural(config.trials, "trial") + (f", {ended} of them ended" if ended else "")
        print(f"{plan.folder.name}: {task.question} (task {task.name}), {planned}")
        cells, black, terms = _listed(plan)
        for line in _images(plan, cells, terms):
            print(f"  {line}", flush=True)
        with _made(plan.folder.path.parent, plan.cache), open_session(dashboard=False) as session:
            console = Console(planned_trials=0, epochs=config.epochs, objectives=objectives_of(config), synthetic=False)
            found = StudyResources(plan, session, plan.pixel_cache, console)
        for line in (*found.notes, RungSchedule.of(config).describe(), *_cost(plan, found, cells, black, ended)):
            print(f"  {line}", flush=True)
    print("Nothing was trained. The same command without --dry-run begins.")
    return 0


@contextmanager
def _made(*folders: Path) -> Iterator[None]:
    """Make the folders that are missing for as long as the nodes look whether they see them; what they hold stays."""
    made: list[Path] = []
    try:
        for folder in folders:
            for each in (*reversed(folder.parents), folder):
                if not each.exists():
                    each.mkdir()
                    made.append(each)
        yield
    finally:
        for each in reversed(made):
            with suppress(OSError):
                each.rmdir()


def expected_epochs(config: SearchConfig, ended: int = 0) -> float:
    """Return how many epochs the trials that are left train together, if as many are stopped at each rung as may be.

    Patience, a plateau and a time budget end trials and searches earlier.
    """
    schedule = RungSchedule.of(config)
    ends = (*schedule.rungs, config.epochs)
    begins = (0, *schedule.rungs)
    share: Iterator[float] = (1 / schedule.reduction_factor**passed for passed in range(len(ends)))
    stopped = sum((end - begin) * left for begin, end, left in zip(begins, ends, share, strict=True))
    if ended:
        return max(config.trials - ended, 0) * stopped
    return config.epochs + (config.trials - 1) * stopped  # the default configuration, the first, is never stopped


def _listed(plan: Plan) -> tuple[pa.Table, bool, Terms]:
    """Return the task's cells by their files' names, each in its part, whether they lie on black, and their terms.

    Opens no file.
    """
    task, config = plan.task, plan.config
    if config.data:
        listing = collections.read(task.reader, config.data, task.read_options)
        cells, black = listing.cells, listing.black_background
        terms = task.terms(patient_level=listing.patient_level)
    else:
        cells, black, terms = _drawn(config.cells_per_patient), False, task.terms(patient_level=True)
    split = split_patients(cells, seed=config.split_seed, required=(*task.disease, *task.control), terms=terms)
    return split.assign(task.select(cells)), black, terms


def _drawn(cells_per_patient: int) -> pa.Table:
    """Return the cells that a drawn cohort will have."""
    rows = [
        {"path": f"{patient.name}/{number}", "class_name": patient.class_name, "patient": patient.name, "part": ""}
        for patient in list_patients(cells_per_patient=cells_per_patient, seed=0, classes=tuple(CLASSES))
        for number in range(len(patient.cell_types))
    ]
    return pa.Table.from_pylist(rows, schema=CELL_SCHEMA)


def _images(plan: Plan, cells: pa.Table, terms: Terms) -> Iterator[str]:
    """Yield how many images there are, and of how many patients where they are known, by part and class."""
    where = plan.config.data or "a DRAWN cohort: no result is medical"
    of = "" if terms.are_images else f" of {terms.count(len(pc.unique(cells['patient'])))}"
    yield f"{plural(cells.num_rows, 'image')}{of} in {where}"
    for part in PARTS:
        rows = cells.filter(pc.equal(cells["part"], part))
        who = " and ".join(
            f"{len(pc.unique(rows.filter(pc.equal(rows['label'], label))['patient'])):,} {terms.side(label)}"
            for label in (1, 0)
        )
        of = f", {who}" if terms.are_images else f" of {who} {terms.units}"
        locked = " (locked away)" if part == "test" else ""
        yield f"  {part}: {plural(rows.num_rows, 'image')}{of}{locked}"
    yield "  (By the files' names: what cannot be used, and duplicates, are found as images are read.)"


def _ended(plan: Plan) -> int:
    """Return how many trials need not be run any more, of a study that goes on."""
    if not plan.folder.exists:
        return 0
    record = Study.open(plan.folder).record
    return len(record.trials) - record.count(TrialState.RUNNING)


def _cost(plan: Plan, found: StudyResources, cells: pa.Table, black: bool, ended: int) -> Iterator[str]:
    """Yield what trials take, and a guess of the time."""
    config, resources = found.config, found.resources
    tensorflow_runtime.start(threads=resources.cpus)
    from leukmodels.training.speed import measure_speed

    precision = "float32" if config.precision == "auto" else config.precision
    default = HyperParams.from_dict(dict(plan.space.default))
    speed = measure_speed(default, image_px=config.image_px, precision=precision, black_background=black)
    yield (
        f"Default configuration: {speed.parameters:,} parameters, {speed.images_per_s:,.0f} images/s on "
        f"{plural(resources.cpus, 'CPU')} of this machine."
    )
    gpus = f" and {resources.gpus:g} GPU" if resources.gpus else ""
    yield f"Trials: {resources.concurrency} at once, each with {resources.memory / 1e9:.1f} GB{gpus}."
    images = cells.filter(pc.equal(cells["part"], "train")).num_rows
    seconds = expected_epochs(config, ended) * images / speed.images_per_s / resources.concurrency
    ended = config.time_budget is not None and config.time_budget < seconds
    budget = f", ended by --time-budget after {duration(config.time_budget or 0)}" if ended else ""
    faster = "; on GPUs it is faster" if resources.gpus else ""
    yield (
        f"Training: about {duration(seconds)}{budget}, if configurations are like the default; wide and deep ones take "
        f"several times as long, small ones a tenth{faster}."
    )
    yield "Starting the workers, reading images and validation come on top."
