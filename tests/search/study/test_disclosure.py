import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from leukmodels.errors import StudyError
from search.study.disclosure import Disclosure, Names
from search.study.folder import StudyFolder
from search.study.portable import without_folders, without_paths

DISCRETE, OPEN = Disclosure(), Disclosure(identifiers=True)


@pytest.fixture
def folder(tmp_path):
    return StudyFolder(tmp_path)


def test_a_pseudonym_is_a_keyed_hash(folder):
    # printf 'patient\0AAB' | openssl dgst -sha256 -mac HMAC -macopt hexkey:00...00 -binary | base32
    folder.pseudonyms.write_text("0" * 64 + "\n")
    assert Names(folder, DISCRETE).patient("AAB") == "patient-fgyrfiamdf"
    assert Names(folder, DISCRETE).image("AAB") != "image-fgyrfiamdf"
    assert Names(folder, OPEN).patient("AAB") == "AAB"


def test_a_study_has_one_key_of_its_own_that_its_owner_alone_reads(folder, tmp_path):
    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(lambda _: Names(folder, DISCRETE).patient("AAB"), range(32)))
    assert len(set(told)) == 1
    assert stat.S_IMODE(folder.pseudonyms.stat().st_mode) == 0o600
    (tmp_path / "other").mkdir()
    assert Names(StudyFolder(tmp_path / "other"), DISCRETE).patient("AAB") != told[0]


def test_names_as_they_are_need_no_key(folder):
    assert Names(folder, OPEN).image("AAB/image_1.tif") == "AAB/image_1.tif"
    assert not folder.pseudonyms.exists()


@pytest.mark.parametrize("held", ["0" * 63 + "\n", "0" * 64, "no key", "\udcff"])
def test_a_key_that_is_none_is_said(folder, held):
    folder.pseudonyms.write_bytes(held.encode(errors="surrogateescape"))
    with pytest.raises(StudyError, match=r"pseudonyms\.key"):
        Names(folder, DISCRETE).patient("AAB")


def test_notes_that_name_patients_or_files_are_withheld(folder):
    notes = ["5 images are grey, 0.95 of all.", "AAB is in both.", "Left out: Thumbs.db.", "Left out: LYT/x.", "AABC"]
    patients = ["AAB", "a(b"]
    assert Names(folder, DISCRETE).sayable(notes, patients) == ("5 images are grey, 0.95 of all.", "AABC")
    assert Names(folder, DISCRETE).sayable(["AAB"], []) == ("AAB",)
    assert Names(folder, OPEN).sayable(notes, patients) == tuple(notes)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("OSError: [Errno 2] No such file: '/data/my cells/AAB.tif'", "OSError: [Errno 2] No such file: '(a file)'"),
        ('File "/home/me/x/loop.py", line 3, in f', 'File "loop.py", line 3, in f'),
        ("/a/b: gone, see s3://bucket/key and 3/4", "(a file): gone, see s3://bucket/key and 3/4"),
        ("the loss is not a number", "the loss is not a number"),
    ],
)
def test_a_message_keeps_no_path_of_the_machine(text, told):
    assert without_paths(text) == told


def test_values_keep_no_folder_of_the_machine():
    values = {"data": {"root": "/data/MLL", "px": 48}, "files": ["/a/b.h5", "c"], "backbones": "a=/x/y.h5,b=random"}
    told = {"data": {"root": "MLL", "px": 48}, "files": ["b.h5", "c"], "backbones": "a=y.h5,b=random"}
    assert without_folders(values) == told
