"""How files are dealt out to tasks."""

from hypothesis import given
from hypothesis import strategies as st

from search.data.ingest import shares

NUMBERS, CORES = st.integers(0, 200_000), st.integers(1, 256)


@given(n=NUMBERS, cores=CORES)
def test_every_file_is_in_one_task(n, cores):
    at = 0
    for first, size in shares(n, cores):
        assert first == at
        assert size > 0
        at += size
    assert at == n


@given(n=NUMBERS, cores=CORES)
def test_tasks_get_shorter_and_none_is_long(n, cores):
    sizes = [size for _, size in shares(n, cores)]
    assert sizes == sorted(sizes, reverse=True)
    assert all(size <= 4096 for size in sizes)


@given(n=st.integers(1, 4096), cores=CORES)
def test_all_cores_start_with_the_same(n, cores):
    sizes = [size for _, size in shares(n, cores)]
    assert len(set(sizes[: min(cores, len(sizes) - 1)])) <= 1
    assert len(sizes) >= min(cores, n // 16)
