"""A study opened: what its files say, each of them read once."""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

from search.study.config import SearchConfig
from search.study.confirmation_log import Confirmation, confirmation_of
from search.study.folder import StudyFolder
from search.study.front import ParetoFront, pareto_front
from search.study.integrity import refuse_lost_journal
from search.study.journal import Event, read
from search.study.manifest import Manifest
from search.study.objectives import Objectives
from search.study.records import StudyRecord, fold


@dataclass(frozen=True)
class Study:
    """A study as it stood when each of its files was first asked for; a running one moves on."""

    folder: StudyFolder
    manifest: Manifest

    @classmethod
    def open(cls, folder: StudyFolder) -> Self:
        """Return the study of a folder; StudyError where it holds none."""
        return cls(folder=folder, manifest=Manifest.read(folder))

    @property
    def name(self) -> str:
        """The study's name: its folder's."""
        return self.folder.name

    @property
    def objectives(self) -> Objectives:
        """What the study is after, and within which bounds."""
        return self.manifest.aims

    @cached_property
    def events(self) -> list[Event]:
        """The whole events of the journal; StudyError where it is damaged, or gone though trials have ended."""
        refuse_lost_journal(self.folder)
        return read(self.folder.journal)

    @cached_property
    def record(self) -> StudyRecord:
        """One record a trial, folded from the events."""
        return fold(self.events)

    @cached_property
    def confirmation(self) -> Confirmation:
        """How far the confirmation is."""
        return confirmation_of(self.events)

    @cached_property
    def config(self) -> SearchConfig:
        """The options as resumes have left them."""
        return self.manifest.config_after(self.record.changes)

    @cached_property
    def front(self) -> ParetoFront:
        """The Pareto front of the complete trials within the bounds, and the trials that are not on it."""
        return pareto_front(self.record, self.objectives)
