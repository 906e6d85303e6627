import re
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from leukmodels.collections import READERS, ReadOptions
from leukmodels.collections.tasks import TASKS, Task, find_task
from leukmodels.errors import ConfigError, DataError
from leukmodels.process.words import Terms


def cells(*classes: str) -> pa.Table:
    return pa.table({"path": [str(n) for n in range(len(classes))], "class_name": list(classes)})


def write(folder: Path, text: str) -> str:
    path = folder / "my.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_the_tasks_are_those_of_the_two_collections() -> None:
    assert list(TASKS) == ["pml_rara", "npm1", "cbfb", "runx1", "aml", "b_all"]
    assert set(TASKS["aml"].disease) == {"PML_RARA", "NPM1", "CBFB_MYH11", "RUNX1_RUNX1T1"}
    assert all(find_task(name) is task and task.name == name for name, task in TASKS.items())


def test_every_class_of_a_task_is_one_of_its_reader() -> None:
    for task in TASKS.values():
        assert {*task.disease, *task.control} <= set(READERS[task.reader].classes or ())


def test_select_labels_disease_1_and_control_0_and_drops_the_rest() -> None:
    selected = TASKS["runx1"].select(cells("control", "NPM1", "RUNX1_RUNX1T1", "control"))
    assert selected["label"].type == pa.int8()
    assert selected.select(["path", "label"]).to_pylist() == [
        {"path": "0", "label": 0},
        {"path": "2", "label": 1},
        {"path": "3", "label": 0},
    ]


def test_leukemia_is_the_disease_of_b_all() -> None:
    assert TASKS["b_all"].select(cells("all", "hem"))["label"].to_pylist() == [1, 0]


def test_select_names_every_missing_class_and_what_was_found() -> None:
    with pytest.raises(DataError) as caught:
        TASKS["aml"].select(cells("control", "NPM1", "CBFB_MYH11"))
    assert len(caught.value.problems) == 2
    assert "'PML_RARA'" in caught.value.problems[0]
    assert "CBFB_MYH11, NPM1, control" in caught.value.problems[0]


def test_an_unknown_task_is_answered_with_the_allowed_ones_and_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"(?s)'RUNX_1'.*pml_rara, npm1.*Did you mean 'runx1'"):
        find_task("RUNX_1")


def test_a_task_file_is_read(tmp_path: Path) -> None:
    text = 'name="myo"\nreader="folders"\ndisease=["MYO"]\ncontrol=["LYT", "MON"]\n'
    task = find_task(write(tmp_path, text))
    assert task == Task(
        name="myo", question="MYO against LYT or MON", reader="folders", disease=("MYO",), control=("LYT", "MON")
    )
    assert find_task(write(tmp_path, f"\ufeff{text}")) == task  # as some editors mark the encoding


def test_a_task_file_says_what_folders_in_the_middle_are(tmp_path: Path) -> None:
    text = 'name="myo"\nreader="folders"\ndisease=["MYO"]\ncontrol=["LYT"]\nmiddle="split"\n'
    task = find_task(write(tmp_path, text))
    assert task.middle == "split"
    assert task.read_options == ReadOptions(classes=frozenset({"MYO", "LYT"}), middle="split")
    with pytest.raises(ConfigError, match="middle: 'patients' is none of patient, ignore, split"):
        find_task(write(tmp_path, text.replace('"split"', '"patients"')))
    with pytest.raises(
        ConfigError, match=r"reader 'table' knows what its folders are; leave it out. It is for folders"
    ):
        find_task(write(tmp_path, text.replace('"folders"', '"table"')))


def test_all_problems_of_a_task_file_come_at_once(tmp_path: Path) -> None:
    text = 'name="my task"\nreadr="mll"\nreader="ml"\ndisease="NPM1"\ncontrol=[]\nquestion=3\n'
    with pytest.raises(ConfigError) as caught:
        find_task(write(tmp_path, text))
    report = str(caught.value)
    assert len(caught.value.problems) == 6
    for words in (
        "readr: unknown key. Did you mean 'reader'?",
        "question: must be a text, not 3",
        "disease: must be a list of class names such as [\"control\"], not 'NPM1'",
        "'my task' must be made of letters",
        "'ml' is none of mll, cnmc, table, folders. Did you mean 'mll'?",
        "control: names no class",
    ):
        assert words in report


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('name="all"\nreader="folders"\ndisease=["A"]\ncontrol=["B"]', "no task is called 'all'"),
        ('name="runx1"\nreader="folders"\ndisease=["A"]\ncontrol=["B"]', "'runx1' is a task of this software"),
        ('name="x"\nreader="folders"\ndisease=["A", "B"]\ncontrol=["B"]', "'B' is both disease and control"),
        ('name="x"\nreader="mll"\ndisease=["NPM"]\ncontrol=["control"]', "no class 'NPM'. Did you mean 'NPM1'?"),
        ('name="x"\nreader="folders"\ndisease=["A"]', "control: missing"),
        ('name="x"\nreader="folders"\ndisease=["A"]\ncontrol=["B"]\npositive=1', "positive: must be a text, not 1"),
        (
            'name="x"\nreader="folders"\ndisease=["A"]\ncontrol=["B"]\nnegative="a\\nb"',
            "negative: 'a\\nb' must be one line",
        ),
        (
            'name="x"\nreader="folders"\ndisease=["A"]\ncontrol=["B"]\npositive="b"\nnegative="b"',
            "positive and negative are both 'b'.",
        ),
        ("name=", "cannot be read"),
    ],
)
def test_a_faulty_task_file_is_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(words)):
        find_task(write(tmp_path, text))


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "No such file or directory."), (b"\xff\xfe", "It is no UTF-8 text."), (b"name=", "It is no TOML: ")],
)
def test_a_task_file_that_cannot_be_read_is_answered_with_what_one_looks_like(
    content: bytes | None, words: str, tmp_path: Path
) -> None:
    path = tmp_path / "my.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"my\.toml cannot be read") as caught:
        find_task(str(path))
    problem, remedy = caught.value.problems
    assert problem.startswith(words)
    assert "Errno" not in problem
    assert "codec" not in problem
    path.write_text(remedy.partition("\n")[2], encoding="utf-8")
    assert find_task(str(path)).disease == ("MYO",)


def test_words_are_those_of_the_task_and_the_unit_that_of_its_collection(tmp_path: Path) -> None:
    classes = 'name="x"\nreader="folders"\ndisease=["MYO", "PMO"]\ncontrol=["LYT"]\n'
    plain = find_task(write(tmp_path, classes))
    assert plain.terms(patient_level=True) == Terms(unit="patient", positive="MYO or PMO", negative="LYT")
    assert plain.terms(patient_level=False) == Terms(unit="image", positive="MYO or PMO", negative="LYT")
    named = find_task(write(tmp_path, classes + 'positive="blast"\nnegative="lymphocyte"'))
    assert named.terms(patient_level=True) == Terms(unit="patient", positive="blast", negative="lymphocyte")
    assert named == plain  # words decide nothing, so studies of both can be set side by side
    assert TASKS["b_all"].terms(patient_level=True) == Terms(unit="subject", positive="leukemic", negative="healthy")


def test_a_task_of_this_software_has_its_words_in_a_study_of_an_older_version() -> None:
    older = replace(TASKS["npm1"], positive="", negative="")
    assert older.terms(patient_level=True) == Terms(unit="patient", positive="leukemic", negative="healthy")


def test_a_task_in_code_is_held_to_the_same_rules() -> None:
    with pytest.raises(ConfigError, match="both disease and control"):
        Task(name="x", question="", reader="folders", disease=("A",), control=("A",))
