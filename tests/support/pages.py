"""Studies with scores, as a search and a confirmation leave them on disk, for the tests of pages; and pages, read."""

import json
import shutil
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import studies
from leukmodels.evaluation import resampling
from leukmodels.training.scoring import SCORES_SCHEMA
from search.report import render
from search.report.write import write_page
from search.study.confirmation_log import Retraining, TestCandidate, as_event
from search.study.disclosure import Disclosure
from search.study.folder import StudyFolder
from search.study.journal import Journal
from studies import stored

TEST = "confirmed/test/1"
METRICS = ("recall", "accuracy", "specificity", "precision", "f1", "balanced_accuracy", "auroc", "log_loss")
VOID = {"meta", "img", "br", "hr"}


def write_scores(path: Path, seed: int, *, patients: int = 12, prefix: str = "P", lean: float = 0.6) -> None:
    """Write scores of the cells of some patients, every second leukemic; ``lean`` is how far the classes are apart.

    The cells are the same for every seed.
    """
    rng = np.random.default_rng(seed)
    who = np.repeat(np.arange(patients), 5 + np.arange(patients) % 7)
    labels = (who % 2).astype(np.int8)
    logits = lean * (2.0 * labels - 1) + rng.normal(0, 0.7, patients)[who] + rng.normal(0, 1.0, len(who))
    columns = [
        [f"{prefix}{patient:02d}/image_{row}.tif" for row, patient in enumerate(who.tolist())],
        [f"{prefix}{patient:02d}" for patient in who.tolist()],
        labels,
        1 / (1 + np.exp(-logits)),
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table([pa.array(column) for column in columns], schema=SCORES_SCHEMA), path)


def searched(path: Path, **begun: object) -> StudyFolder:
    """Write a finished study; trials 2 and 1 are the front, 0 is the default, 3 is beyond a bound."""
    folder = studies.mixed(path, finished=True, **begun)
    for number in range(4):
        write_scores(folder.trial(number) / "scores.parquet", number)
    return folder


def retrain(folder: StudyFolder) -> None:
    """Write three retrainings of the trials 0, 1 and 2; 0 could not be trained once."""
    with Journal(folder.journal) as journal:
        for trial in (0, 1, 2):
            for fold in range(3):
                failed = trial == 0 and fold == 2
                measured = studies.metrics(0.7 + 0.1 * trial + 0.01 * fold, 0.95 - 0.1 * trial)
                journal.append(
                    "retrained",
                    **vars(Retraining(trial=trial, folds=3, seed=0, fold=fold)),
                    metrics={} if failed else {name: measured[name] for name in METRICS},
                    best_epoch=2,
                    reason="the loss is not a number" if failed else "",
                )


def open_test(folder: StudyFolder, number: int, *, unfinished: bool = False, promised: float | None = None) -> None:
    """Write an opening of the test for the trials 2, of which a recall may have been promised, and 0."""
    place = folder.confirmed / "test" / str(number)
    chosen = [
        TestCandidate(
            trial=2,
            threshold=0.4,
            why="highest mean recall",
            promise={},
            promised=promised,
        ),
        TestCandidate(trial=0, threshold=0.5, why="the published CNN, for comparison", promise={}),
    ]
    with Journal(folder.journal) as journal:
        journal.append("test_opened", chosen=[as_event(each) for each in chosen])
        for each in chosen[: 1 if unfinished else 2]:
            # Both are asked about the same cells.
            write_scores(place / f"{each.trial}.parquet", 50, prefix="T", lean=0.4 + 0.1 * each.trial)
            journal.append("tested", opening=number, trial=each.trial, metrics={})


def hold_against_test(folder: StudyFolder, *, lean: float = 3.0, promised: float | None = None) -> None:
    """Write an opening of the test for trial 2 alone, of which a recall may have been promised; ``lean`` as above."""
    write_scores(folder.confirmed / "test" / "1" / "2.parquet", 50, prefix="T", lean=lean)
    chosen = TestCandidate(trial=2, threshold=0.4, why="highest mean recall", promise={}, promised=promised)
    with Journal(folder.journal) as journal:
        journal.append("test_opened", chosen=[as_event(chosen)])
        journal.append("tested", opening=1, trial=2, metrics={"recall": 0.875, "accuracy": 0.75, "specificity": 0.5})


def confirmed(path: Path) -> StudyFolder:
    """Write a study whose front was trained again and whose test was opened once."""
    folder = searched(path)
    retrain(folder)
    open_test(folder, 1)
    return folder


def told(folder: StudyFolder, **data: object) -> None:
    """Change what the study's manifest says of its data."""
    manifest = stored(folder)
    manifest["data"] |= data
    folder.manifest.write_text(json.dumps(manifest), encoding="utf-8")


class Read(HTMLParser):
    """A page: its tags, its text, and its tables as rows of cells; fails where a tag is not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.tables: list[list[list[str]]] = []
        self.words = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open, f"not closed: {self._open}"

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if "style" in self._open:
            return
        self.words += data
        if {"td", "th"} & set(self._open):
            self.tables[-1][-1][-1] += data

    def of(self, tag: str) -> list[dict[str, str | None]]:
        """Return the attributes of every tag of a name."""
        return [attributes for name, attributes in self.tags if name == tag]

    def table(self, caption: str) -> dict[str, list[str]]:
        """Return the table after a heading cell or caption, as rows by their first cell."""
        return next(
            {row[0].strip(): [cell.strip() for cell in row[1:]] for row in rows}
            for rows in self.tables
            if any(caption in cell for row in rows for cell in row)
        )


def copied(folder: StudyFolder, place: Path) -> StudyFolder:
    """Return a copy of a study in ``place`` that a test may change."""
    shutil.copytree(folder.path, place / folder.name)
    return StudyFolder(place / folder.name)


def blank(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave figures blank, where only words and tables are looked at: drawing takes most of the time."""
    monkeypatch.setattr(render, "_svg", lambda figure: "data:image/svg+xml;base64,")


def written(folder: StudyFolder, *, open_to_all: bool = True) -> Read:
    """Return the page of a study, read; with names and pictures unless it is not ``open_to_all``."""
    disclosure = Disclosure(identifiers=open_to_all, pictures=open_to_all)
    return Read(write_page(folder, disclosure=disclosure).read_text(encoding="utf-8"))


@contextmanager
def few_draws():
    """Draw patients less often: what is estimated stays as it is, and how sure it is has tests of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resampling, "DRAWS", 100)
        yield
