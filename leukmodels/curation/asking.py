"""Out-of-fold probabilities: every cell is judged by models that never saw its patient, not even to choose an epoch."""

import math
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt

from leukmodels.cells import Cells, TrainingData
from leukmodels.curation.folds import Round, Rows, deal, rounds
from leukmodels.curation.gathering import Gathered
from leukmodels.errors import DataError, TrainingDivergedError
from leukmodels.evaluation import predict, scoring
from leukmodels.hparams import HyperParams
from leukmodels.model import build
from leukmodels.pixels import Blocks
from leukmodels.runtime import seed_everything
from leukmodels.training import Budget, fit

Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class Inquiry:
    """How the cells are asked about: the patients are dealt ``repeats`` times into ``folds``, a model for each fold."""

    hparams: HyperParams
    folds: int
    repeats: int
    epochs: int
    seed: int

    @property
    def models(self) -> int:
        """How many models are trained."""
        return self.folds * self.repeats

    def budget(self) -> Budget:
        """Return how long a model trains, with the patience of a search; none is long enough for checkpoints."""
        return Budget(epochs=self.epochs, patience=max(3, self.epochs // 3), checkpoint_every_s=math.inf)


@dataclass(frozen=True, kw_only=True, eq=False)
class Answers:
    """What the models said of n cells.

    probabilities   float64 (repeats, n) of leukemia
    best_epochs     of each model
    """

    probabilities: npt.NDArray[np.float64]
    best_epochs: tuple[int, ...]


def ask(gathered: Gathered, inquiry: Inquiry, *, progress: Progress) -> Answers:
    """Return the answers; ``progress`` is told (epochs trained or spared, epochs at the most), at the end that all are.

    DataError where a fold cannot be trained on.
    """
    cells = gathered.cells
    probabilities = np.full((inquiry.repeats, len(cells)), np.nan)
    best_epochs: list[int] = []
    total = inquiry.models * inquiry.epochs
    seeds = np.random.SeedSequence(inquiry.seed).generate_state(inquiry.models + inquiry.repeats).tolist()
    for repeat in range(inquiry.repeats):
        fold_of = deal(cells, gathered.class_names, folds=inquiry.folds, seed=seeds.pop())
        for each in rounds(fold_of, inquiry.folds):
            past = len(best_epochs) * inquiry.epochs

            def report(epoch: int, past: int = past) -> None:
                if past + epoch < total:
                    progress(past + epoch, total)

            answers, best_epoch = _train_and_ask(gathered, each, inquiry, seed=seeds.pop(), report=report)
            probabilities[repeat, each.asked] = answers
            best_epochs.append(best_epoch)
    progress(total, total)
    assert np.isfinite(probabilities).all()
    return Answers(probabilities=probabilities, best_epochs=tuple(best_epochs))


def _train_and_ask(
    gathered: Gathered, each: Round, inquiry: Inquiry, *, seed: int, report: Callable[[int], None]
) -> tuple[npt.NDArray[np.float64], int]:
    """Return the probabilities of the cells asked about, and the epoch that was chosen."""
    train, choosing, asked = (take(gathered.cells, rows) for rows in (each.train, each.choosing, each.asked))
    assert asked.present_patients.isdisjoint(train.present_patients | choosing.present_patients)
    data = TrainingData(
        train=train,
        validation=choosing,
        black_background=gathered.black_background,
        split_fingerprint=gathered.split.fingerprint,
    )
    seed_everything(seed)
    try:
        model = build(inquiry.hparams, image_px=train.image_px, black_background=gathered.black_background)
        with tempfile.TemporaryDirectory() as folder:
            fitted = fit(
                model,
                data,
                inquiry.hparams,
                budget=inquiry.budget(),
                seed=seed,
                folder=Path(folder),
                report=lambda epoch, _: report(epoch),
            )
        return predict(scoring(model), asked.pixels), fitted.best_epoch
    except TrainingDivergedError as error:
        raise DataError("A fold could not be trained; give another --model:", [str(error)]) from error
    finally:
        keras.utils.clear_session()  # or the graphs of all models would stay in memory


def take(cells: Cells, rows: Rows) -> Cells:
    """Return some of the cells, their pixels where they are."""
    assert isinstance(cells.pixels, Blocks)
    return Cells(
        pixels=Blocks(cells.pixels.blocks, cells.pixels.where[rows]),
        labels=cells.labels[rows],
        patients=cells.patients[rows],
        patient_names=cells.patient_names,
        image_ids=cells.image_ids[rows],
    )
