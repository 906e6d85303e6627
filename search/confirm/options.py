"""What ``search.confirm`` was asked to do."""

from dataclasses import dataclass

from leukmodels.dataset.folds import FEWEST
from leukmodels.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class ConfirmOptions:
    """How much is tried again, and whom the test patients are opened for.

    members      of the front that are trained again, at the most; and the default
    folds        parts of the training and validation patients; one is asked about, one chooses the epoch
    seeds        how often the patients are dealt into folds, with other seeds of the models
    choose       models that the test patients are opened for, at the most; the default's comes on top
    min_recall   and first of them the model and threshold with the highest accuracy at this recall; None: no such
    sure         other patients are to have that recall; else validation patients alone (see selection.operating_point)
    again        open the test patients although they were before
    locked       rank only, and leave them locked
    """

    members: int = 6
    folds: int = 4
    seeds: int = 2
    choose: int = 3
    min_recall: float | None = None
    sure: bool = True
    again: bool = False
    locked: bool = False

    def __post_init__(self) -> None:
        """ConfigError with everything that cannot be done."""
        least = {"members": 1, "folds": FEWEST, "seeds": 1, "choose": 1}
        problems = [
            f"--{name} is {value}; give a whole number from {low}."
            for name, low in least.items()
            if (value := getattr(self, name)) < low
        ]
        if self.again and self.locked:
            problems.append("--again opens the test patients and --keep-locked does not; give one of them.")
        if problems:
            raise ConfigError("The front cannot be confirmed like this:", problems)
