"""Contents, the pixels they stand for, and caches that hold them: every answer can be checked by itself."""

import hashlib
import os
import time
from collections.abc import Collection
from pathlib import Path

import numpy as np
import numpy.typing as npt

from leukmodels.dataset.shards import Shard, read_shard, write_shard
from search.cache.store import PixelCache, Policy

POLICY = Policy(image_px=2, crop_px=450, max_pixels=64_000_000)
POLICIES = (POLICY, Policy(image_px=3, crop_px=None, max_pixels=64_000_000))
DAY_S = 86_400
Stamp = tuple[str, int, int, int, int]  # path, and leukmodels.collections.place.STAMP
STAMPS = [
    (path, *numbers)
    for path in ("/a/1.tif", "/a/1.ti", "s3://b/ö 1")
    for numbers in ((1, 1, 1, 1), (11, 1, 1, 1), (1, 11, 1, 1), (1, 1, 11, 1), (1, 1, 1, 11))
]
HASHES = [hashlib.sha256(bytes([number])).hexdigest() for number in range(12)]
USABLE, UNUSABLE = HASHES[:8], HASHES[8:]


def content(name: object) -> str:
    return hashlib.sha256(str(name).encode()).hexdigest()


def image(sha256: str, policy: Policy) -> npt.NDArray[np.uint8]:
    """Return the one image that a content is decoded to."""
    px = policy.image_px
    return np.frombuffer(bytes.fromhex(sha256)[: px * px * 3], dtype=np.uint8).reshape(px, px, 3)


def shard(policy: Policy, hashes: Collection[str]) -> Shard:
    return Shard(contents=[*hashes], images=np.stack([image(sha256, policy) for sha256 in hashes]))


def keep(cache: PixelCache, stamps: Collection[Stamp]) -> None:
    cache.keep_files(*columns(stamps), [content(stamp) for stamp in stamps])


def known(cache: PixelCache, stamps: Collection[Stamp]) -> list[str]:
    return cache.contents(*columns(stamps))


def columns(stamps: Collection[Stamp]) -> tuple[list[str], npt.NDArray[np.int64]]:
    """Return paths and stamps as a source gives them."""
    return [stamp[0] for stamp in stamps], np.array([stamp[1:] for stamp in stamps], np.int64).reshape(-1, 4)


def images(cache: PixelCache, policy: Policy = POLICY) -> dict[str, npt.NDArray[np.uint8]]:
    """Return every prepared image as its place says where it is."""
    prepared = cache.prepared(policy)
    read = [read_shard(path) for path in prepared.shards]
    return {sha256: read[number].images[row] for sha256, (number, row) in prepared.place.items()}


def kept(cache: PixelCache) -> list[Path]:
    return sorted(path for path in cache.folder.glob("*/**/*") if path.is_file())


def age(path: Path, days: float) -> None:
    used = time.time() - days * DAY_S
    os.utime(path, (used, used))


def fill(cache: PixelCache) -> dict[str, Path]:
    """Keep one file of each kind and return them by kind."""
    cache.keep_shard(POLICY, shard(POLICY, USABLE))
    cache.keep_unusable(POLICY, UNUSABLE, ["bad"] * len(UNUSABLE))
    keep(cache, STAMPS)
    stream = cache.stream_folder("key")
    for number in range(2):
        write_shard(stream / f"{number}.parquet", shard(POLICY, USABLE[number::2]))
    (bad,) = (cache.folder / POLICY.name).glob("*.unusable.parquet")
    (good,) = cache.prepared(POLICY).shards
    (files,) = (cache.folder / "files-v2").iterdir()
    return {
        "shard": good,
        "unusable": bad,
        "files": files,
        "first": stream / "0.parquet",
        "second": stream / "1.parquet",
    }
