"""How far a long piece of work is, and how long it will take still, in words."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

_EVERY_S = 10.0


def duration(seconds: float) -> str:
    """Return a length of time as a person would say it: 34 s, 5 min, 2 h 05 min."""
    if seconds < 1:
        return f"{max(seconds, 0.0):.1f} s"
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02d} min"


@dataclass(frozen=True, kw_only=True)
class Step:
    """A step of the work: ``done`` of ``total`` now, ``first`` of them already when it ``began`` (seconds)."""

    label: str
    unit: str
    total: int
    done: int
    first: int
    began: float

    def describe(self, now: float) -> str:
        """Return the counts, the rate and the time left or taken, as far as they are known."""
        over = self.done >= self.total
        count = f"{self.done:,} {self.unit}" if over else f"{self.done:,} of {self.total:,} {self.unit}"
        if self.done <= self.first or now <= self.began:
            return f"{self.label}: {count}"
        rate = (self.done - self.first) / (now - self.began)
        speed = f"{rate:,.0f}" if rate >= 10 else f"{rate:.2g}"
        when = duration(now - self.began) if over else f"about {duration((self.total - self.done) / rate)} left"
        return f"{self.label}: {count}, {speed} {self.unit}/s, {when}"


class Teller:
    """Says plain lines; of a step that is under way one every ten seconds, and one at its end."""

    def __init__(self, say: Callable[[str], None], *, clock: Callable[[], float] = time.monotonic) -> None:
        self.say = say
        self._clock = clock
        self._step: Step | None = None
        self._last_said = clock()

    def progress(self, label: str, done: int, total: int, unit: str = "images") -> None:
        """Take note of how far a step is, and say it where that is due."""
        now = self._clock()
        if self._step is None or self._step.label != label:
            self._step = Step(label=label, unit=unit, total=total, done=done, first=done, began=now)
            self._last_said = now
        self._step = replace(self._step, done=done, total=total)
        if done >= total or now - self._last_said >= _EVERY_S:
            self.say(self._step.describe(now))
            self._last_said = now
        if done >= total:
            self._step = None
