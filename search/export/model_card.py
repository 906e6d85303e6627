"""The model card beside an exported model: what it is, what it was measured to do, and what is open.

Its checklist has the items of TRIPOD+AI (Collins et al. 2024, doi:10.1136/bmj-2023-078378, Table 2) and of the 2024
update of CLAIM (Tejani et al. 2024, doi:10.1148/ryai.240300) that a study can answer by itself; the others are listed
for its author.
"""

from collections.abc import Sequence

from leukmodels.model.exported import ExportedModel
from leukmodels.process.words import Terms, plural
from search.report.facts import Exported, Judged
from search.report.render import render
from search.study.confirmation_log import Probe


def model_card(facts: Exported, config: ExportedModel, *, pseudonyms: bool = True) -> str:
    """Return README.md of a bundle, Markdown, from its config.yaml and the facts of its model.

    ``pseudonyms`` is whether patients and images are called by them there.
    """
    return render(
        "card.md",
        config=config,
        exported=facts,
        began=_began(config),
        robustness=_robustness(facts.probes),
        failures=_failures(facts.model.judged, facts.subject.terms),
        pseudonyms=pseudonyms,
        figures={},
    )


def _began(config: ExportedModel) -> str:
    """Return which weights the model started from, "" where from none."""
    starts, backbone = config.starts, config.hyperparameters.get("backbone", "cnn")
    if backbone == "base":
        base = starts["base"]
        return f"Its convolutions began as those of {base['origin']}, trained for {base['task']} on the same split."
    if backbone in starts["files"]:
        known = starts["files"][backbone]["sha256"]
        return f"It began as {backbone} with {f'the weights of SHA-256 {known}' if known else 'random weights'}."
    return ""


def _robustness(probes: Sequence[Probe]) -> str:
    """Return which shortcuts were probed, and what those that alarm mean."""
    if not probes:
        return "not examined; `python -m search.confirm` probes shortcuts"
    names = ", ".join(probe.name for probe in probes)
    alarms = [f"ALARM, {probe.name}: {probe.says}" for probe in probes if probe.alarm]
    return f"shortcuts probed on training and validation cells: {names}. {' '.join(alarms) or 'No alarm'}"


def _failures(judged: Judged, terms: Terms) -> str:
    """Return how many cells were called wrongly each way, and which patients where they are judged."""
    (_, alarmed), (missed, _) = judged.cells.confusion.tolist()
    said = (
        f"{plural(missed, f'{terms.positive} cell')} called {terms.negative}, "
        f"{plural(alarmed, f'{terms.negative} cell')} called {terms.positive}"
    )
    if not judged.patients:
        return f"{judged.part}: {said}"
    wrong = [each.name for each in judged.by_patient if not each.right]
    return f"{judged.part}: {said}; {terms.units} called wrongly: {', '.join(wrong) or 'none'}"
