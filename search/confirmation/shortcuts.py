"""What could fool the models: shortcuts probed on the patients that models are developed on, beside one's answers.

The answers are those of the best configuration's retrainings, of patients that none of them had seen. What is found is
a list, ``probes.json`` in the study's folder of what was confirmed. The test patients are not needed for it.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import numpy.typing as npt

from leukmodels.cells import Cells, join
from leukmodels.evaluation import read_scores
from leukmodels.evidence.interval import Interval
from leukmodels.probes import Shortcuts, probe_shortcuts
from search.confirmation.record import Probe
from search.data.placing import Placed
from search.folder import write_whole


def probe(data: Placed, answers: Sequence[Path], path: Path, seed: int) -> None:
    """Probe the development patients' cells beside a model's ``answers`` (files of scores), and write what is found."""
    opened = data.open()
    cells = join(opened.train, opened.validation)
    found = probe_shortcuts(
        cells, black_background=opened.black_background, scores=_mean_scores(cells, answers), seed=seed
    )
    write_whole(path, json.dumps([asdict(line) for line in lines(found)], indent=1))


def lines(found: Shortcuts) -> Iterator[Probe]:
    """Yield the probes as a reader sees them."""
    for each, level in ((found.colour, "cell"), (found.background, "patient"), (found.count, "patient")):
        reached = (each.found.cells if level == "cell" else each.found.patients) if each.found else None
        yield _line(each.name, level, "AUROC", reached, alarm=each.alarm, says=each.meaning)
    measured = (found.background.found or found.colour.found, found.colour.found)
    if chance := next((each.chance for each in measured if each), None):
        says = "What a probe reaches where the labels are permuted among the patients: the range of chance, around 0.5."
        yield _line("permuted labels", "patient", "AUROC", chance, alarm=False, says=says)
    gained = found.leak.gap.gap if found.leak.gap else None
    yield _line("split by image", "cell", "AUROC gained", gained, alarm=found.leak.alarm, says=found.leak.meaning)


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
