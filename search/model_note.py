"""What is written beside an exported model for whoever finds the folder."""

from collections.abc import Mapping
from typing import Any

from search.display.wording import measured, metric_name

_SYNTHETIC = (
    "\n**SYNTHETIC DATA.** The cells were drawn by a program. The numbers below exercise the software; "
    "they say nothing about leukemia, and the model must not be shown a patient's cells.\n"
)
_NO_PATIENTS = (
    "\nThe collection names no patients, so cells of one patient may stand on both sides of the split: "
    "these numbers are too good.\n"
)


def model_note(config: Mapping[str, Any]) -> str:
    """Return README.md of a bundle, Markdown, from its config.yaml."""
    validation = config["validation"]
    rows = "\n".join(f"| {metric_name(name)} | {measured(validation, name)} |" for name in validation)
    cells, patients = config["cells"]["validation"], config["patients"]["validation"]
    disease, control = ", ".join(config["disease"]), ", ".join(config["control"])
    checked = config["verification"]
    return f"""# {config["task"]}: {config["question"]}

For research use only: not a medical device, not for diagnosis.
{_SYNTHETIC if config["data"] == "synthetic" else ""}{"" if config["patient_level"] else _NO_PATIENTS}
A classifier of single white blood cells: {disease} against {control}.
It is trial {config["trial"]} of the study `{config["study"]["name"]}`, chosen from a front of {len(config["front"])} by
preference: {config["preference"]}.{_began(config)}

| {cells:,} validation cells of {patients:,} patients | threshold {config["threshold"]:g} |
| --- | --- |
{rows}

- The winner of many trials is partly luck: expect less on new patients. The test patients were not opened.
- A label is the patient's (genotype or diagnosis), not the cell's: a patient's healthy cells count as {disease}.
- One collection, one laboratory: another stain, scanner or population was not seen.
- Reloaded and checked: {checked["note"]}
  ({checked["checked"]} cells, largest difference {checked["largest_difference"]:.1g}).

## Use
    python -m leukmodels.predictor FOLDER cell_1.tif cell_2.tif

or, from Python, with images as arrays (n, {config["image_px"]}, {config["image_px"]}, 3) of uint8:

    from leukmodels.predictor import Predictor
    scores = Predictor.load(Path("FOLDER")).predict(images)

`config.yaml` holds the hyperparameters, fingerprints, versions and the command (`{config["command"]}`);
`scores.parquet` the score of every validation cell; `front.csv` and `front.png` the front it was chosen from.
"""


def _began(config: Mapping[str, Any]) -> str:
    """Return which weights the model started from, "" where from none."""
    starts, backbone = config["starts"], config["hyperparameters"].get("backbone", "cnn")
    if backbone == "base":
        base = starts["base"]
        return f"\nIts convolutions began as those of {base['origin']}, trained for {base['task']} on the same split."
    if backbone in starts["files"]:
        known = starts["files"][backbone]["sha256"]
        return f"\nIt began as {backbone} with {f'the weights of SHA-256 {known}' if known else 'random weights'}."
    return ""
