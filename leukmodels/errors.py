"""Every error this software raises on purpose.

    LeukemiaSearchError
    ├── UserError                  something the user can mend; the command line prints it and exits with 2
    │   ├── ProblemsError          several problems of one thing, reported together
    │   │   ├── ConfigError        the options or a task file
    │   │   └── DataError          a folder of images
    │   ├── StudyError             a study folder that cannot be opened, resumed or exported
    │   └── SessionError           a Ray cluster that cannot be reached or cannot hold the search
    ├── BadImageError              one image file that cannot be used, with the reason; set aside, never fatal
    └── TrainingDivergedError      a loss that is not a number; the trial failed, the search goes on

Messages are sentences that give the offending value, the allowed values and what to do.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

_T = TypeVar("_T")


class LeukemiaSearchError(Exception):
    """Root of the tree."""


class UserError(LeukemiaSearchError):
    """Something the user can mend."""


class ProblemsError(UserError):
    """All problems of one thing in one error: a heading and a line a problem."""

    def __init__(self, heading: str, problems: Sequence[str]) -> None:
        self.heading = heading
        self.problems = tuple(problems)
        super().__init__("\n".join([heading, *(f"  - {problem}" for problem in self.problems)]))

    def __reduce__(self) -> tuple[type["ProblemsError"], tuple[str, tuple[str, ...]]]:
        """Let the error cross a process boundary with both its parts."""
        return type(self), (self.heading, self.problems)


class ConfigError(ProblemsError):
    """Options or a task file that cannot be used."""


class DataError(ProblemsError):
    """A folder of images that cannot be used."""


class StudyError(UserError):
    """A study folder that cannot be opened, resumed or exported."""


class SessionError(UserError):
    """A Ray cluster that cannot be reached, or that cannot hold the search."""


class BadImageError(LeukemiaSearchError):
    """One image file that cannot be used; the message is the reason."""


class TrainingDivergedError(LeukemiaSearchError):
    """A loss that is not a number."""


class Attempts:
    """Steps that are all tried, so that what is wrong with each is said at once."""

    def __init__(self) -> None:
        self._errors: list[UserError] = []

    def attempt(self, step: Callable[[], _T], otherwise: _T) -> _T:
        """Return what ``step`` does, or ``otherwise`` where it raises a UserError."""
        try:
            return step()
        except UserError as error:
            self._errors.append(error)
            return otherwise

    def settle(self, heading: str) -> None:
        """Raise what was wrong: the error itself where there was one, all of them below the heading where more."""
        if len(self._errors) == 1:
            raise self._errors[0]
        if self._errors:
            raise ConfigError(heading, [_in_a_line(error) for error in self._errors])


def _in_a_line(error: UserError) -> str:
    return " ".join([error.heading, *error.problems]) if isinstance(error, ProblemsError) else str(error)
