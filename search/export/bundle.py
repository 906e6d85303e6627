"""An exported configuration: a folder that needs neither the study nor its storage, checked by using it.

<out>/
  config.yaml      the task, the hyperparameters, the threshold, what was measured, and where it all came from
  model.keras      the trained model
  scores.parquet   its scores of the validation cells: image, patient, label, score
  front.csv/.png   the front that it was chosen from
  README.md        the model card: what this is, what it was measured to do, what it is not

It is built aside, loaded and asked for scores that the study recorded, and only then put in its place.
"""

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leukmodels.collections.source import open_source
from leukmodels.errors import BadImageError, DataError, StudyError
from leukmodels.model.exported import ExportedModel, StudyReference, Verification
from search.export.destination import check_out
from search.selection.operating_point import OperatingPoint, select_operating_point
from search.selection.preference import Preference
from search.study.folder import write_whole
from search.study.opened import Study
from search.study.portable import portable
from search.study.records import TrialRecord

if TYPE_CHECKING:
    from leukmodels.predictor import Predictor

SAMPLE = 32
# The same arithmetic on another machine or device rounds elsewhere; another model or another preparation of the images
# is off by far more.
EXACT, TOLERABLE = 1e-4, 2e-2
_FILE_BYTES = 1 << 30  # of an image that the study could use


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Which trial of a study is exported, and at which threshold."""

    study: Study
    operating_point: OperatingPoint

    @property
    def trial(self) -> TrialRecord:
        """The trial that is exported."""
        return self.operating_point.trial


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """An exported configuration and how it was verified."""

    path: Path
    trial: TrialRecord
    config: ExportedModel
    verification: Verification


def choose_trial(study: Study, preference: Preference) -> Choice:
    """Return the trial of the study, and the threshold, that the user prefers; needs no TensorFlow."""
    return Choice(study=study, operating_point=select_operating_point(study, preference, study.confirmation.latest))


def write_bundle(study: Study, out: Path, preference: Preference) -> Bundle:
    """Write the chosen trial's bundle to ``out``, replacing a bundle that stands there.

    StudyError where there is nothing to choose, the trial's files are gone, ``out`` holds something else, or the
    reloaded model does not answer as the study recorded; ``out`` is then as it was.
    """
    from search.export.model_card import model_card  # draws on matplotlib, which choosing does without

    chosen = choose_trial(study, preference)
    check_out(out)
    artefacts = {name: study.folder.trial(chosen.trial.number) / name for name in ("model.keras", "scores.parquet")}
    if missing := [str(path) for path in artefacts.values() if not path.is_file()]:
        raise StudyError(
            f"Trial {chosen.trial.number} cannot be exported: {' and '.join(missing)} {_are(missing)} missing. "
            "Choose another trial of the front (--trial N), or resume the study."
        )
    with _replaced(out) as aside:
        for name, path in artefacts.items():
            shutil.copyfile(path, aside / name)
        config = _config(chosen, aside / "model.keras")
        config.write(aside)
        _write_front(aside, study)
        verification = verify(aside, images=study.config.data or study.manifest.data.root)
        config = config.model_copy(update={"verification": verification})
        config.write(aside)
        write_whole(aside / "README.md", model_card(study, config))
    return Bundle(path=out, trial=chosen.trial, config=config, verification=verification)


def verify(bundle: Path, *, images: str) -> Verification:
    """Load the model of ``bundle`` as a user would, and score recorded validation cells again.

    ``images`` is where the study read them, a folder or an address. StudyError where the answers are not the recorded
    ones. Where no image is left, only that it answers is checked.
    """
    import numpy as np

    from leukmodels.predictor import Predictor
    from leukmodels.process.machine import cores
    from leukmodels.process.tensorflow_runtime import start
    from leukmodels.training.scoring import read_scores

    start(threads=cores())
    scores = read_scores(bundle / "scores.parquet")
    predictor = Predictor.load(bundle)
    rows = np.unique(np.linspace(0, scores.num_rows - 1, min(SAMPLE, scores.num_rows)).astype(int))
    sample = scores.take(rows)
    pairs = _score_again(predictor, sample.to_pylist(), images)
    if not pairs:
        px = predictor.image_px
        probe = predictor.predict(np.random.default_rng(0).integers(0, 256, (2, px, px, 3), dtype=np.uint8))
        if not np.all((probe >= 0) & (probe <= 1)):
            raise StudyError(f"The exported model does not answer with probabilities but with {probe.tolist()}.")
        note = "the images are no longer where the study read them: the model loads and answers, no score was compared"
        return Verification(checked=0, largest_difference=0.0, note=note)
    again, recorded = np.array(pairs).T
    largest = float(np.max(np.abs(again - recorded)))
    if not largest <= TOLERABLE:
        raise StudyError(
            f"The exported model scores {len(pairs)} validation cells up to {largest:.3g} away from what the study "
            f"recorded (allowed: {TOLERABLE:g}), so nothing was exported. Were the images in {images} changed since?"
        )
    note = "the recorded scores came out again"
    if largest > EXACT:
        note += ", with the rounding of another device"
    return Verification(checked=len(pairs), largest_difference=largest, note=note)


def _score_again(predictor: "Predictor", cells: list[dict[str, Any]], images: str) -> list[tuple[float, float]]:
    """Return today's score and the recorded one of each cell whose image can still be read."""
    import numpy as np

    from leukmodels.images.decoding import decode

    pixels, recorded = [], []
    try:
        source = open_source(images)
        for cell in cells:
            with suppress(OSError, BadImageError):
                data = source.read(f"{source.root.rstrip('/')}/{cell['image']}", max_bytes=_FILE_BYTES)
                pixels.append(decode(data, image_px=predictor.image_px, crop_px=predictor.crop_px))
                recorded.append(cell["score"])
    except DataError:  # nobody answers there any more: each further cell would be waited for
        pass
    return list(zip(predictor.predict(np.stack(pixels)).tolist(), recorded, strict=True)) if pixels else []


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


def _config(chosen: Choice, model: Path) -> ExportedModel:
    """Return what config.yaml says: all that is needed to use the model, to judge it and to train it again."""
    study = chosen.study
    manifest, task, data = study.manifest, study.manifest.task, study.manifest.data
    terms = manifest.terms
    with model.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
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
        validation=chosen.operating_point.metrics,
        training={key: value for key, value in chosen.trial.outcome.items() if key != "metrics"}
        | {"precision": study.config.precision},
        preference=chosen.operating_point.why,
        front=tuple(trial.number for trial in study.front.trials),
        trial=chosen.trial.number,
        seed=manifest.seed,
        study=StudyReference(name=manifest.name, id=manifest.study_id, created=manifest.created),
        data="synthetic" if data.synthetic else Path(data.root).name,
        patient_level=data.patient_level,
        cells=data.cells,
        excluded=data.excluded,
        patients=data.patients if data.patient_level else {},
        data_fingerprint=data.fingerprint,
        split_fingerprint=manifest.split.fingerprint,
        starts=manifest.starts.model_dump(mode="json"),
        model_sha256=digest,
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


def _are(things: list[str]) -> str:
    return "is" if len(things) == 1 else "are"
