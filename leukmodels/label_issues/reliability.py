"""When models may be believed that dispute a label: they know the classes, and there were enough to learn them from."""

from math import floor

import numpy as np

from leukmodels.errors import DataError
from leukmodels.label_issues.training_cells import TrainingCells
from leukmodels.process.words import plural

FEWEST = 10  # of each class: two in each of five folds, so that no fold's one patient is what a class looks like
LEAST_AUROC = 0.7  # below it models are wrong about cells more often than labels may be


def refuse_few(training: TrainingCells) -> None:
    """Raise DataError where a class has fewer than FEWEST patients (images, where nobody is named) that train."""
    terms, cells = training.terms, training.cells
    counts = {label: len(np.unique(cells.patients[cells.labels == label])) for label in (1, 0)}
    problems = [
        f"{plural(count, f'{terms.side(label)} {terms.unit}')} to train on, where {FEWEST} of each class are needed: "
        "add more, or look at the cells one by one."
        for label, count in counts.items()
        if count < FEWEST
    ]
    if problems:
        raise DataError(f"No list is given: a wrong label and an unusual {terms.unit} look the same here.", problems)


def refuse_weak(auroc: float, remedy: str) -> None:
    """Raise DataError where models agree with the labels with less than LEAST_AUROC; ``remedy`` is what may help."""
    if auroc < LEAST_AUROC:
        reached = f"an AUROC of {floor(100 * auroc) / 100:.2f}, where {LEAST_AUROC:.2f} is needed"
        raise DataError(
            "No list is given: the models know the classes too little for a dispute to mean anything.",
            [f"On cells they had not seen they agree with the labels with {reached}.", remedy],
        )
