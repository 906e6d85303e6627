"""An exported configuration: a folder that needs neither the study nor its storage, checked by using it.

<out>/
  config.yaml      the task, the hyperparameters, the threshold, what was measured, and where it all came from
  model.keras      the trained model
  domain-*.npy     what its training cells look like, for images that it is not to answer for
  scores.parquet   its scores of the validation cells: image, patient (both pseudonyms, see disclosure), label, score
  front.csv/.png   the front that it was chosen from
  README.md        the model card: what this is, what it was measured to do, what it is not

It is built aside, loaded and asked for scores that the study recorded, and only then put in its place.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from leukmodels.errors import Attempts, ConfigError
from leukmodels.model.exported import SYNTHETIC, ExportedModel, Figure, StudyReference, TestFigures, Verification
from leukmodels.process.files import digest, group_access
from search.export.destination import check_out, default_out, point_to, refuse_confirmed
from search.export.training_domain import learn_domain
from search.export.verification import verify
from search.selection.operating_point import OperatingPoint, select_operating_point
from search.selection.preference import Preference
from search.study.confirmation_log import TestAccess
from search.study.disclosure import DISCRETE, Disclosure, Names
from search.study.folder import write_whole
from search.study.integrity import MODEL, SCORES, model_file, validation_scores
from search.study.opened import Study
from search.study.portable import portable
from search.study.records import TrialRecord

if TYPE_CHECKING:
    from search.report.facts import Exported


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Which trial of a study is exported, and at which threshold."""

    study: Study
    operating_point: OperatingPoint

    @property
    def trial(self) -> TrialRecord:
        """The trial that is exported."""
        return self.operating_point.trial

    @property
    def out(self) -> Path:
        """Where it goes unless the user says otherwise."""
        manifest = self.study.manifest
        return default_out(self.study.folder, task=manifest.task.name, synthetic=manifest.data.synthetic)

    @cached_property
    def broken(self) -> tuple[str, ...]:
        """Each promise of validation that the model's last test broke, in a sentence."""
        if not self.study.confirmation.of(self.trial.number):
            return ()
        from search.report.build import broken_in_test  # takes a second to import

        return broken_in_test(self.study, self.trial.number)

    @property
    def opening(self) -> TestAccess | None:
        """The opening of the test that the model was held to at this very threshold, None where there was none."""
        tests = self.study.confirmation.of(self.trial.number)
        held = [opening for opening, each in tests if each.threshold == self.operating_point.threshold]
        return held[-1] if held else None

    @property
    def confirmed(self) -> bool:
        """Whether the model kept what validation had promised, at this threshold."""
        return self.opening is not None and not self.broken

    def refuse_failed(self) -> None:
        """Raise ConfigError where the model failed its test."""
        if self.broken:
            raise ConfigError(
                f"Trial {self.trial.number} failed its test, so it is not exported:",
                [*self.broken, "Export another trial (--trial N), or this one all the same (--anyway)."],
            )


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """An exported configuration, how it was verified, and what its task's results stand for now ("" elsewhere)."""

    path: Path
    trial: TrialRecord
    config: ExportedModel
    verification: Verification
    standing: str


def choose_trial(study: Study, preference: Preference) -> Choice:
    """Return the trial of the study, and the threshold, that the user prefers; needs no TensorFlow."""
    return Choice(study=study, operating_point=select_operating_point(study, preference, study.confirmation.latest))


def write_bundle(
    study: Study,
    out: Path,
    preference: Preference,
    *,
    replace: bool = False,
    anyway: bool = False,
    disclosure: Disclosure = DISCRETE,
) -> Bundle:
    """Write the chosen trial's bundle to ``out``, replacing a bundle that stands there.

    One that a test confirmed gives way to another such one alone, unless ``replace`` says so; the same holds for what
    the task's results stand for. A model that failed its test is exported only ``anyway``. UserError where that forbids
    it, there is nothing to choose, the trial's files are gone or are not those that were
    measured, ``out`` holds something else, or the reloaded model does not answer as the study recorded; ``out`` is then
    as it was.
    """
    from search.export.model_card import model_card  # draws on matplotlib, which choosing does without
    from search.report.build import exported

    chosen = choose_trial(study, preference)
    before, files = check_out(out), _measured(chosen)
    if not anyway:
        chosen.refuse_failed()
    if not (replace or chosen.confirmed):
        refuse_confirmed(out, before)
    operating_point = chosen.operating_point
    names = Names(study.folder, disclosure, unit=study.manifest.terms.unit)
    facts = exported(
        study,
        chosen.trial.number,
        threshold=operating_point.threshold,
        promised=operating_point.promised,
        names=names,
    )
    test = _tested(facts, chosen.broken)
    with group_access(study.config.group_access), _replaced(out) as aside:
        shutil.copyfile(files[MODEL], aside / MODEL)
        _write_scores(files[SCORES], aside / SCORES, names)
        config = _config(chosen, aside / MODEL, test)
        config.write(aside)
        _write_front(aside, study)
        images = study.config.data or study.manifest.data.root
        verification = verify(aside, scores=files[SCORES], images=images)
        learnt = learn_domain(study, aside, scores=files[SCORES], images=images)
        known = {"verification": verification, "domain": learnt.description, "domain_note": learnt.note}
        config = config.model_copy(update=known)
        config.write(aside)
        write_whole(aside / "README.md", model_card(facts, config, pseudonyms=not disclosure.identifiers))
    standing = point_to(out, config, chosen.out, replace=replace)
    return Bundle(path=out, trial=chosen.trial, config=config, verification=verification, standing=standing)


def _measured(chosen: Choice) -> dict[str, Path]:
    """Return the chosen trial's model and scores; StudyError where they are gone, or not what was measured."""
    folder, trial = chosen.study.folder, chosen.trial
    tested = [opening for opening, _ in chosen.study.confirmation.of(trial.number)]
    attempts = Attempts()
    files = {
        MODEL: attempts.attempt(lambda: model_file(folder, trial, *tested[-1:]), Path()),
        SCORES: attempts.attempt(lambda: validation_scores(folder, trial), Path()),
    }
    attempts.settle(f"Trial {trial.number} cannot be exported:")
    return files


@contextmanager
def _replaced(out: Path) -> Iterator[Path]:
    """Yield an empty folder beside ``out`` that takes its place, whole, when the block ends without an error."""
    out.parent.mkdir(parents=True, exist_ok=True)
    aside, old = (out.with_name(f".{out.name}.{os.getpid()}.{word}") for word in ("new", "old"))
    for left in (aside, old):  # a killed process of this id
        shutil.rmtree(left, ignore_errors=True)
    try:
        aside.mkdir()
        yield aside
        if out.exists():
            out.rename(old)
        aside.rename(out)
    finally:
        if old.exists() and not out.exists():
            old.rename(out)
        for left in (aside, old):
            shutil.rmtree(left, ignore_errors=True)


def _write_scores(source: Path, target: Path, names: Names) -> None:
    """Write a study's scores with its patients and images called as they are told of, in an order that says nothing."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from leukmodels.training.scoring import SCORES_SCHEMA, read_scores

    rows = [
        {**row, "image": names.image(row["image"]), "patient": names.patient(row["patient"])}
        for row in read_scores(source).to_pylist()
    ]
    table = pa.Table.from_pylist(rows, schema=SCORES_SCHEMA)
    pq.write_table(table.sort_by([("patient", "ascending"), ("image", "ascending")]), target)


def _tested(facts: "Exported", broken: tuple[str, ...]) -> TestFigures | None:
    """Return what the model reached on the test at its threshold, None where it was not held to that one there."""
    opening, judged = facts.opening, facts.model.test
    if not (opening and judged):
        return None
    return TestFigures(
        opening=opening.number,
        opened=datetime.fromtimestamp(opening.time, UTC).isoformat(timespec="seconds"),
        cells=judged.cells.count,
        figures={name: Figure(**asdict(of)) for name, of in judged.cells.figures.items()},
        broken=broken,
    )


def _config(chosen: Choice, model: Path, test: TestFigures | None) -> ExportedModel:
    """Return what config.yaml says: all that is needed to use the model, to judge it and to train it again."""
    study = chosen.study
    manifest, task, data = study.manifest, study.manifest.task, study.manifest.data
    terms = manifest.terms
    return ExportedModel(
        task=task.name,
        question=task.question,
        disease=task.disease,
        control=task.control,
        positive=terms.positive,
        negative=terms.negative,
        reader=task.reader,
        threshold=chosen.operating_point.threshold,
        promised_recall=chosen.operating_point.promised,
        image_px=data.image_px,
        crop_px=data.crop_px,
        black_background=data.black_background,
        hyperparameters=chosen.trial.params,
        test=test,
        validation=chosen.operating_point.metrics,
        training={key: value for key, value in chosen.trial.outcome.items() if key not in ("metrics", "sha256")}
        | {"precision": study.config.precision},
        preference=chosen.operating_point.why,
        front=tuple(trial.number for trial in study.front.trials),
        trial=chosen.trial.number,
        seed=manifest.seed,
        study=StudyReference(name=manifest.name, id=manifest.study_id, created=manifest.created),
        data=SYNTHETIC if data.synthetic else Path(data.root).name,
        patient_level=data.patient_level,
        cells=data.cells,
        excluded=data.excluded,
        patients=data.patients if data.patient_level else {},
        data_fingerprint=data.fingerprint,
        split_fingerprint=manifest.split.fingerprint,
        starts=manifest.starts.model_dump(mode="json"),
        model_sha256=digest(model),
        versions=manifest.versions,
        command=portable(manifest.command),
    )


def _write_front(folder: Path, study: Study) -> None:
    from search.display.csv_tables import write_front_table
    from search.display.plots import draw_front

    write_front_table(study.front, folder / "front.csv")
    draw_front(
        study.front,
        folder / "front.png",
        title=study.manifest.title,
        synthetic=study.manifest.data.synthetic,
        objectives=study.objectives,
    )
