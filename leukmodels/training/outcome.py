"""The outcome of a trial as one file, the last that is written: it says that model and scores are there.

A driver reads it, too, so nothing here imports Keras.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from leukmodels.process.files import digest, written_aside

MODEL_FILE, SCORES_FILE, OUTCOME_FILE = "model.keras", "scores.parquet", "outcome.json"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The result of a finished trial.

    metrics        of the best epoch on the validation cells, threshold 0.5: all that training.fit reports but its loss
                   and its times
    best_epoch     from 1
    epochs         trained in all
    parameters     of the model
    seconds        training and validation
    images_per_s   training speed
    sha256         of model.keras and scores.parquet, by name: what was measured; empty where a version before kept none
    """

    metrics: Mapping[str, float]
    best_epoch: int
    epochs: int
    parameters: int
    seconds: float
    images_per_s: float
    sha256: Mapping[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return nested plain values, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, mapping: Mapping[str, Any]) -> "Outcome":
        """Return the outcome that to_dict described."""
        return cls(**mapping)


def write_outcome(folder: Path, trial: Mapping[str, Any], outcome: Outcome) -> None:
    """Write the outcome of the trial that ``trial`` identifies, see ``training_loop.trial_identity``."""
    with written_aside(folder / OUTCOME_FILE) as aside:
        aside.write_text(json.dumps({"trial": trial, "outcome": outcome.to_dict()}, indent=2))


def read_outcome(folder: Path, trial: Mapping[str, Any]) -> Outcome | None:
    """Return the outcome in a folder if it is whole, and of the model and scores that are there.

    And this trial's, as far as ``trial`` identifies it.
    """
    try:
        found = json.loads((folder / OUTCOME_FILE).read_text())
        outcome = Outcome.from_dict(found["outcome"])
        same = all(digest(folder / name) == known for name, known in outcome.sha256.items())
        return outcome if same and found["trial"] == {**found["trial"], **trial} else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
