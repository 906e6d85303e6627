import csv
import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leukmodels.dataset.duplicates import join_duplicates
from leukmodels.dataset.split import split_patients
from leukmodels.process.words import USUAL

Row = tuple[str, str, str]  # content, class, patient

CLASSES = ("all", "hem")
ROWS = st.lists(
    st.tuples(st.sampled_from("abcdefghij"), st.sampled_from(CLASSES), st.sampled_from("123456")), max_size=40
)


def table(rows: Sequence[Row]) -> pa.Table:
    columns = [pa.array([row[place] for row in rows], pa.string()) for place in range(3)]
    paths = pa.array([f"/{n}" for n in range(len(rows))], pa.string())
    parts = pa.array([""] * len(rows), pa.string())
    return pa.table([paths, *columns, parts], names=["path", "content", "class_name", "patient", "part"])


@pytest.fixture(scope="module")
def manifest(shared_data: Path) -> pa.Table:
    """Return all 10,661 training images of C-NMC, with the fold that each is published in."""
    with (shared_data / "c-nmc-2019" / "c-nmc-training-manifest.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    cells = table([(row["sha256"], row["label"], row["patient_id"]) for row in rows])
    cells = cells.set_column(0, "path", pa.array([row["path"] for row in rows]))
    return cells.append_column("fold", pa.array([row["path"].partition("/")[0] for row in rows]))


def test_the_first_of_equal_images_is_kept_and_their_patients_are_joined() -> None:
    done = join_duplicates(table([("a", "all", "21"), ("b", "all", "7"), ("a", "all", "20"), ("c", "all", "20")]))
    assert done.joined == (("20", "21"),)
    assert done.cells.select(["path", "patient", "subject"]).to_pylist() == [
        {"path": "/0", "patient": "20+21", "subject": "21"},
        {"path": "/1", "patient": "7", "subject": "7"},
        {"path": "/3", "patient": "20+21", "subject": "20"},
    ]
    assert done.removed.select(["path", "patient", "reason"]).to_pylist() == [
        {"path": "/2", "patient": "20", "reason": "the same bytes as /0"}
    ]


def test_patients_are_joined_over_chains_of_images() -> None:
    rows = [("a", "all", "75"), ("a", "all", "51"), ("b", "all", "51"), ("b", "all", "78"), ("c", "all", "9")]
    assert join_duplicates(table(rows)).joined == (("51", "75", "78"),)


def test_equal_images_of_one_patient_join_nobody() -> None:
    done = join_duplicates(table([("a", "all", "1"), ("a", "all", "1")]))
    assert (done.joined, done.cells.num_rows, done.removed.num_rows) == ((), 1, 1)


def test_a_content_under_two_classes_is_removed_altogether_and_joins_nobody() -> None:
    done = join_duplicates(table([("a", "all", "1"), ("a", "hem", "H2"), ("a", "all", "3"), ("b", "all", "1")]))
    assert done.cells["path"].to_pylist() == ["/3"]
    assert set(done.removed["reason"].to_pylist()) == {"the same bytes stand under the classes all and hem"}
    assert done.joined == ()


def test_a_large_group_has_a_short_name() -> None:
    done = join_duplicates(table([("a", "all", str(n)) for n in range(9, -1, -1)]))
    assert done.cells["patient"].to_pylist() == ["0+9 others"]


def test_who_was_joined_is_told_in_a_sentence() -> None:
    rows = [("a", "all", "20"), ("a", "all", "21"), ("b", "all", "7")]
    assert join_duplicates(table(rows)).describe() == "Patients 20+21 share images and count as one patient."
    rows += [("c", "all", subject) for subject in ("78", "51", "75")]
    assert (
        join_duplicates(table(rows)).describe()
        == "Patients 20+21, 51+75+78 share images and count as one patient each."
    )
    assert join_duplicates(table(rows[:1])).describe() == ""
    whole = join_duplicates(table(rows))
    assert whole.describe(replace(USUAL, unit="subject")).startswith("Subjects 20+21, 51+75+78 share images and")
    assert whole.describe(replace(USUAL, unit="subject")).endswith(" count as one subject each.")
    assert whole.describe(replace(USUAL, unit="image")) == ""  # nobody is named, so nobody is joined


def test_the_sentence_on_hundreds_of_joined_subjects_is_short() -> None:
    rows = [(f"c{n // 2}", "all", f"subject{n}") for n in range(400)]
    words = join_duplicates(table(rows)).describe()
    assert "subject18+subject19 and 190 more groups share" in words
    assert len(words) < 400


def test_no_images_are_no_trouble() -> None:
    done = join_duplicates(table([]))
    assert (done.cells.num_rows, done.removed.num_rows, done.joined) == (0, 0, ())


@given(ROWS)
def test_the_counts_reconcile(rows: list[Row]) -> None:
    done = join_duplicates(table(rows))
    assert sorted(done.cells["path"].to_pylist() + done.removed["path"].to_pylist()) == sorted(
        table(rows)["path"].to_pylist()
    )
    assert all(done.removed["reason"].to_pylist())


@given(ROWS)
def test_what_is_kept_is_each_undisputed_content_once(rows: list[Row]) -> None:
    pairs = {(content, name) for content, name, _ in rows}
    classes = Counter(content for content, _ in pairs)
    assert Counter(join_duplicates(table(rows)).cells["content"].to_pylist()) == {
        c: 1 for c, n in classes.items() if n == 1
    }


@given(ROWS)
def test_patients_that_share_an_undisputed_content_are_one(rows: list[Row]) -> None:
    done = join_duplicates(table(rows))
    group_of = {subject: number for number, group in enumerate(done.joined) for subject in group}
    kept = set(done.cells["content"].to_pylist())
    for content, _, patient in rows:
        for other_content, _, other in rows:
            if content == other_content and content in kept and patient != other:
                assert group_of[patient] == group_of[other]
    assert sum(map(len, done.joined)) == len(group_of)
    assert len(set(done.cells["patient"].to_pylist())) <= len({patient for _, _, patient in rows})


def test_the_cross_fold_pairs_of_cnmc_are_found(manifest: pa.Table) -> None:
    """71 + 21 + 2 pairs cross the published folds (domain.md); the hashes are those of all 10,661 images."""
    first: dict[str, dict[str, str]] = {}
    pairs: Counter[tuple[str, ...]] = Counter()
    for row in manifest.to_pylist():
        other = first.setdefault(row["content"], row)
        if other["fold"] != row["fold"]:
            pairs[tuple(sorted((other["patient"], row["patient"])))] += 1
    assert pairs == {("20", "21"): 71, ("51", "78"): 11, ("51", "75"): 10, ("H2", "H6"): 1, ("H10", "H3"): 1}

    done = join_duplicates(manifest)
    assert (manifest.num_rows, done.cells.num_rows, done.removed.num_rows) == (10_661, 10_557, 104)
    assert done.joined == (("20", "21"), ("51", "75", "78"), ("H2", "H4", "H5", "H6"), ("H3", "H10"))
    group_of = {subject: group for group in done.joined for subject in group}
    assert all(group_of[one] == group_of[other] for one, other in pairs)


@pytest.mark.parametrize("seed", range(10))
def test_no_content_of_cnmc_stands_in_two_parts(manifest: pa.Table, seed: int) -> None:
    done = join_duplicates(manifest)
    split = split_patients(done.cells, seed=seed)
    group_of = dict(zip(done.cells["subject"].to_pylist(), done.cells["patient"].to_pylist(), strict=True))
    parts: dict[str, set[str]] = {}
    for row in manifest.to_pylist():  # every copy, removed ones too
        parts.setdefault(row["content"], set()).add(split.part_of[group_of[row["patient"]]])
    assert {len(found) for found in parts.values()} == {1}


def test_the_manifest_is_that_of_the_real_sample(manifest: pa.Table, shared_data: Path) -> None:
    hashes = dict(zip(manifest["path"].to_pylist(), manifest["content"].to_pylist(), strict=True))
    folder = shared_data / "c-nmc-2019" / "C-NMC_training_data"
    images = sorted(folder.rglob("*.bmp"))[:5]
    assert [hashes[i.relative_to(folder).as_posix()] for i in images] == [
        hashlib.sha256(i.read_bytes()).hexdigest() for i in images
    ]


@pytest.mark.parametrize(
    ("subjects", "name"),
    [
        (("2", "10"), "2+10"),  # by number, not by letter
        (("10", "9", "2", "1"), "1+2+9+10"),  # four are named
        (("10", "9", "3", "2", "1"), "1+4 others"),  # of five the first
    ],
)
def test_the_name_of_a_joined_patient(subjects: tuple[str, ...], name: str) -> None:
    done = join_duplicates(table([("a", "all", subject) for subject in subjects]))
    assert done.cells["patient"].to_pylist() == [name]


def test_a_content_under_three_classes_is_told_with_all() -> None:
    done = join_duplicates(table([("a", name, "1") for name in ("hem", "all", "aml")] + [("b", "all", "1")]))
    assert set(done.removed["reason"].to_pylist()) == {"the same bytes stand under the classes all and aml and hem"}


@pytest.mark.parametrize(("groups", "told"), [(10, ""), (11, " and 1 more group"), (12, " and 2 more groups")])
def test_ten_joined_patients_are_named_and_more_are_counted(groups: int, told: str) -> None:
    done = join_duplicates(table([(f"c{n // 2}", "all", f"{n}") for n in range(2 * groups)]))
    assert done.describe() == (
        f"Patients 0+1, 2+3, 4+5, 6+7, 8+9, 10+11, 12+13, 14+15, 16+17, 18+19{told} "
        "share images and count as one patient each."
    )
