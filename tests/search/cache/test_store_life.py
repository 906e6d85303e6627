"""Any order of writers, kills, damage and prunes leaves a cache that answers only what is true."""

import tempfile
import time
from pathlib import Path

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from search.cache.store import PixelCache, Policy
from toy_cache import DAY_S, POLICIES, STAMPS, UNUSABLE, USABLE, age, content, image, images, keep, kept, known, shard

WRITES = st.one_of(
    st.sets(st.sampled_from(STAMPS), min_size=1).map(lambda stamps: ("files", stamps)),
    *(
        write
        for policy in POLICIES
        for write in (
            st.sets(st.sampled_from(USABLE), min_size=1).map(lambda hashes, policy=policy: (policy, hashes)),
            st.sets(st.sampled_from(UNUSABLE), min_size=1).map(lambda hashes, policy=policy: (policy.name, hashes)),
        )
    ),
)


def write(cache: PixelCache, what, held) -> None:
    if what == "files":
        keep(cache, held)
    elif isinstance(what, Policy):
        cache.keep_shard(what, shard(what, held))
    else:
        policy = next(policy for policy in POLICIES if policy.name == what)
        cache.keep_unusable(policy, [*held], [f"bad {sha256}" for sha256 in held])


class Life(RuleBasedStateMachine):
    """Writers, kills, damage and prunes in any order; the model is what each whole file on disk was written with."""

    def __init__(self) -> None:
        super().__init__()
        self.scratch = tempfile.TemporaryDirectory()
        self.cache = PixelCache(Path(self.scratch.name) / "cache")
        self.whole = {}
        self.damaged = set()

    def teardown(self) -> None:
        self.scratch.cleanup()

    @rule(written=WRITES, days=st.sampled_from([0, 20, 40, 60]))
    def writer(self, written, days: int) -> None:
        before = set(kept(self.cache))
        write(self.cache, *written)
        (path,) = set(kept(self.cache)) - before
        age(path, days)
        self.whole[path] = written

    @rule(written=WRITES, share=st.floats(0, 1))
    def writer_that_is_killed(self, written, share: float) -> None:
        """Leave all that a kill before the rename can leave: the beginning of the file, under its name aside."""
        elsewhere = PixelCache(Path(self.scratch.name) / "elsewhere")
        write(elsewhere, *written)
        (path,) = kept(elsewhere)
        aside = self.cache.folder / path.parent.name / f".4711-{path.name}"
        aside.parent.mkdir(parents=True, exist_ok=True)
        (self.cache.folder / "CACHEDIR.TAG").write_bytes((elsewhere.folder / "CACHEDIR.TAG").read_bytes())
        aside.write_bytes(path.read_bytes()[: round(share * path.stat().st_size)])
        path.unlink()

    @rule(which=st.integers(0, 99), share=st.floats(0, 1, exclude_max=True), junk=st.none() | st.binary(max_size=400))
    def damage(self, which: int, share: float, junk: bytes | None) -> None:
        if (
            not self.whole
        ):  # no precondition: the names are random, so what prune leaves is not the same in every replay
            return
        path = [*self.whole][which % len(self.whole)]
        whole = path.read_bytes()
        path.write_bytes(whole[: int(share * len(whole))] if junk is None else junk)
        del self.whole[path]
        self.damaged.add(path)

    @rule(days=st.sampled_from([None, 10, 30, 50]))
    def prune(self, days: int | None) -> None:
        before = {path: path.stat() for path in kept(self.cache)}
        freed = self.cache.prune(None if days is None else days * DAY_S)
        gone = set(before) - set(kept(self.cache))
        assert sum(entry.bytes for entry in freed) == sum(before[path].st_size for path in gone)
        assert sum(entry.files for entry in freed) == len(gone)
        if days is None:
            assert gone == set(before)
        else:
            assert all(before[path].st_mtime < time.time() - days * DAY_S for path in gone)
        self.whole = {path: written for path, written in self.whole.items() if path not in gone}
        self.damaged -= gone

    @rule()
    def look(self) -> None:
        held = {
            what: set().union(*(held for at, held in self.whole.values() if at == what))
            for what, _ in self.whole.values()
        }
        assert known(self.cache, STAMPS) == [content(one) if one in held.get("files", ()) else "" for one in STAMPS]
        for policy in POLICIES:
            prepared = self.cache.prepared(policy)
            assert set(prepared.damaged) == {path for path in self.damaged if path.parent.name == policy.name}
            assert not self.cache.prepared(policy).damaged
            found = images(self.cache, policy)
            assert set(found) == held.get(policy, set())
            assert all(np.array_equal(pixels, image(sha256, policy)) for sha256, pixels in found.items())
            assert prepared.reasons == {sha256: f"bad {sha256}" for sha256 in held.get(policy.name, ())}
        assert not any(path.exists() for path in self.damaged)
        self.damaged.clear()

    @invariant()
    def sizes_add_up(self) -> None:
        files = kept(self.cache)
        entries = self.cache.sizes()
        assert sum(entry.bytes for entry in entries) == sum(path.stat().st_size for path in files)
        assert sum(entry.files for entry in entries) == len(files)


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=60, stateful_step_count=30)
