"""The test patients are locked: what it takes to see them."""

import dataclasses
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import ray
from PIL import Image

from confirming import PX, confirmer, events, searched
from leukmodels.collections.source import open_source
from leukmodels.collections.tasks import find_task
from leukmodels.dataset.shards import read_shard
from leukmodels.dataset.split import Split
from leukmodels.errors import StudyError
from leukmodels.images.decoding import decode
from search.cache.store import PixelCache
from search.confirm.test_set import open_test
from search.data.dataset import prepare_dataset
from search.data.sharing import share, stream
from search.study.opened import Study


@pytest.fixture
def place(session, tmp_path, request):
    return searched(tmp_path, patients=getattr(request, "param", 12))


@pytest.fixture
def conducted(session, place, tmp_path):
    return confirmer(place, session, tmp_path)


def test_images_that_changed_since_are_refused_before_the_test_is_opened(place, conducted, tmp_path):
    first, second = sorted((tmp_path / "mll").rglob("AAA/image_*.tif"))[:2]
    with Image.open(second) as image:
        image.rotate(90).save(first)
    with pytest.raises(StudyError, match="are not those that runx1-1 was begun with"):
        conducted()
    assert not events(place, "test_opened")


def reachable(thing, seen):
    """Yield every image that can be reached from an object: through fields, containers, references, shards on disk."""
    if id(thing) in seen:
        return
    seen.add(id(thing))
    if isinstance(thing, ray.ObjectRef):
        yield from reachable(ray.get(thing), seen)
    elif isinstance(thing, Path):
        yield from (image.tobytes() for image in read_shard(thing).images)
    elif isinstance(thing, np.ndarray):
        if thing.dtype == np.uint8 and thing.ndim == 4:
            yield from (image.tobytes() for image in thing)
    elif isinstance(thing, dict | list | tuple | set):
        for each in thing.values() if isinstance(thing, dict) else thing:
            yield from reachable(each, seen)
    elif dataclasses.is_dataclass(thing):
        for each in dataclasses.fields(thing):
            yield from reachable(getattr(thing, each.name), seen)


@pytest.mark.parametrize("placing", [share, partial(stream, window=4)], ids=["shared", "streamed"])
def test_no_image_of_a_test_patient_can_be_reached_from_what_a_trial_is_given(place, placing, tmp_path):
    split, root = Split.load(place.split), tmp_path / "mll"
    config = Study.open(place).config
    dataset = prepare_dataset(
        open_source(root), find_task("runx1"), config, PixelCache(tmp_path / "cache"), synthetic=False, cores=2
    )
    placed = placing(dataset, PixelCache(tmp_path / "cache"))
    found = {*reachable(placed, set()), *reachable(placed.open(), set())}
    pixels = {path: decode(path.read_bytes(), image_px=PX, crop_px=None).tobytes() for path in root.rglob("*.tif")}
    of_part = {
        part: {pixels[path] for path in pixels if split.part_of[path.parent.name] == part}
        for part in ("train", "validation", "test")
    }
    assert of_part["train"] | of_part["validation"] <= found
    assert found.isdisjoint(of_part["test"])


@pytest.mark.fault("files", "the test is asked for without an opening in the journal", "it stays locked")
def test_the_lock_opens_for_nothing_but_an_opening_in_the_journal(place, conducted, tmp_path):
    cache = PixelCache(tmp_path / "cache")
    config = Study.open(place).config
    dataset = prepare_dataset(
        open_source(tmp_path / "mll"), find_task("runx1"), config, cache, synthetic=False, cores=2
    )
    with pytest.raises(StudyError, match=r"is locked: python -m search\.confirm opens it, once"):
        open_test(place, dataset, cache)
    conducted()  # and afterwards it is locked again
    with pytest.raises(StudyError, match="is locked"):
        open_test(place, dataset, cache)
