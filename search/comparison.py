"""Whether a warm start helped: a study beside one that searched the same from nothing, on the same budget."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from leukmodels.errors import StudyError
from search import journal
from search.aims import Aims
from search.folder import StudyFolder
from search.records import fold
from search.standing import Effort, effort

# What two studies must have in common: all but how they begin, their seed, and how long they go on.
_MANIFEST = ("task", "space", "aims", "split")
_DATA = ("fingerprint", "image_px", "crop_px")
_CONFIG = ("epochs", "patience", "scheduler", "eta", "grace", "spacing", "sampler")


@dataclass(frozen=True, kw_only=True)
class ColdStart:
    """A study that began from nothing, and its effort."""

    name: str
    effort: Effort


def cold_start(folder: StudyFolder) -> ColdStart | None:
    """Return the study beside a warm-started one that searched the same from nothing and spent most; None: no such."""
    ours = _what(folder.read_manifest())
    found: list[ColdStart] = []
    for path in sorted(folder.path.parent.glob("*/study.json")):
        other = StudyFolder(path.parent)
        try:
            manifest = other.read_manifest()
            if manifest["prior"] is None and _what(manifest) == ours:
                record = fold(journal.read(other.journal))
                found.append(ColdStart(name=other.name, effort=effort(record, Aims(**manifest["aims"]))))
        except (StudyError, ValueError, KeyError):  # of another version, or damaged: nothing to compare with
            continue
    return max((cold for cold in found if cold.effort.spent), key=lambda cold: cold.effort.spent, default=None)


def words(warm: Effort, cold: ColdStart | None) -> str:
    """Return in a sentence whether the warm start helped; one study each, so luck is in it."""
    if cold is None:
        return (
            "Whether the warm start helped cannot be said: no study beside it searched the same from nothing. "
            "The same command without --warm-start is one."
        )
    budget = min(warm.spent, cold.effort.spent)
    here, there = warm.volume_at(budget), cold.effort.volume_at(budget)
    said = (
        f"Warm start beside the cold start of {cold.name}: hypervolume {here:.3f} and {there:.3f} after {budget:,} "
        "epochs of each"
    )
    sooner = warm.epochs_to(there)
    if here > there and sooner is not None:
        said += f"; what the cold start had then, the warm start had after {sooner:,}"
    return f"{said}. (One study each: some of the difference is luck.)"


def _what(manifest: Mapping[str, Any]) -> list[Any]:
    return [
        *(manifest[name] for name in _MANIFEST),
        *(manifest["data"][name] for name in _DATA),
        *(manifest["config"][name] for name in _CONFIG),
    ]
