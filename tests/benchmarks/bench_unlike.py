"""Are images that are unlike the training cells refused, and the model's own patients let through?

    python tests/benchmarks/bench_unlike.py [--seeds 5] [--real ../shared/data]

Each seed draws a cohort, trains the default CNN on its task runx1, and learns the training domain as an export does.
Sets of images are then held against it, each in one call, and each image by itself: the cohort's own test patients, the
same images changed, and real cells where there are any. The other way round a model of the real C-NMC sample is asked.
Ten minutes on two cores. Prints the tables and writes results/benchmarks/unlike.md.
"""

import argparse
import io
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import keras
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image, ImageFilter

from leukmodels import collections
from leukmodels.collections.tasks import find_task
from leukmodels.dataset.cells import Cells, TrainingData
from leukmodels.dataset.pixels import Blocks
from leukmodels.dataset.split import Split, split_patients
from leukmodels.domain.training_domain import Sample, TrainingDomain
from leukmodels.images.decoding import prepare, square_px
from leukmodels.model.build import build
from leukmodels.predictor import Predictor
from leukmodels.process import tensorflow_runtime
from leukmodels.space.hyperparameters import HyperParams
from leukmodels.synthetic import draw_cohort
from leukmodels.training.training_loop import Budget, fit
from publishing import publish

IMAGE_PX, EPOCHS, CELLS_PER_PATIENT = 64, 5, 16
SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"

Pixels = np.ndarray  # (h, w, 3), uint8, as they were taken
Sets = list[list[Pixels]]


@dataclass(frozen=True, kw_only=True)
class Refused:
    """Of sets shown to a model: how many, and the shares refused, of sets and of single images.

    unsized is the share of sets that are refused for something else than the size of their images.
    """

    sets: int
    images: int
    of_sets: float
    unsized: float
    of_images: float


def opened(table: pa.Table) -> list[Pixels]:
    """Return the images of a listing as they are."""
    return [np.asarray(Image.open(path).convert("RGB")) for path in table["path"].to_pylist()]


def by_patient(table: pa.Table) -> Sets:
    """Return the images of a listing, those of a patient together."""
    names = pc.unique(table["patient"]).to_pylist()
    return [opened(table.filter(pc.equal(table["patient"], name))) for name in names]


def changed(change: Callable[[Image.Image], Image.Image]) -> Callable[[Pixels], Pixels]:
    """Return a change of pictures as one of pixels."""
    return lambda pixels: np.asarray(change(Image.fromarray(pixels)))


def middle(share: float, image: Image.Image) -> Image.Image:
    """Return the middle of an image, so much of its side."""
    side = round(share * image.width)
    first = (image.width - side) // 2
    return image.crop((first, first, first + side, first + side))


def on_black(image: Image.Image) -> Image.Image:
    """Return an image scaled to 60 % in the middle of black."""
    side = round(0.6 * image.width)
    whole = Image.new("RGB", image.size)
    whole.paste(image.resize((side, side), Image.Resampling.HAMMING), ((image.width - side) // 2,) * 2)
    return whole


CHANGES: Mapping[str, Callable[[Pixels], Pixels]] = {
    "turned by 90 degrees": lambda pixels: np.rot90(pixels).copy(),
    "inverted colours": lambda pixels: 255 - pixels,
    "red and blue exchanged": lambda pixels: pixels[..., ::-1].copy(),
    "grey": lambda pixels: np.repeat(pixels.mean(axis=-1, keepdims=True), 3, axis=-1).astype(np.uint8),
    "four fifths as bright": lambda pixels: (0.8 * pixels).astype(np.uint8),
    "blurred": changed(lambda image: image.filter(ImageFilter.GaussianBlur(2))),
    "wrong crop: the middle half": changed(partial(middle, 0.5)),
    "the middle half, scaled up again": changed(lambda image: middle(0.5, image).resize(image.size)),
    "the middle 70 %, scaled up again": changed(lambda image: middle(0.7, image).resize(image.size)),
    "the middle 80 %, scaled up again": changed(lambda image: middle(0.8, image).resize(image.size)),
    "60 % on black": changed(on_black),
}


def charts(count: int) -> Sets:
    """Return line charts, one a set."""
    from matplotlib.figure import Figure

    drawn = []
    for seed in range(count):
        figure = Figure(figsize=(3, 3))
        figure.subplots().plot(np.random.default_rng(seed).normal(size=40).cumsum())
        file = io.BytesIO()
        figure.savefig(file, format="png")
        drawn.append([np.asarray(Image.open(file).convert("RGB"))])
    return drawn


def as_cells(sets: Sets, labels: Sequence[int], crop_px: int | None) -> Cells:
    """Return sets of images as cells, a patient a set."""
    codes = np.repeat(np.arange(len(sets)), [len(each) for each in sets])
    images = [prepare(pixels, image_px=IMAGE_PX, crop_px=crop_px) for each in sets for pixels in each]
    return Cells(
        pixels=Blocks.of(np.stack(images)),
        labels=np.asarray(labels, np.uint8)[codes],
        patients=codes.astype(np.int32),
        patient_names=tuple(f"{id(sets)}-{number}" for number in range(len(sets))),
        image_ids=np.arange(len(codes)).astype(str),
    )


def model_of(
    parts: Mapping[str, tuple[Sets, Sequence[int]]], *, black: bool, crop_px: int | None, seed: int, folder: Path
) -> Predictor:
    """Return the default CNN trained on these parts (sets, and the label of each), with its training domain."""
    cells = {part: as_cells(sets, labels, crop_px) for part, (sets, labels) in parts.items()}
    data = TrainingData(**cells, black_background=black, split_fingerprint="")
    tensorflow_runtime.seed_everything(seed)
    model = build(HyperParams(), image_px=IMAGE_PX, black_background=black)
    budget = Budget(epochs=EPOCHS, patience=EPOCHS)
    fit(model, data, HyperParams(), budget=budget, seed=seed, folder=folder, report=lambda *epoch: None)
    named = {"threshold": 0.5, "image_px": IMAGE_PX, "crop_px": crop_px, "task": "", "disease": ("",), "control": ("",)}
    predictor = Predictor(model=model, **named)
    samples = []
    for part, (sets, _) in parts.items():
        images = next(cells[part].pixels.batches(np.arange(len(cells[part])), len(cells[part])))
        sides = [square_px(*pixels.shape[1::-1], crop_px=crop_px) for each in sets for pixels in each]
        samples.append(
            Sample(
                images=images,
                features=predictor.score(images)[1],
                sides_px=np.array(sides),
                patients=cells[part].patients.astype(np.int64),
            )
        )
    return Predictor(model=model, **named, domain=TrainingDomain.learn(*samples))


def asked(predictor: Predictor, sets: Sets) -> Refused:
    """Return what is refused of sets."""
    side = predictor.domain.sides_px[1]
    sized = [[as_large(pixels, side, predictor.crop_px) for pixels in each] for each in sets]
    single = [predictor.answers([pixels])[0].unlike for each in sets for pixels in each]
    return Refused(
        sets=len(sets),
        images=len(single),
        of_sets=float(np.mean([any(answer.unlike for answer in predictor.answers(each)) for each in sets])),
        unsized=float(np.mean([any(answer.unlike for answer in predictor.answers(each)) for each in sized])),
        of_images=float(np.mean([bool(unlike) for unlike in single])),
    )


def as_large(pixels: Pixels, side_px: int, crop_px: int | None) -> Pixels:
    """Return the middle square of an image at the size of the training cells'."""
    taken = square_px(*pixels.shape[1::-1], crop_px=crop_px)
    return prepare(pixels, image_px=side_px, crop_px=crop_px) if taken != side_px else pixels


def shown_to_drawn(place: Path, seed: int, real: Path) -> Iterator[tuple[str, Refused]]:
    """Yield what a model of a drawn cohort refuses."""
    listing = collections.read("mll", draw_cohort(place / "cohort", seed=seed, cells_per_patient=CELLS_PER_PATIENT))
    split, task = split_patients(listing.cells, seed=seed), find_task("runx1")
    parts = {part: labelled(split, task.select(listing.cells), part) for part in ("train", "validation", "test")}
    test = parts.pop("test")[0]
    predictor = model_of(parts, black=False, crop_px=None, seed=seed, folder=place / "trial")
    yield "own test patients", asked(predictor, test)
    others = split.assign(listing.cells).filter(pc.equal(pc.field("part"), "test"))
    others = others.filter(~pc.is_in(pc.field("class_name"), pa.array([*task.disease, *task.control])))
    yield "test patients with other leukemias", asked(predictor, by_patient(others))
    for name, change in CHANGES.items():
        yield name, asked(predictor, [[change(pixels) for pixels in each] for each in test])
    yield "line charts", asked(predictor, charts(10))
    if real.is_dir():
        yield "real: AML-Cytomorphology_LMU, by type", asked(predictor, lmu(real))
        yield "real: C-NMC 2019, by subject", asked(predictor, by_patient(cnmc(real)))


def labelled(split: Split, cells: pa.Table, part: str) -> tuple[Sets, list[int]]:
    """Return the cells of each patient of a part, and the patients' labels."""
    rows = split.assign(cells)
    rows = rows.filter(pc.equal(rows["part"], part))
    first = rows.group_by("patient", use_threads=False).aggregate([("label", "max")])
    return by_patient(rows), first["label_max"].to_pylist()


def lmu(real: Path) -> Sets:
    """Return the real cells of AML-Cytomorphology_LMU, each type a set."""
    listing = collections.read("folders", real / "aml-lmu").cells
    types = pc.unique(listing["class_name"]).to_pylist()
    return [opened(listing.filter(pc.equal(listing["class_name"], name))) for name in types]


def cnmc(real: Path) -> pa.Table:
    """Return the listing of the real cells of C-NMC 2019."""
    listing = collections.read("cnmc", real / "c-nmc-2019").cells
    return find_task("b_all").select(listing)


def shown_to_real(place: Path, seed: int, real: Path) -> Iterator[tuple[str, Refused]]:
    """Yield what a model of the sample of C-NMC 2019 refuses."""
    cells = cnmc(real)
    split = split_patients(cells, seed=seed)
    parts = {part: labelled(split, cells, part) for part in ("train", "validation", "test")}
    test = parts.pop("test")[0]
    predictor = model_of(parts, black=True, crop_px=450, seed=seed, folder=place / "trial")
    yield "own test subjects", asked(predictor, test)
    final = sorted((real / "c-nmc-2019" / "C-NMC_test_final_phase_data").glob("*.bmp"))
    yield "cells of the final phase, one set", asked(predictor, [[np.asarray(Image.open(path)) for path in final]])
    for name in ("inverted colours", "grey", "wrong crop: the middle half"):
        yield name, asked(predictor, [[CHANGES[name](pixels) for pixels in each] for each in test])
    yield "line charts", asked(predictor, charts(10))
    yield "real: AML-Cytomorphology_LMU, by type", asked(predictor, lmu(real))


def table(found: Sequence[Mapping[str, Refused]]) -> list[str]:
    """Return a row a kind of images, over all seeds."""
    lines = [
        "| shown | sets | sets refused | but for their size | single images | refused |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name in found[0]:
        each = [seed[name] for seed in found]
        sets, images = (np.array([getattr(of, key) for of in each]) for key in ("sets", "images"))
        refused, unsized = (np.dot([getattr(of, key) for of in each], sets) for key in ("of_sets", "unsized"))
        single = np.dot([of.of_images for of in each], images)
        lines.append(
            f"| {name} | {sets.sum()} | {refused / sets.sum():.3f} | {unsized / sets.sum():.3f} | {images.sum():,} | "
            f"{single / images.sum():.3f} |"
        )
    return lines


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--real", type=Path, default=SHARED, help="a folder with aml-lmu and c-nmc-2019")
    options = parser.parse_args()
    tensorflow_runtime.start(threads=2)
    found: dict[str, list[dict[str, Refused]]] = {"drawn": [], "real": []}
    for seed in range(options.seeds):
        for kind, show in (("drawn", shown_to_drawn), ("real", shown_to_real)):
            if kind == "real" and not options.real.is_dir():
                continue
            with tempfile.TemporaryDirectory() as place:
                found[kind].append(dict(show(Path(place), seed, options.real)))
            keras.utils.clear_session()
            print(seed, *table(found[kind][-1:])[2:], sep="\n", flush=True)
    lines = [
        "# Images unlike the training cells",
        "",
        f"The default CNN at {IMAGE_PX} px, {EPOCHS} epochs, {options.seeds} seeds, each with a cohort or split of its "
        "own and a training domain learnt as an export learns it. A set is one call of the predictor, such as the "
        "cells of a patient; it is refused where the warning fires for any of its images. But for their size: the same "
        "images scaled to the size of the training cells first, so that the size cannot tell. Refused of the models' "
        "own: at most 0.05 is wanted; of other collections, inverted colours and wrong crops at least 0.95.",
        "",
        f"A model of a drawn cohort (task runx1, {CELLS_PER_PATIENT} cells a patient). The changes are of its own test "
        "patients; those with other leukemias are of the same laboratory, but of classes that it was not trained on.",
        "",
        *table(found["drawn"]),
    ]
    if found["real"]:
        lines += [
            "",
            "A model of the real sample of C-NMC 2019 (56 cells of 26 subjects, a fifth of the "
            "subjects each for validation and test: about the fewest that limits can be learnt from).",
            "",
            *table(found["real"]),
        ]
    publish("unlike", lines)


if __name__ == "__main__":
    main()
