"""A study on disk: the one object that knows its paths, writes its files whole, and lets one driver in at a time.

<storage>/<study>/
  study.json          written once: what was asked, on which data, by which versions
  journal.jsonl       the truth, see journal.py
  split.json          patient -> part, with a fingerprint
  quarantine.csv      files that cannot be used, each with the reason; duplicates.csv and excluded.csv likewise
  weights/            what models may start from: the base model, pre-trained networks
  trials/<number>/    checkpoint while running; model.keras and scores.parquet once complete
  confirmed/          what search.confirm found: scores of retrained models, and of the test patients
  report/             the page of the study; its front as a table and pictures
  pseudonyms.key      what patients' pseudonyms are made with; it stays here
  mlflow.json         how far MLflow has been told; can be thrown away
  lock                pid and host of the driver that may write
"""

import contextlib
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from leukmodels.errors import StudyError
from leukmodels.process.files import make_folder, written_aside
from leukmodels.process.lock import lock


@dataclass(frozen=True)
class StudyFolder:
    """The paths of one study below ``path``; nothing is created until something is written."""

    path: Path

    @property
    def name(self) -> str:
        """The study's name: its folder's."""
        return self.path.name

    @property
    def manifest(self) -> Path:
        """Where ``study.json`` stands."""
        return self.path / "study.json"

    @property
    def journal(self) -> Path:
        """Where the journal stands."""
        return self.path / "journal.jsonl"

    @property
    def split(self) -> Path:
        """Where the split of the patients stands."""
        return self.path / "split.json"

    @property
    def quarantine(self) -> Path:
        """Where the files that cannot be used are listed, each with its reason."""
        return self.path / "quarantine.csv"

    @property
    def duplicates(self) -> Path:
        """Where the files that are copies of others are listed."""
        return self.path / "duplicates.csv"

    @property
    def excluded(self) -> Path:
        """Where the training cells that a list leaves out stand."""
        return self.path / "excluded.csv"

    @property
    def weights(self) -> Path:
        """The folder of files that models may start from."""
        return self.path / "weights"

    @property
    def confirmed(self) -> Path:
        """The folder of what ``search.confirm`` found."""
        return self.path / "confirmed"

    @property
    def report(self) -> Path:
        """The folder of tables and pictures."""
        return self.path / "report"

    @property
    def pseudonyms(self) -> Path:
        """Where the key of the patients' pseudonyms stands."""
        return self.path / "pseudonyms.key"

    @property
    def tracking_cursor(self) -> Path:
        """Where the MLflow follower keeps how far it got."""
        return self.path / "mlflow.json"

    @property
    def scratch(self) -> Path:
        """Ray Tune's own state, which nothing ever reads back."""
        return self.path / "tune-scratch"

    @property
    def trials(self) -> Path:
        """The folder of the trials' folders."""
        return self.path / "trials"

    def trial(self, number: int) -> Path:
        """Return the folder of trial ``number``."""
        return self.trials / f"{number:05d}"

    def scores(self, number: int) -> Path:
        """Return where trial ``number``'s scores of the validation cells stand."""
        return self.trial(number) / "scores.parquet"

    @property
    def exists(self) -> bool:
        """Whether a study was begun here."""
        return self.manifest.is_file()

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the study for this process; StudyError names the driver that holds it already.

        The kernel frees the lock when the holder dies, however it dies, so no stale lock has to be removed by hand.
        """
        make_folder(self.path)
        with (self.path / "lock").open("a+", encoding="utf-8") as file:
            if not lock(file):
                file.seek(0)
                raise StudyError(
                    f"Another driver is writing to {self.path} ({file.read().strip() or 'unknown'}). "
                    "Wait until it ends, or stop it first (Ctrl-C, or `ray job stop`)."
                )
            file.truncate(0)
            file.write(f"pid {os.getpid()} on {socket.gethostname()}\n")
            file.flush()
            yield


def write_whole(path: Path, text: str, *, durable: bool = True) -> None:
    """Write ``text`` to ``path`` so that a reader sees the old file or the new one, never a part; see written_aside."""
    with written_aside(path, durable=durable) as aside:
        aside.write_text(text, encoding="utf-8")
