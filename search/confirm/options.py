"""What ``search.confirm`` was asked to do."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from leukmodels.dataset.folds import FEWEST
from leukmodels.process.command_line import Arg
from search.study.options import ReadingOptions, RecallOptions, StudyOptions, WithIdentifiers, WithPictures

_WHERE = "where"


class ConfirmOptions(StudyOptions, ReadingOptions, RecallOptions):
    """How much is tried again, and whom the test patients are opened for."""

    members: int = Field(
        default=6, ge=1, description="members of the front to train again, at the most; the default CNN comes on top"
    )
    folds: int = Field(
        default=4,
        ge=FEWEST,
        description="parts of the training and validation patients; one is held out, one chooses the epoch",
    )
    seeds: int = Field(
        default=2,
        ge=1,
        description="how often the patients are dealt into folds, the models' seeds being others each time",
    )
    choose: int = Field(
        default=3, ge=1, description="models to open the test patients for, at the most; the default CNN comes on top"
    )
    keep_locked: bool = Field(default=False, description="rank only; leave the test patients locked")
    with_identifiers: WithIdentifiers = False
    with_pictures: WithPictures = False
    again: bool = Field(default=False, description="open the test patients although they were before")
    data: Annotated[str | None, Arg(metavar="DIR", group=_WHERE)] = Field(
        default=None, description="the images, if they are no longer where the study read them"
    )
    concurrency: Annotated[int | None, Arg(group=_WHERE)] = Field(
        default=None, ge=1, description="models at once (default: as the study's trials)"
    )
    gpus_per_trial: Annotated[float | None, Arg(group=_WHERE)] = Field(
        default=None, ge=0, description="GPUs of one model (default: as the study's)"
    )
    no_dashboard: Annotated[bool, Arg(group=_WHERE)] = Field(default=False, description="start no Ray dashboard")

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if self.again and self.keep_locked:
            raise ValueError("--again opens the test patients and --keep-locked does not; give one of them")
        return self
