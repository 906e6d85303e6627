"""The model card beside an exported model: what it is, what it was measured to do, and what is open.

Its checklist has the items of TRIPOD+AI (Collins et al. 2024, doi:10.1136/bmj-2023-078378) and CLAIM (Mongan et al.
2020, doi:10.1148/ryai.2020200029) that a study can answer by itself; the others are listed for its author.
"""

from collections.abc import Mapping
from typing import Any

from search.folder import StudyFolder
from search.page.gathering import exported
from search.page.rendering import render


def model_card(folder: StudyFolder, config: Mapping[str, Any]) -> str:
    """Return README.md of a bundle, Markdown, from its config.yaml and the study that it was exported from."""
    facts = exported(folder, config["trial"], threshold=config["threshold"])
    return render("card.md", config=config, exported=facts, began=_began(config), figures={})


def _began(config: Mapping[str, Any]) -> str:
    """Return which weights the model started from, "" where from none."""
    starts, backbone = config["starts"], config["hyperparameters"].get("backbone", "cnn")
    if backbone == "base":
        base = starts["base"]
        return f"Its convolutions began as those of {base['origin']}, trained for {base['task']} on the same split."
    if backbone in starts["files"]:
        known = starts["files"][backbone]["sha256"]
        return f"It began as {backbone} with {f'the weights of SHA-256 {known}' if known else 'random weights'}."
    return ""
