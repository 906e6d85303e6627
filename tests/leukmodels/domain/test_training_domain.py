import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from drawn_cells import draw_cells
from leukmodels.domain.description import DomainDescription
from leukmodels.domain.training_domain import APPEARANCE, FEATURES, Likeness, Sample, TrainingDomain
from leukmodels.errors import ConfigError

PX, SIDE = 24, 144


def sample(patients: int, *, seed: int, cells_each: int = 6) -> Sample:
    cells = draw_cells({0: "lymphocyte", 1: "myeloblast"}, patients=patients, cells_each=cells_each, px=PX, seed=seed)
    images = next(cells.pixels.batches(np.arange(len(cells)), len(cells)))
    return Sample(
        images=images,
        features=features(images),
        sides_px=np.full(len(cells), SIDE),
        patients=cells.patients.astype(np.int64),
    )


def features(images: np.ndarray) -> np.ndarray:
    """Stand in for a network: mean colours, and a unit that no image ever makes fire."""
    means = images.mean(axis=(1, 2), dtype=np.float32)
    return np.column_stack([means, np.zeros(len(images), np.float32)])


@pytest.fixture(scope="module")
def validation() -> Sample:
    return sample(8, seed=1)


@pytest.fixture(scope="module")
def domain(validation: Sample) -> TrainingDomain:
    return TrainingDomain.learn(sample(16, seed=0), validation)


def said(domain: TrainingDomain, images: np.ndarray, side: int = SIDE) -> list[str]:
    return domain.unlike(domain.beside(images, features(images), [side] * len(images)))


def test_other_patients_of_the_laboratory_are_like_them(domain: TrainingDomain) -> None:
    others = sample(20, seed=2)
    sets = [said(domain, others.images[others.patients == who]) for who in range(20)]
    assert sum(any(each) for each in sets) <= 1
    assert (domain.cells, domain.patients, domain.black_background, domain.sides_px) == (96, 16, False, (144, 144))


@pytest.mark.parametrize(
    "change",
    [
        lambda images: 255 - images,
        lambda images: images[..., ::-1],
        lambda images: images // 2,
        lambda images: np.repeat(np.repeat(images[:, 6:18, 6:18], 2, axis=1), 2, axis=2),
        lambda images: np.repeat(images.mean(axis=-1, keepdims=True), 3, axis=-1).astype(np.uint8),
    ],
    ids=["inverted", "red and blue exchanged", "half as bright", "the middle alone", "grey"],
)
def test_changed_cells_are_unlike(change, domain: TrainingDomain) -> None:
    others = sample(6, seed=3)
    sets = [said(domain, change(others.images[others.patients == who])) for who in range(6)]
    assert all(all(each) for each in sets)


def test_what_is_unlike_is_said(domain: TrainingDomain, validation: Sample) -> None:
    like = validation.images[:6]
    assert said(domain, like) == [""] * 6
    (larger,) = said(domain, like[:1], side=400)
    assert larger == "its middle square has 400 px a side, theirs 144: another magnification or crop"
    black = like.copy()
    black[:, [0, -1]] = black[:, :, [0, -1]] = 0
    assert all(each.startswith("its background is black, theirs is not") for each in said(domain, black))
    assert said(domain, like[:1], side=151) == said(domain, like[:1], side=138) == [""]  # within a twentieth
    noise = np.random.default_rng(0).integers(0, 256, (1, PX, PX, 3), dtype=np.uint8)
    assert re.fullmatch(r"what surrounds its cell \(distance \d+\.\d\d, at most \d\.\d\d\).*", said(domain, noise)[0])
    odd = domain.beside(like, features(like) + 500, [SIDE] * 6)
    assert "what the model sees in it (distance" in domain.unlike(odd)[0]


def likeness(log: float = 0.0, *problems: str) -> Likeness:
    return Likeness(problems=problems, logs={APPEARANCE: log, FEATURES: 0.0})


@pytest.fixture
def simple(domain: TrainingDomain) -> TrainingDomain:
    """A domain in which the mean of n images may be 1 + 2 / sqrt(n)."""
    limits = domain.limits[APPEARANCE].model_copy(
        update={"mean": 1.0, "between": 0.0, "within": 1.0, "factor": 2.0, "cell": 9.0}
    )
    return replace(domain, limits={APPEARANCE: limits, FEATURES: limits})


def test_a_set_is_unlike_where_its_mean_is_beyond_what_so_many_may_have(simple: TrainingDomain) -> None:
    assert simple.unlike([likeness(2.9)]) == [""]
    assert simple.unlike([likeness(3.1)]) == ["its looks as a whole (distance 22.20, at most 20.09)"]
    assert simple.unlike([likeness(1.9)] * 4) == [""] * 4
    assert simple.unlike([likeness(2.1)] * 4) == ["the looks of 4 images together (distance 8.17, at most 7.39)"] * 4
    assert simple.unlike([]) == []


def test_what_is_unlike_by_itself_takes_nobody_with_it_but_as_the_majority(simple: TrainingDomain) -> None:
    chart = likeness(50.0, "no cell")
    assert simple.unlike([chart, likeness()]) == ["no cell", ""]
    assert simple.unlike([chart, chart, likeness()]) == ["no cell", "no cell", ""]  # too few to be a majority
    assert simple.unlike([chart, chart, likeness(), likeness()]) == ["no cell", "no cell", "", ""]
    assert simple.unlike([chart, chart, chart, likeness()])[-1] == (
        "3 of the 4 images of its set are unlike the training cells"
    )


def test_a_distance_that_is_no_number_is_unlike(simple: TrainingDomain, domain: TrainingDomain) -> None:
    assert simple.unlike([likeness(float("nan"))]) != [""]
    images = sample(1, seed=0).images[:1]
    found = domain.beside(images, np.full((1, 4), np.nan, np.float32), [SIDE])
    assert "what the model sees in it" in found[0].problems[0]


def test_a_saved_domain_says_the_same(domain: TrainingDomain, validation: Sample, tmp_path: Path) -> None:
    written = domain.save(tmp_path, validation)
    assert (written.validation_sets, written.validation_sets_unlike) == (8, 0)
    again = DomainDescription.model_validate(json.loads(written.model_dump_json()))
    loaded = TrainingDomain.load(tmp_path, again)
    images = np.concatenate([validation.images[:3], 255 - validation.images[:3]])
    assert loaded is not None
    assert said(loaded, images) == said(domain, images)
    assert TrainingDomain.load(tmp_path, again.model_copy(update={"version": 0})) is None


def test_files_of_another_model_are_refused(domain: TrainingDomain, validation: Sample, tmp_path: Path) -> None:
    written = domain.save(tmp_path, validation)
    cloud = np.load(tmp_path / "domain-features.npy")
    np.save(tmp_path / "domain-features.npy", cloud * np.float32(2))
    (tmp_path / "domain-appearance.npy").unlink()
    with pytest.raises(ConfigError) as caught:
        TrainingDomain.load(tmp_path, written)
    assert caught.value.problems == (
        "domain-appearance.npy: No such file or directory.",
        "domain-features.npy: it is not the file that was exported with the model.",
    )


def test_cells_of_both_kinds_of_background_are_known_as_that() -> None:
    mixed = sample(6, seed=0)
    mixed.images[mixed.patients < 3, 0] = mixed.images[mixed.patients < 3, -1] = 0
    mixed.images[mixed.patients < 3, :, 0] = mixed.images[mixed.patients < 3, :, -1] = 0
    domain = TrainingDomain.learn(mixed, mixed)
    assert domain.black_background is None
    assert not any("background is" in each for each in said(domain, mixed.images))
