"""Whether a head start helped: a warm start or loaded weights, beside a search of the same from nothing."""

from dataclasses import dataclass
from typing import Any

from leukmodels.errors import StudyError
from leukmodels.process.progress import duration
from leukmodels.space.presets import OF_LOADED
from search.study.folder import StudyFolder
from search.study.front import Effort, effort
from search.study.manifest import Manifest
from search.study.opened import Study

# Options that two studies must have in common: all but how they begin, their seed, and how long they go on.
_CONFIG = ("epochs", "patience", "scheduler", "reduction_factor", "grace_period", "rung_factor", "sampler", "precision")


@dataclass(frozen=True, kw_only=True)
class ColdStart:
    """A study that began from nothing, and its effort."""

    name: str
    effort: Effort


def head_start(manifest: Manifest) -> str:
    """Return what a study began with, as a sentence may begin; "" where with nothing."""
    loaded = any(stored.file for stored in manifest.starts.files.values())
    kinds = {"warm start": manifest.prior, "transfer": loaded}
    return " and ".join(kind for kind, given in kinds.items() if given).capitalize()


def cold_start(study: Study) -> ColdStart | None:
    """Return the study beside one with a head start that searched the same from nothing, the longest; None: no such."""
    ours = _what(study.manifest)
    found: list[ColdStart] = []
    for path in sorted(study.folder.path.parent.glob("*/study.json")):
        try:
            other = Study.open(StudyFolder(path.parent))
            if not other.manifest.prior and not other.manifest.starts.files and _what(other.manifest) == ours:
                found.append(ColdStart(name=other.name, effort=effort(other.record, other.objectives)))
        except StudyError:  # of another version, or damaged: nothing to compare with
            continue
    return max((cold for cold in found if cold.effort.spent), key=lambda cold: cold.effort.spent, default=None)


def describe(head: str, ours: Effort, cold: ColdStart | None) -> str:
    """Return in a sentence whether the head start of this name helped; one study each, so luck is in it."""
    if cold is None:
        return (
            f"{head}: whether it helped cannot be said, as no study beside it searched the same from nothing. "
            "The same command without --warm-start, --base-model and --backbones is one."
        )
    budget = min(ours.spent, cold.effort.spent)
    here, there = ours.volume_at(budget), cold.effort.volume_at(budget)
    seconds = [duration(each.seconds_at(budget)) for each in (ours, cold.effort)]
    said = (
        f"{head} beside the cold start of {cold.name}: hypervolume {here:.3f} and {there:.3f} after {budget:,} "
        f"epochs of each ({' and '.join(seconds)} of training)"
    )
    sooner = ours.epochs_to(there)
    if here > there and sooner is not None:
        said += f"; what the cold start had then was reached here after {sooner:,}"
    return f"{said}. (One study each: some of the difference is luck.)"


def _what(manifest: Manifest) -> list[Any]:
    """Return what was searched, on which data, by which rules."""
    dimensions = manifest.space.dimensions
    data = manifest.data
    return [
        {name: dimension for name, dimension in dimensions.items() if name not in OF_LOADED},
        *(manifest.task, manifest.aims, manifest.split),
        *(data.fingerprint, data.image_px, data.crop_px),
        *(getattr(manifest.config, name) for name in _CONFIG),
    ]
