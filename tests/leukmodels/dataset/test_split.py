import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leukmodels.collections.tasks import TASKS
from leukmodels.dataset.split import PARTS, Split, settle_parts, split_patients
from leukmodels.errors import ConfigError, DataError
from leukmodels.process.words import Terms

MLL = {"control": 60, "PML_RARA": 24, "NPM1": 36, "CBFB_MYH11": 37, "RUNX1_RUNX1T1": 32}
FRACTIONS = st.floats(0.01, 0.49)


def cells(*rows: tuple[str, str, str]) -> pa.Table:
    """Return images of (class, patient, part)."""
    columns = {name: [row[place] for row in rows] for place, name in enumerate(("class_name", "patient", "part"))}
    return pa.table(columns | {"path": [f"/{n}" for n in range(len(rows))]})


def collection(patients: Mapping[str, int], images: int = 2) -> pa.Table:
    return cells(
        *((name, f"{name}{n}", "") for name, count in patients.items() for n in range(count) for _ in range(images))
    )


def patients_of(table: pa.Table) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for row in table.to_pylist():
        found[row["part"]].add(row["patient"])
    return found


@given(
    st.dictionaries(st.sampled_from("ABCDE"), st.integers(3, 30), min_size=1),
    st.integers(0, 100),
    FRACTIONS,
    FRACTIONS,
)
def test_no_patient_stands_on_two_sides(counts: dict[str, int], seed: int, validation: float, test: float) -> None:
    table = collection(counts)
    split = split_patients(table, seed=seed, validation=validation, test=test)
    found = patients_of(split.assign(table))
    assert not found["train"] & found["validation"]
    assert not found["train"] & found["test"]
    assert not found["validation"] & found["test"]
    assert found["train"] | found["validation"] | found["test"] == set(table["patient"].to_pylist())
    for name, count in counts.items():
        of_class = {part: sum(p.startswith(name) for p in split.patients(part)) for part in PARTS}
        assert min(of_class.values()) >= 1
        if count >= 10:
            assert abs(of_class["test"] - count * test) <= 1
            assert abs(of_class["validation"] - count * validation) <= 1.5


def test_the_proportions_hold_in_every_class() -> None:
    split = split_patients(collection(MLL))
    for name, count in MLL.items():
        for part in ("validation", "test"):
            assert sum(patient.startswith(name) for patient in split.patients(part)) == round(count * 0.2)


def test_the_split_is_the_same_for_every_task_on_the_collection() -> None:
    table = collection(MLL)
    split = split_patients(table)
    parts = {}
    for task in TASKS.values():
        if task.reader == "mll":
            selected = task.select(split.assign(table))
            found = patients_of(selected.filter(pa.compute.equal(selected["label"], 0)))
            parts[task.name] = {part: frozenset(found[part]) for part in PARTS}
    assert len(parts) == 5
    assert all(part == parts["runx1"] for part in parts.values())


def test_the_split_hangs_on_seed_and_names_alone() -> None:
    table = collection(MLL)
    assert split_patients(table, seed=1) == split_patients(table.take(list(range(table.num_rows))[::-1]), seed=1)
    assert split_patients(table, seed=1).fingerprint != split_patients(table, seed=2).fingerprint


def test_the_fingerprint_is_pinned() -> None:
    """Stored studies hold these: a change of the rule must be a decision."""
    fingerprint = split_patients(collection(MLL)).fingerprint
    assert fingerprint == "1cad7c32aab13c46e663a69ea9820e8de6c36777b3ca3c3548da499c5a331a36"
    assert (
        Split(part_of={"b": "test", "a": "train"}).fingerprint == Split(part_of={"a": "train", "b": "test"}).fingerprint
    )


def test_a_new_patient_moves_few_others() -> None:
    before = split_patients(collection({"A": 50}))
    after = split_patients(collection({"A": 51}))
    assert sum(before.part_of[patient] != after.part_of[patient] for patient in before.part_of) <= 2


def test_a_smaller_validation_part_leaves_the_test_patients_where_they_are() -> None:
    table = collection(MLL)
    assert split_patients(table, validation=0.1).patients("test") == split_patients(table).patients("test")


def test_the_collections_own_test_is_kept_and_the_rest_split_in_two() -> None:
    table = cells(*(("A", f"a{n}", "") for n in range(10)), *(("A", f"t{n}", "test") for n in range(4)))
    split = split_patients(table, validation=0.2)
    assert split.patients("test") == ("t0", "t1", "t2", "t3")
    assert (len(split.patients("train")), len(split.patients("validation"))) == (8, 2)


def test_parts_of_the_collections_own_are_taken_as_they_are() -> None:
    rows = [(name, f"{name}{part}{n}", part) for name in "AB" for part in PARTS for n in range(2)]
    for seed in range(3):
        split = split_patients(cells(*rows), seed=seed)
        assert split.part_of == {patient: part for _, patient, part in rows}
    table = split.assign(cells(*rows))
    assert table["part"].to_pylist() == [part for *_, part in rows]


def test_what_a_class_lacks_of_own_parts_is_split_off() -> None:
    free = [("A", f"a{n}", "") for n in range(10)]
    split = split_patients(cells(*free, ("A", "v", "validation")), test=0.3)
    assert split.part_of["v"] == "validation"
    assert (len(split.patients("train")), split.patients("validation"), len(split.patients("test"))) == (7, ("v",), 3)
    split = split_patients(cells(*free[:2], ("A", "t", "train")))
    assert [len(split.patients(part)) for part in PARTS] == [1, 1, 1]
    with pytest.raises(DataError, match=r"'A' has 1 patient to split, but needs at least 2: one each for train, valid"):
        split_patients(cells(*free[:1], ("A", "t", "test")))


def test_a_patient_of_several_own_parts_is_in_the_last() -> None:
    rows = [*((("A", f"{part}{n}", part)) for part in PARTS for n in range(2)), ("A", "train0", "validation")]
    split = split_patients(cells(*rows))
    assert split.part_of["train0"] == "validation"
    with pytest.raises(DataError, match="'train0' is of the collection's own validation"):
        Split(part_of=split.part_of | {"train0": "train"}).assign(cells(*rows))


def test_copies_are_in_the_last_of_the_collections_own_parts() -> None:
    table = cells(("A", "1", "train"), ("A", "2", "test"), ("A", "3", "validation"), ("A", "4", ""))
    table = table.append_column("content", pa.array(["x", "x", "y", "z"]))
    settled, note = settle_parts(table)
    assert settled["part"].to_pylist() == ["test", "test", "validation", ""]
    assert note.startswith("1 image with the same bytes in two of the collection's own parts")
    assert settle_parts(table.slice(1)) == (table.slice(1), "")


def test_a_patient_with_one_test_image_is_a_test_patient_with_all() -> None:
    rows = [("A", f"a{n}", "") for n in range(5)]
    split = split_patients(cells(*rows, ("A", "a3", "test")))
    assert split.patients("test") == ("a3",)
    assert split.assign(cells(*rows))["part"].to_pylist()[3] == "test"


def test_a_class_without_own_test_gives_test_patients_as_well() -> None:
    rows = [*(("A", f"a{n}", "") for n in range(3)), ("A", "t", "test"), *(("B", f"b{n}", "") for n in range(3))]
    split = split_patients(cells(*rows))
    assert {len([p for p in split.patients(part) if p.startswith("b")]) for part in PARTS} == {1}


@pytest.mark.parametrize(("n", "locked", "needed"), [(2, 0, 3), (1, 1, 2), (0, 1, 2)])
def test_too_few_patients_are_told_with_the_number_needed(n: int, locked: int, needed: int) -> None:
    rows = [*(("A", f"a{i}", "") for i in range(n)), *(("A", f"t{i}", "test") for i in range(locked))]
    with pytest.raises(DataError, match=f"Class 'A' has {n} patients? to split, but needs at least {needed}"):
        split_patients(cells(*rows, *(("B", f"b{i}", "") for i in range(3))))


def test_where_nobody_is_named_images_are_too_few() -> None:
    terms = Terms(unit="image", positive="A", negative="B")
    rows = [("A", "A/1", ""), *(("B", f"B/{i}", "") for i in range(3))]
    with pytest.raises(DataError) as caught:
        split_patients(cells(*rows), terms=terms)
    assert str(caught.value).splitlines() == [
        "The images cannot be split into train, validation and test.",
        "  - Class 'A' has 1 image to split, but needs at least 3: one each for train, validation, test. (Identical "
        "images count as one.)",
    ]


SMALL = st.dictionaries(st.sampled_from("ABCDE"), st.tuples(st.integers(0, 6), st.integers(0, 2)), min_size=1)


@given(SMALL, st.sets(st.sampled_from("ABCDE")), st.integers(0, 20))
def test_what_is_required_decides_only_whether_the_split_succeeds(
    counts: dict[str, tuple[int, int]], required: set[str], seed: int
) -> None:
    rows = [(name, f"{name}{n}", "") for name, (free, _) in counts.items() for n in range(free)]
    rows += [(name, f"{name}t{n}", "test") for name, (_, locked) in counts.items() for n in range(locked)]
    table = cells(*rows)
    large = {name for name, (free, locked) in counts.items() if free >= (2 if locked else 3)}
    whole = split_patients(table, seed=seed, required=())
    if required <= large:
        split = split_patients(table, seed=seed, required=required)
        assert split == whole
        assert [row["part"] for row in split.assign(table).to_pylist() if row["class_name"] not in large] == [
            part or "train" for name, _, part in rows if name not in large
        ]
    else:
        with pytest.raises(DataError) as caught:
            split_patients(table, seed=seed, required=required)
        assert len(caught.value.problems) == len(required - large)


def test_a_small_class_of_another_task_does_not_stop_this_one() -> None:
    task = TASKS["runx1"]
    with pytest.raises(DataError, match="Class 'NPM1' has 1 patient to split"):
        split_patients(collection(MLL | {"NPM1": 1}))
    split = split_patients(collection(MLL | {"NPM1": 1}), required=(*task.disease, *task.control))
    assert split.part_of == {
        patient: part for patient, part in split_patients(collection(MLL)).part_of.items() if "NPM1" not in patient
    } | {"NPM10": "train"}


def test_patients_of_several_classes_stay_whole() -> None:
    rows = [(name, f"p{n}", "") for n in range(12) for name in ("blast", "blast", "lymphocyte")]
    table = cells(*rows)
    found = patients_of(split_patients(table).assign(table))
    assert {part: len(patients) for part, patients in found.items()} == {"train": 8, "validation": 2, "test": 2}
    with pytest.raises(DataError, match="Class 'rare' has no patient in"):
        split_patients(cells(*rows, ("rare", "p0", "")))


@pytest.mark.parametrize(("validation", "test"), [(0, 0.2), (0.2, 0), (0.5, 0.5), (-0.1, 0.2), (float("nan"), 0.2)])
def test_parts_that_leave_nothing_are_refused(validation: float, test: float) -> None:
    with pytest.raises(ConfigError, match="must be above 0"):
        split_patients(collection({"A": 9}), validation=validation, test=test)


def test_assign_refuses_a_patient_it_does_not_know() -> None:
    split = split_patients(collection({"A": 3}))
    with pytest.raises(DataError, match="Patient 'A3' is not in the split"):
        split.assign(collection({"A": 4}))


def test_assign_refuses_to_train_on_the_collections_own_test() -> None:
    split = Split(part_of={"a": "train"})
    with pytest.raises(DataError, match="'a' is of the collection's own test"):
        split.assign(cells(("A", "a", "test")))


def test_assign_refuses_one_content_in_two_parts() -> None:
    table = cells(("A", "a", ""), ("A", "b", "")).append_column("content", pa.array(["00ff", "00ff"]))
    with pytest.raises(DataError, match="content 00ff stands in two parts"):
        Split(part_of={"a": "train", "b": "test"}).assign(table)


def test_a_saved_split_comes_back(tmp_path: Path) -> None:
    split = split_patients(collection({"Ä": 3, "B": 4}))
    split.save(tmp_path / "split.json")
    assert Split.load(tmp_path / "split.json") == split
    assert [path.name for path in tmp_path.iterdir()] == ["split.json"]


def test_a_split_changed_by_hand_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "split.json"
    split_patients(collection({"A": 6})).save(path)
    stored = json.loads(path.read_text(encoding="utf-8"))
    twice = stored | {"train": stored["train"] + stored["test"]}
    exchanged = stored | {"validation": stored["test"], "test": stored["validation"]}
    for changed, words in ((twice, "stands 2 times"), (exchanged, "Its fingerprint is")):
        path.write_text(json.dumps(changed), encoding="utf-8")
        with pytest.raises(DataError, match=words):
            Split.load(path)
    path.write_text("[]", encoding="utf-8")
    with pytest.raises(DataError, match="cannot be read as a split"):
        Split.load(path)


@pytest.mark.parametrize("rows", ["BABA", "ABAB", "AABB", "BBAA"])
def test_a_patient_with_as_many_cells_of_two_classes_is_of_the_first_by_name(rows: str) -> None:
    """Counted as of A it makes three patients of A, which can be split; as of B it would leave A with two."""
    others = [(name, f"{name}{number}", "") for name, count in (("A", 2), ("B", 9)) for number in range(count)]
    split = split_patients(cells(*((name, "mixed", "") for name in rows), *others), seed=0)
    assert {split.part_of[name] for name in ("mixed", "A0", "A1")} == set(PARTS)


@pytest.mark.parametrize("rows", [("AZ", "BA"), ("BA", "AZ")])
def test_the_first_by_name_is_so_from_its_first_letter(rows: tuple[str, str]) -> None:
    """As above: counted as of AZ, the patient is the third that AZ needs."""
    others = [(name, f"{name}{number}", "") for name, count in (("AZ", 2), ("BA", 9)) for number in range(count)]
    split = split_patients(cells(*((name, "mixed", "") for name in rows), *others), seed=0)
    assert {split.part_of[name] for name in ("mixed", "AZ0", "AZ1")} == set(PARTS)


@pytest.mark.parametrize(
    ("patients", "validation", "test", "sizes"),
    [
        (20, 0.2, 0.2, (12, 4, 4)),
        (13, 0.2, 0.2, (7, 3, 3)),  # 2.6 is nearer to 3
        (12, 0.2, 0.2, (8, 2, 2)),  # 2.4 is nearer to 2
        (10, 0.25, 0.25, (6, 2, 2)),  # 2.5 goes to the even one, as Python rounds
        (14, 0.25, 0.25, (6, 4, 4)),  # and so does 3.5
        (3, 0.01, 0.01, (1, 1, 1)),  # one each at least
        (3, 0.05, 0.9, (1, 1, 1)),  # two are left for the other parts, however large a test was wished
        (5, 0.05, 0.9, (1, 1, 3)),
        (5, 0.9, 0.05, (1, 3, 1)),  # and one for training, however large a validation
    ],
)
def test_how_many_patients_of_a_class_each_part_has(
    patients: int, validation: float, test: float, sizes: tuple[int, int, int]
) -> None:
    split = split_patients(collection({"A": patients}), validation=validation, test=test)
    assert tuple(len(split.patients(part)) for part in PARTS) == sizes
