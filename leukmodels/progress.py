"""How far a long piece of work is, and how long it will take still, in words."""

from dataclasses import dataclass


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

    def words(self, now: float) -> str:
        """Return the counts, the rate and the time left or taken, as far as they are known."""
        over = self.done >= self.total
        count = f"{self.done:,} {self.unit}" if over else f"{self.done:,} of {self.total:,} {self.unit}"
        if self.done <= self.first or now <= self.began:
            return f"{self.label}: {count}"
        rate = (self.done - self.first) / (now - self.began)
        speed = f"{rate:,.0f}" if rate >= 10 else f"{rate:.2g}"
        when = duration(now - self.began) if over else f"about {duration((self.total - self.done) / rate)} left"
        return f"{self.label}: {count}, {speed} {self.unit}/s, {when}"
