"""What could fool the models: shortcuts probed on the patients that models are developed on, beside one's answers.

The answers are those of the best configuration's retrainings, of patients that none of them had seen, and once more of
images, where images were dealt and not patients. What is found is a list, ``probes.json`` in the study's folder of what
was confirmed. The test patients are not needed for it.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from leukmodels.dataset.cells import Cells, join
from leukmodels.errors import DataError
from leukmodels.evaluation.interval import Interval
from leukmodels.process.words import Terms
from leukmodels.shortcuts.probes import ALIKE, Gap, Shortcuts, measure_gap, probe_shortcuts
from leukmodels.training.scoring import read_scores
from search.data.sharing import SharedDataset
from search.study.confirmation_log import Probe
from search.study.folder import write_whole


@dataclass(frozen=True, kw_only=True)
class Answers:
    """Files of a configuration's scores of development cells, none of them of a model that trained on the cell.

    by_patient   nor on another cell of its patient
    by_image     but on others of its patient
    """

    by_patient: Sequence[Path]
    by_image: Sequence[Path]


def probe(data: SharedDataset, answers: Answers, path: Path, seed: int, terms: Terms) -> None:
    """Probe the development patients' cells beside a model's ``answers``, and write what is found, in these terms.

    Cells that cannot be probed are no error: by now the models are trained, and the test waits for them.
    """
    opened = data.open()
    cells = join(opened.train, opened.validation)
    by_patient, by_image = (_mean_scores(cells, files) for files in (answers.by_patient, answers.by_image))
    try:
        found = probe_shortcuts(
            cells, black_background=opened.black_background, scores=by_patient, seed=seed, terms=terms
        )
    except DataError as error:
        _write(path, [_not_applicable(error, terms)])
        return
    both = np.flatnonzero(~np.isnan(by_patient) & ~np.isnan(by_image))
    leak = None
    if {*cells.labels[both].tolist()} == {0, 1}:
        leak = measure_gap(cells.take(both), by_image=by_image[both], by_patient=by_patient[both])
    _write(path, lines(found, leak, terms))


def lines(found: Shortcuts, leak: Gap | None, terms: Terms) -> Iterator[Probe]:
    """Yield the probes as a reader sees them; ``leak`` is what a split by image adds to the model's own scores."""
    for each, level in ((found.colour, "cell"), (found.background, terms.unit), (found.count, terms.unit)):
        reached = (each.found.cells if level == "cell" else each.found.patients) if each.found else None
        yield _line(each.name, level, "AUROC", reached, alarm=each.alarm, says=each.meaning)
    asked = found.background if found.background.found else found.colour
    if asked.found:
        chance = asked.found.chance
        says = (
            f"Where the labels are permuted among the {terms.units}, the probe of {asked.name} reaches AUROC "
            f"{chance.estimate:.2f} on average, and {chance.low:.2f} to {chance.high:.2f} in 95 % of the permutations: "
            "that is the range of chance, and no confidence interval."
        )
        yield _line("permuted labels", terms.unit, "AUROC", chance, alarm=False, says=says)
    colours, gained = found.leak, found.leak.gap.gap if found.leak.gap else None
    name = "colours, split by image"
    yield _line(name, "cell", "AUROC gained", gained, alarm=colours.alarm, says=colours.meaning)
    if leak:
        says = (
            f"The best configuration, trained again, reaches AUROC {leak.by_image.estimate:.2f} of cells where images "
            f"are split, and {leak.by_patient.estimate:.2f} where {terms.units} are: {_leaked(leak.gap, terms)}."
        )
        yield _line("the model, split by image", "cell", "AUROC gained", leak.gap, alarm=False, says=says)


def _leaked(gap: Interval, terms: Terms) -> str:
    if gap.low > 0:
        return "a split by image would have promised too much here"
    if gap.high <= ALIKE:
        return "a split by image would hardly have looked better here"
    return f"whether a split by image would have looked better cannot be told from chance with these {terms.units}"


def _not_applicable(error: DataError, terms: Terms) -> Probe:
    says = f"Not applicable. {' '.join([error.heading, *error.problems])}"
    return _line("shortcut probes", terms.unit, "AUROC", None, alarm=False, says=says)


def _write(path: Path, probes: Iterable[Probe]) -> None:
    write_whole(path, json.dumps([asdict(each) for each in probes], indent=1))


def _line(name: str, level: str, figure: str, reached: Interval | None, *, alarm: bool, says: str) -> Probe:
    numbers = asdict(reached) if reached else dict.fromkeys(("estimate", "low", "high"))
    return Probe(name=name, level=level, figure=figure, alarm=alarm, says=says, **numbers)


def _mean_scores(cells: Cells, answers: Sequence[Path]) -> npt.NDArray[np.float64]:
    """Return the mean score of each cell over the files that have one, NaN where none has."""
    row_of = {name: row for row, name in enumerate(cells.image_ids.tolist())}
    total, count = np.zeros(len(cells)), np.zeros(len(cells))
    for path in answers:
        table = read_scores(path)
        rows = [row_of[name] for name in table["image"].to_pylist()]
        total[rows] += table["score"].to_numpy()
        count[rows] += 1
    means: npt.NDArray[np.float64] = np.divide(total, count, out=np.full(len(cells), np.nan), where=count > 0)
    return means
