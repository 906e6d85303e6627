"""Facts and figures to one HTML file that needs nothing else: no network, no script."""

import base64
import io
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import matplotlib as mpl
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup
from matplotlib.figure import Figure

from leukmodels.evaluation.interval import Interval
from search.report import text as wording
from search.study.confirmation_log import Probe

_ABSENT = "–"


def render(template: str, *, figures: Mapping[str, Figure], **facts: Any) -> str:
    """Return a template of this package, filled in; whatever comes from data is escaped."""
    images = {name: _svg(figure) for name, figure in figures.items()}
    return _environment().get_template(template).render(figures=images, words=wording, **facts)


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("search.report"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "digits": _digits,
        "interval": _interval,
        "share": _share,
        "counted": _counted,
        "between": _between,
        "cell": _cell,
        "png": _png,
    }
    return environment


def _svg(figure: Figure) -> str:
    """Return a figure as the address of an SVG that holds its own data; the same figure gives the same text."""
    drawn = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "page"}):
        figure.savefig(drawn, format="svg", metadata={"Date": None, "Creator": None})
    return _address(drawn.getvalue(), "svg+xml")


def _png(path: Path) -> str:
    """Return a picture's file as such an address."""
    return _address(path.read_bytes(), "png")


def _address(data: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def _digits(value: float | None, digits: int = 3) -> str:
    return _ABSENT if value is None else f"{value:.{digits}f}"


def _share(value: float) -> str:
    return f"{100 * value:.0f} %"


def _counted(value: int) -> str:
    return f"{value:,}"


def _interval(value: Interval | Probe, *, signed: bool = False) -> Markup:
    """Return an estimate and, in smaller print, its 95 % interval."""
    return Markup('{} <span class="interval">{} to {}</span>').format(*_three(value, signed))


def _between(value: Interval, *, signed: bool = False) -> str:
    """Return the same as plain text."""
    return "{} ({} to {})".format(*_three(value, signed))


def _cell(text: str) -> str:
    """Return text that may hold names from data as it stands in a cell of a Markdown table."""
    return text.replace("|", r"\|")


def _three(value: Interval | Probe, signed: bool) -> tuple[str, ...]:
    form = "+z.3f" if signed else "z.3f"  # z: no zero has a sign of its own
    return tuple(f"{number:{form}}".replace("-", "−") for number in (value.estimate, value.low, value.high))
