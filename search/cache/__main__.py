"""What is kept of images between studies, and how to free it.

python -m search.cache [--cache DIR] [--prune [DAYS]] [--json]
"""

import argparse
import datetime
import json
import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any

from pydantic import Field
from rich import box
from rich.table import Table

from leukmodels.process import command_line
from leukmodels.process.command import program, run_verb
from leukmodels.process.command_line import Arg, parse
from leukmodels.process.words import plural
from search.cache.pruning import Entry, Kind
from search.cache.store import PixelCache
from search.display.tables import terminal
from search.study.options import CacheOptions, StorageOptions, default_storage, find_cache

_EXAMPLES = """examples:
  python -m search.cache               what the cache holds
  python -m search.cache --prune 30    free what no search has used for 30 days
  python -m search.cache --prune       free all of it

What a later search misses, it prepares again. While a search uses the cache,
nothing is freed.
"""
_NOUNS: dict[Kind, str] = {"policy": "image", "stream": "image", "files": "known file"}
_DAY_S = 86_400.0
_SUGGESTED_DAYS = 30


class CacheVerbOptions(CacheOptions, StorageOptions):
    """Which cache is shown, and what is freed of it."""

    prune: Annotated[float | None, Arg(metavar="DAYS", const=0)] = Field(
        default=None,
        ge=0,
        allow_inf_nan=False,
        description="free what no search has used for so many days (without DAYS: all)",
    )
    as_json: Annotated[bool, Arg(flag="json")] = Field(default=False, description="print it as JSON")


def main(arguments: Sequence[str]) -> int:
    """Show the cache, or prune it and show what was freed; return the exit status."""
    options = parse(parser(), CacheVerbOptions, arguments)
    cache = PixelCache(find_cache(options.cache, options.storage))
    freed = None
    if options.prune is not None:
        freed = cache.prune(options.prune * _DAY_S if options.prune else None)
    entries = cache.sizes()
    if options.as_json:
        print(json.dumps(as_json(cache, entries, freed), indent=2))
    elif freed is None:
        show(cache, entries, options=_named(options))
    else:
        show_freed(cache, entries, freed, days=options.prune or None)
    return 0


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    return command_line.parser(
        CacheVerbOptions.model_fields,
        prog=program("search.cache"),
        description="Show what is kept of images between studies, or free it.",
        epilog=_EXAMPLES,
    )


def as_json(cache: PixelCache, entries: Sequence[Entry], freed: Sequence[Entry] | None) -> dict[str, Any]:
    """Return what the cache holds as plain values, sizes in bytes; after a prune also what was freed."""
    told = {"cache": str(cache.folder), "bytes": _bytes(entries), "entries": [_plain(entry) for entry in entries]}
    if freed is not None:
        told |= {"freed_bytes": _bytes(freed), "freed": [_plain(entry) for entry in freed]}
    return told


def show(cache: PixelCache, entries: Sequence[Entry], *, options: Sequence[str]) -> None:
    """Print what the cache holds and what to type next, with the ``options`` that name the same cache."""
    out = terminal(sys.stdout)
    if not entries:
        out.print(f"The cache in {cache.folder} is empty.\n\nA search fills it:", soft_wrap=True)
        out.print(f"  {shlex.join(['python', '-m', 'search.run', '--task', 'runx1', *options])}", soft_wrap=True)
        return
    out.print(f"Cache in {cache.folder}:\n", soft_wrap=True)
    out.print(_table(entries))
    command = shlex.join(["python", "-m", "search.cache", *options, "--prune"])
    days = f"{_SUGGESTED_DAYS}"
    out.print("\nNext:")
    out.print(f"  {command} {days}    free what no search has used for {days} days", soft_wrap=True)
    out.print(f"  {command} {' ' * len(days)}    free all of it", soft_wrap=True)


def show_freed(cache: PixelCache, entries: Sequence[Entry], freed: Sequence[Entry], *, days: float | None) -> None:
    """Print what was freed and what is left."""
    out = terminal(sys.stdout)
    if freed:
        out.print(f"Freed from the cache in {cache.folder}:\n", soft_wrap=True)
        out.print(_table(freed))
        out.print(f"\nIt holds {byte_words(_bytes(entries))}." if entries else "\nIt is empty.")
    else:
        why = "is empty" if days is None or not entries else f"was used in the last {days:g} days"
        out.print(f"Nothing to free: the cache in {cache.folder} {why}.", soft_wrap=True)


def byte_words(count: int) -> str:
    """Return a size as a person would say it: 512 B, 37.4 MB, 1.2 GB."""
    value, unit = float(count), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 999.5:
            break
        value, unit = value / 1000, larger
    return f"{value:.0f} {unit}" if value >= 99.95 or unit == "B" else f"{value:.1f} {unit}"


def since_words(seconds: float) -> str:
    """Return how long ago something was: just now, 5 min ago, 3 h ago, 12 days ago."""
    minutes = seconds / 60
    if minutes < 1:
        return "just now"
    if minutes < 99.5:
        return f"{minutes:.0f} min ago"
    return f"{minutes / 60:.0f} h ago" if minutes < 47.5 * 60 else f"{seconds / _DAY_S:.0f} days ago"


def _table(entries: Sequence[Entry]) -> Table:
    several = len(entries) > 1
    table = Table(box=box.SIMPLE, pad_edge=False, show_edge=False, header_style="dim", show_footer=several)
    table.add_column("part", "total", overflow="fold")
    table.add_column("holds", justify="right", no_wrap=True)
    table.add_column("size", byte_words(_bytes(entries)), justify="right", no_wrap=True)
    table.add_column("last used", justify="right", no_wrap=True)
    now = time.time()
    for entry in entries:
        name = entry.name if entry.kind == "policy" or len(entry.name) < 24 else f"{entry.name[:16]}..."
        holds = plural(entry.images, _NOUNS[entry.kind])
        table.add_row(name, holds, byte_words(entry.bytes), since_words(now - entry.last_used))
    return table


def _plain(entry: Entry) -> dict[str, Any]:
    used = datetime.datetime.fromtimestamp(entry.last_used, datetime.UTC)
    return asdict(entry) | {"last_used": used.isoformat(timespec="seconds")}


def _bytes(entries: Sequence[Entry]) -> int:
    return sum(entry.bytes for entry in entries)


def _named(options: CacheVerbOptions) -> list[str]:
    if options.cache:
        return ["--cache", str(options.cache)]
    return [] if options.storage == default_storage() else ["--storage", str(options.storage)]


if __name__ == "__main__":
    run_verb(main)
