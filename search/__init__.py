"""The search, for notebooks and scripts: begin or resume a study, look into it, export from it, let a model answer.

    import search

    study = search.run_study("runx1", trials=20)      # a drawn cohort; data="/data/MLL" for real images
    search.pareto_front(study)                        # a DataFrame, a row a trial, recall first
    search.plot_front(study)
    folder = search.export_model(study)
    search.load_predictor(folder).classify(["cell_1.tif", "cell_2.tif"])

Everything else is reached by its room (``search.study``, ``search.selection``, ...) and may move between versions.
Importing this module costs nothing: what a function needs is imported when it is called.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from leukmodels.predictor import Predictor
    from search.study.opened import Study

__version__ = "0.1.0"
__all__ = [
    "epochs",
    "export_model",
    "list_studies",
    "load_predictor",
    "open_study",
    "pareto_front",
    "plot_front",
    "resume_study",
    "run_study",
    "trials",
]


def run_study(
    task: str | Path,
    data: str | Path | None = None,
    *,
    storage: str | Path | None = None,
    name: str | None = None,
    preset: str = "quick",
    out: str | Path | None = None,
    cache: str | Path | None = None,
    **options: Any,
) -> "Study":
    """Search, as ``python -m search.run`` does, and return the study.

    task       a task's name, such as "runx1", or a task file (.toml)
    data       images in the layout of the task's collection: a folder, or an address; None draws a cohort
    storage    folder of all studies; None: $LEUKEMIA_SEARCH_STORAGE, or leukemia-studies in the home folder
    preset     smoke, quick or thorough: what is not said in ``options``
    out        folder of the exported model; None: results/<task>/<study>
    cache      folder of prepared images; None: cache in the storage folder
    options    any option of a study by its field, such as ``trials=20, min_specificity=0.7``

    Ctrl-C raises ``search.tuning.signals.Interrupted`` and leaves a study that ``resume_study`` goes on with. UserError
    (``leukmodels.errors``) for what can be mended in options or data.

    >>> small = {"trials": 1, "epochs": 1, "image_px": 16, "cells_per_patient": 2, "min_specificity": 0}
    >>> study = run_study("runx1", preset="smoke", name="first", **small)
    Starting Ray ...
    >>> study.name
    'first'
    """
    from search.run.notebook import run

    own = {"task": str(task), "storage": storage, "name": name, "preset": preset, "out": out, "cache": cache}
    return run(own, {"data": data, **options} if data is not None else options)


def resume_study(study: "Study | str | Path", *, storage: str | Path | None = None, **changes: Any) -> "Study":
    """Go on with a study, perhaps with other ``changes`` such as ``trials=40``, and return it as it then is."""
    from search.run.notebook import run

    return run({"resume": str(open_study(study, storage=storage).folder.path), "storage": storage}, changes)


def open_study(study: "Study | str | Path", *, storage: str | Path | None = None) -> "Study":
    """Return a study by its folder, or its name in the storage folder; StudyError where there is none.

    >>> open_study("first").manifest.task.question
    'RUNX1::RUNX1T1 leukemia against control'
    """
    from search.study.opened import Study
    from search.study.options import default_storage, find_study

    if isinstance(study, Study):
        return Study.open(study.folder)
    return Study.open(find_study(str(study), Path(storage) if storage else default_storage()))


def list_studies(storage: str | Path | None = None) -> "pd.DataFrame":
    """Return the studies of a storage folder, a row each: study, task, state, trials, planned, recall, accuracy.

    recall and accuracy are the highest of the front; a study that cannot be read has the reason as its state.

    >>> list_studies()[["study", "task", "state", "trials"]].values.tolist()
    [['first', 'runx1', 'finished', 1]]
    """
    from search.display.frames import studies_frame
    from search.study.options import default_storage

    return studies_frame((Path(storage) if storage else default_storage()).expanduser())


def trials(study: "Study | str | Path") -> "pd.DataFrame":
    """Return every trial, a row each by number: state, metrics (validation cells, threshold 0.5), hyperparameters.

    >>> trials(open_study("first"))["state"].tolist()
    ['complete']
    """
    from search.display.frames import trials_frame

    return trials_frame(open_study(study))


def epochs(study: "Study | str | Path") -> "pd.DataFrame":
    """Return every epoch of every trial, a row each: trial, epoch (from 1), metrics of the validation cells.

    >>> epochs(open_study("first"))[["trial", "epoch"]].values.tolist()
    [[0, 1]]
    """
    from search.display.frames import epochs_frame

    return epochs_frame(open_study(study))


def pareto_front(study: "Study | str | Path") -> "pd.DataFrame":
    """Return the trials of the Pareto front, a row each, the highest recall first; columns as of ``trials``.

    >>> list(pareto_front(open_study("first")).columns[:3])
    ['recall', 'accuracy', 'specificity']
    """
    from search.display.frames import front_frame

    return front_frame(open_study(study))


def plot_front(study: "Study | str | Path") -> "Figure":
    """Return the picture of the front: accuracy over recall of every complete trial, the bounds hatched."""
    from search.display.plots import front_figure

    opened = open_study(study)
    return front_figure(
        opened.front,
        title=opened.manifest.title,
        synthetic=opened.manifest.data.synthetic,
        objectives=opened.objectives,
    )


def export_model(
    study: "Study | str | Path",
    out: str | Path | None = None,
    *,
    prefer: str | None = None,
    trial: int | None = None,
    min_recall: float | None = None,
    recall_guarantee: bool = True,
    replace: bool = False,
    anyway: bool = False,
    with_identifiers: bool = False,
) -> Path:
    """Export one configuration of a study and return its folder, as ``python -m search.export`` does.

    ``out`` is that folder; None: results/<task>/<study>, and results/<task> stands for it if it may. ``prefer`` is
    recall, accuracy, balanced or cost; ``min_recall`` takes the model and threshold with the highest accuracy at that
    recall, which by default as many other patients will have, with 95 % confidence. ``replace`` takes the place of a
    model that its test has confirmed, and ``anyway`` exports one that failed its test. Patients and images have
    pseudonyms there unless ``with_identifiers``. UserError where there is nothing to choose, where a test forbids it,
    or where the reloaded model does not answer as recorded.
    """
    from leukmodels.process.command_line import checked
    from search.export.__main__ import ExportOptions, chosen_by
    from search.export.bundle import choose_trial, write_bundle
    from search.study.disclosure import Disclosure

    opened = open_study(study)
    wished = {"prefer": prefer, "trial": trial, "min_recall": min_recall, "recall_guarantee": recall_guarantee}
    preference = chosen_by(checked(ExportOptions, {"study": opened.name, **wished}))
    place = Path(out) if out else choose_trial(opened, preference).out
    disclosure = Disclosure(identifiers=with_identifiers)
    return write_bundle(opened, place, preference, replace=replace, anyway=anyway, disclosure=disclosure).path


def load_predictor(folder: str | Path) -> "Predictor":
    """Return the model of an exported folder, ready for ``classify``; ConfigError where it is none."""
    from leukmodels.predictor import Predictor
    from leukmodels.process import machine, tensorflow_runtime

    tensorflow_runtime.start(threads=machine.cores())
    return Predictor.load(Path(folder))
