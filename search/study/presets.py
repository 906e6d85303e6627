"""From what was asked, and a preset, to a study's options: new ones, or those of one that goes on."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from leukmodels.errors import ConfigError
from leukmodels.process.command_line import checked, option
from search.study.config import SearchConfig, current_names

PRESETS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "smoke": {"trials": 3, "epochs": 3, "image_px": 32, "cells_per_patient": 8},
        "quick": {"trials": 20, "epochs": 6, "image_px": 48, "time_budget": 300.0},
        "thorough": {"trials": 100, "epochs": 40, "image_px": 144, "cells_per_patient": 100, "space": "full"},
    }
)
DEFAULT_PRESET = "quick"
# What a resumed study may be told anew: how long and where it goes on, never what it measures.
# (Data that moved may be given anew: their fingerprint is compared.)
RESUMABLE = frozenset(
    {
        "data",
        "trials",
        "time_budget",
        "plateau_trials",
        "tolerance",
        "concurrency",
        "cpus_per_trial",
        "gpus_per_trial",
        "pixels",
        "shuffle_window",
        "tracking_uri",
        "group_access",
    }
)


def configure(preset: str, given: Mapping[str, Any]) -> SearchConfig:
    """Return the preset with what the user gave on top; ConfigError with every problem at once."""
    usual, given = dict(PRESETS[preset]), current_names(given)
    if given.get("deterministic"):
        usual.pop("time_budget", None)
    return checked(SearchConfig, {**usual, **given})


def reconfigure(config: SearchConfig, given: Mapping[str, Any]) -> tuple[SearchConfig, dict[str, Any]]:
    """Return the config of a resumed study and what changed, as JSON values; ConfigError for what may not change."""
    given = current_names(given)
    if fixed := sorted(set(given) - RESUMABLE):
        raise ConfigError(
            "A study that goes on keeps what it measures:",
            [
                f"{option(name)} cannot be given with --resume (the study has {getattr(config, name)}); "
                "start a new study to change it."
                for name in fixed
            ],
        )
    changed = configure(DEFAULT_PRESET, {**config.model_dump(), **given})
    before, after = config.model_dump(mode="json"), changed.model_dump(mode="json")
    return changed, {name: after[name] for name in given if after[name] != before[name]}
